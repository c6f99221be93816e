// 6. Latency spikes: `lintel doctor latency` tells network, database, app and pool apart, each planted here, with the numbers of the
// kernel, PostgreSQL and the container beside it; a histogram's slow buckets lead to one request.
//
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { SLOWNESS, assert, eventually, lintel, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { proxyOf } from "../lib/proxy.mjs";
import { standbyOf } from "../lib/replica.mjs";

const SQL = `CREATE TABLE thing (id integer PRIMARY KEY, name text); INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 100) n;
CREATE VIEW slow AS SELECT t.id, pg_sleep(0.04)::text AS nap FROM thing t WHERE t.id = 1;`;
const APP = { "resources/thing.yaml": "table: public.thing\naccess: public\noperations: [list, get, update]\n", "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n" };
const config = { cores: 2, advise: { window: "2s" } };

async function doctor(api, topic = "latency") {
  const run = await lintel(["doctor", topic, "--app", api.dir, "--json"], { timeoutMs: 60000 });
  assert.ok(run.code <= 1, run.stderr);
  return { code: run.code, ...JSON.parse(run.stdout) };
}
const says = (api, verdict) => eventually(async () => { const said = await doctor(api); return said.verdict === verdict && said; }, { withinMs: 20000, everyMs: 300 });

/** A server whose PostgreSQL is behind a wire of TCP that takes delayMs longer each way. */
async function behindWire(t, delayMs) {
  const postgres = await startPostgres();
  const proxy = await proxyOf(t, postgres);
  const database = await postgres.database(SQL);
  proxy.delayMs = delayMs;
  return serve(t, { postgres, database, url: proxy.url(database), app: APP, config });
}

const AS_ROOT = process.getuid() === 0 ? [] : ["sudo", "-n"];

if (!process.env.LINTEL_NETWORK) {
  test("slow SQL on a quick wire: the database, and the statement is named", async (t) => {
    const api = await serve(t, { sql: SQL, app: APP, config });
    const load = new Load(t, api, (client) => client.get("/v1/slow"), { clients: 3 });
    const said = await says(api, "database");
    assert.equal(said.code, 1);
    assert.match(said.places.database.reason, /PostgreSQL itself takes .* ms/);
    assert.match(said.places.database.reason, /slow/);
    assert.ok(said.places.database.ms > 20 * said.places.network.ms, said.text);
    assert.equal(said.facts.rtt_ms, null, "a local socket has no TCP");
    await load.stop();
  });

  test("a slow wire and quick SQL: the network", async (t) => {
    const api = await behindWire(t, 12);
    const load = new Load(t, api, (client, n) => client.get(`/v1/thing/${1 + (n % 100)}`), { clients: 3 });
    const said = await says(api, "network");
    assert.equal(said.code, 1);
    assert.ok(said.facts.ping_ms >= 20, said.text);
    assert.match(said.places.network.reason, /there and back/);
    assert.ok(said.places.network.ms > said.places.database.ms, said.text);
    assert.ok(said.facts.rtt_ms >= 0 && said.facts.retransmits_share >= 0, "TCP_INFO of the connections");
    await load.stop();
  });

  test("work in the server itself: the app, with the route that does it", async (t) => {
    const api = await serve(t, { sql: SQL, app: APP, config, env: { LINTEL_INJECT: "kit.ask.spin:5+" } });
    const load = new Load(t, api, (client) => client.get("/v1/thing/1"), { clients: 1 });
    const said = await says(api, "app");
    assert.match(said.places.app.reason, /GET \/v1\/thing\/\{id\}/);
    assert.ok(said.facts.stalls > 0, said.text);
    const capacity = await doctor(api, "capacity");
    assert.equal(capacity.verdict, "code", capacity.text);
    await load.stop();
  });

  test("too few connections: the pool", async (t) => {
    const api = await serve(t, { sql: SQL, app: APP, config: { ...config, pools: { max: 4 } } });
    const load = new Load(t, api, (client) => client.get("/v1/slow"), { clients: 24, pauseMs: 0 });
    await says(api, "pool");
    await load.stop();
  });

  test("who waits for a lock is counted", async (t) => {
    const api = await serve(t, { sql: SQL, app: APP, config });
    const locker = await api.postgres.connect(api.database, "app");
    await locker.query("BEGIN; UPDATE thing SET name = 'held' WHERE id = 7");
    const waiting = api.patch("/v1/thing/7", { name: "waits" });
    const settled = waiting.then((reply) => reply.status);
    const said = await eventually(async () => { const s = await doctor(api); return s.facts.lock_waits >= 1 && s; }, { withinMs: 20000 });
    assert.match(said.places.database.reason, /wait for locks/);
    await locker.query("COMMIT");
    await locker.end();
    assert.equal(await settled, 200);
  });

  test("a replica whose replay is held is named, on the primary and on itself; one that keeps up or idles is not", { timeoutMs: 120000 }, async (t) => {
    const primary = await startPostgres({ own: true, t });
    const database = await primary.database(SQL);
    await primary.query("postgres", "GRANT pg_read_all_stats TO app"); // else others' lag is not to be seen
    const standby = await standbyOf(t, primary);
    const api = await serve(t, { postgres: primary, database, app: APP, config });
    const replica = await serve(t, { postgres: standby, database, app: APP, config });
    let writes = 0;
    const asked = async (server) => {
      await api.patch("/v1/thing/7", { name: `n${++writes}` }).expect(200);
      const said = await doctor(server);
      return { ...said, lags: /Replication lags [\d.]+ s behind/.test(said.places.database.reason) };
    };
    const becomes = (server, lags) => eventually(async () => { const said = await asked(server); return said.lags === lags && said; }, { withinMs: 40000, everyMs: 300 });
    await becomes(api, false);
    await eventually(async () => (await standby.query(database, "SELECT name FROM thing WHERE id = 7"))[0].name === `n${writes}`);
    await sleep(1500); // nothing is written: what it replayed last grows old, and yet it lacks nothing
    assert.equal((await doctor(replica)).facts.replication_lag_s, 0);

    await standby.query("postgres", "SELECT pg_wal_replay_pause()");
    for (const server of [api, replica]) {
      const said = await becomes(server, true);
      assert.ok(said.facts.replication_lag_s >= 1, said.text);
      assert.match(said.text, /replicas {2}[\d.]+ s behind/);
    }
    const [{ name }] = await standby.query(database, "SELECT name FROM thing WHERE id = 7");
    assert.notEqual(name, `n${writes}`, "it is behind indeed");

    await standby.query("postgres", "SELECT pg_wal_replay_resume()");
    await becomes(api, false);
    await becomes(replica, false);
  });

  test("a database that has a name: looking it up is timed", async (t) => {
    const postgres = await startPostgres();
    const proxy = await proxyOf(t, postgres);
    const database = await postgres.database(SQL);
    const api = await serve(t, { postgres, database, url: proxy.url(database).replace("127.0.0.1", "localhost"), app: APP, config });
    const said = await doctor(api);
    assert.ok(said.facts.dns_ms >= 0, said.text);
    assert.match(said.text, /name lookup [\d.]+ ms/);
  });

  test("at ease nothing stands out; the numbers of memory, CPU and pressure are there", async (t) => {
    const api = await serve(t, { sql: SQL, app: APP, config });
    for (let i = 0; i < 10; i++) await api.get("/v1/thing/1").expect(200);
    const said = await doctor(api);
    assert.ok(said.memory.resident_bytes > 1 << 20 && (SLOWNESS > 1 || said.memory.used_bytes > 0), JSON.stringify(said.memory)); // sanitizers bring a malloc of their own
    assert.ok(said.facts.cpu_limit > 0 && said.facts.cpu_used >= 0);
    assert.ok(said.facts.lag_p99_ms >= 0 && said.facts.database_seen);
    assert.match(said.text, /memory .* MiB resident; malloc/);
    const shown = await lintel(["doctor", "latency", "--app", api.dir]);
    assert.match(shown.stdout, /^latency: \w+\n/);
  });

  test("a doctor without a server says so", async (t) => {
    const run = await lintel(["doctor", "latency", "--app", "/"]);
    assert.equal(run.code, 3);
    assert.match(run.stderr, /server/);
    assert.equal((await lintel(["doctor", "weather"])).code, 2);
    const api = await serve(t, { sql: SQL, app: APP, config });
    const wrong = await lintel(["ctl", "--app", api.dir, "doctor", "weather"]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /capacity\|latency\|memory\|pool\|routes/);
  });

  test("a doctor is called while the database is away", async (t) => {
    const postgres = await startPostgres({ own: true, t });
    const api = await serve(t, { postgres, sql: SQL, app: APP, config });
    await postgres.stop("immediate");
    for (const topic of ["latency", "capacity", "pool", "routes"]) {
      const said = await doctor(api, topic);
      assert.equal(said.facts.database_seen, false);
    }
    await postgres.start();
  });

  test("a histogram's bucket leads to a request: by the caller's trace, or for slow ones by our id", async (t) => {
    const api = await serve(t, { sql: SQL, app: APP, config });
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    await api.get("/v1/thing/1", { traceparent: `00-${trace}-00f067aa0ba902b7-01` }).expect(200);
    const slow = await api.get("/v1/slow").expect(200);
    const page = (await api.admin.get("/metrics", { Accept: "application/openmetrics-text; version=1.0.0" }).expect(200)).text;
    const bucket = (route) => page.split("\n").filter((line) => line.startsWith("lintel_http_request_duration_seconds_bucket") && line.includes(`route="${route}"`) && line.includes(" # {"));
    assert.match(bucket("/v1/thing/{id}")[0], new RegExp(`# \\{trace_id="${trace}"\\} [\\d.e-]+ \\d+\\.\\d{3}$`));
    assert.match(bucket("/v1/slow")[0], new RegExp(`# \\{correlation_id="${slow.header("X-Request-Id")}"\\}`));
    assert.doesNotMatch((await api.admin.get("/metrics")).text, / # \{/, "the older format has none");
  });

  // In a network of its own, whose packets the kernel lets through slowly: then TCP's own measure tells it. Made by root, used by who runs the tests.
  const inNetwork = (...words) => [...AS_ROOT, "unshare", "-n", "sh", "-c",
    'ip link set lo mtu 1500 up && tc qdisc add dev lo root tbf rate 1gbit burst 100kb limit 1mb && user=$1 group=$2 && shift 2 && exec setpriv --reuid="$user" --regid="$group" --init-groups env -i "$@"',
    "sh", String(process.getuid()), String(process.getgid()), ...Object.entries({ ...process.env, LINTEL_NETWORK: "slow", NODE_TEST_CONTEXT: "" }).map(([name, value]) => `${name}=${value}`), ...words];
  const run = ([program, ...words]) => spawnSync(program, words, { encoding: "utf8" });
  const skip = run(inNetwork("true")).status === 0 ? false : "no network of its own is to be had here";
  test("a network that the kernel delays shows in TCP's round trip", { skip, timeoutMs: 120000 }, () => {
    const inside = run(inNetwork(process.execPath, fileURLToPath(import.meta.url)));
    assert.equal(inside.status, 0, inside.stdout + inside.stderr);
  });
} else {
  test("inside the slow network", { timeoutMs: 100000 }, async (t) => {
    const api = await behindWire(t, 0);
    const load = new Load(t, api, (client) => client.get("/v1/thing/1"), { clients: 3 });
    const [program, ...words] = [...AS_ROOT, "tc", "qdisc", "replace", "dev", "lo", "root", "tbf", "rate", "400kbit", "burst", "1600", "limit", "100kb"]; // a packet of 500 bytes: 10 ms
    execFileSync(program, words);
    // what a first look of a tenth of a second sees may be no TCP yet
    const slow = ({ verdict, facts, places }) => verdict === "network" && facts.rtt_ms >= 5 && /TCP measures/.test(places.network.reason); // without, a twentieth of a millisecond
    await eventually(async () => slow(await doctor(api)), { withinMs: 30000, everyMs: 300 });
    await load.stop();
  });
}
