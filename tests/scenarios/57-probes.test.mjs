// 57. Deploy trouble: liveness depends on nothing, readiness on the database, damped so that a blip does not empty a balancer; a name
// service that goes away takes nobody along; manifests that drift from the configuration are found (tests/e2e/deploy.test.mjs).
//
// partly: breakers on upstreams other than PostgreSQL, and `lintel chaos`, come later; the manifests never ran in a cluster
import { SLOWNESS, TOP, assert, eventually, lintel, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { proxyOf } from "../lib/proxy.mjs";

const SQL = "CREATE TABLE thing (id integer PRIMARY KEY, name text); INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 100) n";
const APP = { "resources/thing.yaml": "table: public.thing\naccess: public\n" };
const status = async (api, path) => (await api.get(path)).status;

test("a database that is away makes it not ready, never not alive; and it is the same process afterwards", async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const api = await serve(t, { postgres, sql: SQL, app: APP, config: { observe: { ready_damping: "300ms" } } });
  const { pid } = api;
  await api.get("/readyz").expect(200);
  await postgres.stop("immediate");
  await eventually(async () => (await status(api, "/readyz")) === 503, { withinMs: 3000 });
  for (let i = 0; i < 20; i++) await api.get("/livez").expect(200);
  await api.get("/readyz").expect(503, { "checks.database": false, "checks.schema": true, "checks.accepting": true });
  await api.admin.get("/readyz").expect(503);
  await postgres.start();
  await eventually(async () => (await status(api, "/readyz")) === 200, { withinMs: 2000 });
  assert.equal(api.pid, pid);
  assert.ok(api.running);
});

test("a blip shorter than the damping is not seen by the balancer", async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const api = await serve(t, { postgres, sql: SQL, app: APP, config: { observe: { ready_damping: "3s" } } });
  const seen = [];
  let watching = true;
  const watch = (async () => { while (watching) { seen.push(await status(api, "/readyz")); await sleep(20); } })();
  for (let i = 0; i < 3; i++) {
    await postgres.restart("fast");
    await eventually(async () => (await status(api, "/v1/thing/1")) === 200, { withinMs: 2000 });
  }
  watching = false;
  await watch;
  assert.deepEqual([...new Set(seen)], [200], "no flapping");
});

test("a database that flaps: readiness changes its mind seldom", async (t) => {
  const postgres = await startPostgres();
  const proxy = await proxyOf(t, postgres);
  const database = await postgres.database(SQL);
  const api = await serve(t, { postgres, database, url: proxy.url(database), app: APP, config: { observe: { ready_damping: "3s" } } });
  const load = new Load(t, api, (client) => client.get("/v1/thing/1"), { clients: 4 });
  let changes = 0, last = 200;
  for (let i = 0; i < 30; i++) {
    proxy.refusing = i % 2 === 0;
    if (proxy.refusing) proxy.cut();
    await sleep(80);
    const now = await status(api, "/readyz");
    if (now !== last) changes++;
    last = now;
  }
  await load.stop();
  t.diagnostic(JSON.stringify(load.outcomes));
  assert.ok(changes <= 4, `${changes} changes in 15 blips`);
});

test("started before its database: alive at once, ready when it comes, serving without a restart", async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const database = await postgres.database(SQL);
  await postgres.stop();
  const api = await serve(t, { postgres, database, app: APP, ready: false });
  await eventually(async () => (await status(api, "/livez")) === 200);
  await api.get("/readyz").expect(503, { "checks.schema": false });
  await api.get("/v1/thing/1").expect(503, { "Retry-After": /\d/ });
  await postgres.start();
  await eventually(async () => (await status(api, "/readyz")) === 200, { withinMs: 2000 });
  await api.get("/v1/thing/1").expect(200);
});

test("probes answer while every place is taken and PostgreSQL stands still", async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const api = await serve(t, { postgres, sql: SQL, app: APP, config: { http: { in_flight_max: 8, request_timeout: "2s" } } });
  postgres.pause();
  const load = new Load(t, api, (client) => client.get("/v1/thing/1"), { clients: 16, pauseMs: 0 });
  await eventually(() => load.records.some((record) => record.code === "overloaded" || record.status === 503), { withinMs: 3000 });
  for (let i = 0; i < 20; i++) {
    const asked = Date.now();
    await api.get("/livez").expect(200);
    assert.ok([200, 503].includes(await status(api, "/readyz")));
    assert.ok(Date.now() - asked < 500 * SLOWNESS);
  }
  postgres.resume();
  await load.stop();
  await eventually(async () => (await status(api, "/readyz")) === 200, { withinMs: 2000 });
});

test("asked to stop, it says not ready first and goes on serving for the pre-stop delay", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP, config: { http: { drain_delay: "600ms" } } });
  api.signal("SIGTERM");
  await eventually(async () => (await status(api, "/readyz")) === 503, { withinMs: 300, everyMs: 5 });
  await api.get("/readyz").expect(503, { "checks.accepting": false });
  await api.get("/livez").expect(200);
  await api.get("/v1/thing/1").expect(200); // until the balancer has noticed
  assert.equal((await api.ended()).code, 0);
});

test("a name that does not resolve is tried again and never blocks the probes", async (t) => {
  const api = await serve(t, { url: "postgresql://app@no-such-host.invalid/x?connect_timeout=2", app: APP, ready: false });
  await eventually(async () => (await status(api, "/livez")) === 200);
  for (let i = 0; i < 10; i++) {
    const asked = Date.now();
    await api.get("/livez").expect(200);
    assert.ok(Date.now() - asked < 300 * SLOWNESS);
    await sleep(20);
  }
  await api.get("/readyz").expect(503);
  await api.get("/v1/thing/1").expect(503);
});

test("the name service is gone while every connection must be made again", async (t) => {
  const postgres = await startPostgres();
  const proxy = await proxyOf(t, postgres);
  const database = await postgres.database(SQL);
  const url = proxy.url(database).replace("127.0.0.1", "localhost");
  const api = await serve(t, { postgres, database, url, app: APP, words: ["--cores", "1"], env: { LINTEL_INJECT: "pg.resolve:4+" }, config: { pools: { max: 8, lanes: 2, dns_ttl: "0s" } } });
  for (let round = 0; round < 3; round++) {
    proxy.cut();
    await eventually(async () => (await status(api, "/v1/thing/1")) === 200);
    assert.equal(await status(api, "/readyz"), 200);
  }
  assert.ok((await api.metrics())("lintel_pools_stale_addresses_total") > 0);
});

test("the manifests' thresholds and requests fit what a server needs to start, to answer and to end", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP });
  const check = async () => JSON.parse((await lintel(["check", api.dir, "--json", "--manifests", `${TOP}/deploy/kubernetes/lintel.yaml`])).stdout);
  assert.deepEqual((await check()).findings.map((f) => f.fix), ["in lintel.yaml: pools: { nodes: 9 }"], "how many pods share the database is the configuration's to know");
  const conf = JSON.parse(api.read("lintel.yaml"));
  api.write("lintel.yaml", { ...conf, pools: { nodes: 9 } });
  assert.deepEqual(await check(), { errors: 0, warnings: 0, findings: [] });
  // Drained for longer than the grace, or watched less patiently than the supervisor acts: the pod would end with requests in it.
  api.write("lintel.yaml", { ...conf, pools: { nodes: 9 }, http: { drain_timeout: "60s" }, process: { stall: "60s" } });
  assert.deepEqual((await check()).findings.map((f) => f.fix), ["terminationGracePeriodSeconds: 70", "periodSeconds: 10, failureThreshold: 6"]);
});
