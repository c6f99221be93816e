// 31. Graceful shutdown: the order in which a server ends, what a client sees of each step, and ending by being replaced.
//
// partly: streams that outlive the grace (told to come back, with a resume token, spread over the window) come with realtime; requeued jobs come with jobs
import { readFileSync } from "node:fs";
import { assert, Client, eventually, Frames, lintel, serve, SLOWNESS, sleep, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";

const sql = `CREATE TABLE thing (id integer PRIMARY KEY, name text NOT NULL); INSERT INTO thing SELECT n, 'thing ' || n FROM generate_series(1, 100) n;
  CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(1.5)::text AS nap`;
const app = { "resources/thing.yaml": "table: public.thing\naccess: public\n", "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n" };
const GET = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

test("not ready first, then no accepts, then those in flight, then the pools; exit code 0 inside the deadline", async (t) => {
  const api = await serve(t, { sql, app, config: { http: { drain_delay: "1s", drain_timeout: "10s" } } });
  const busy = await api.wire(), resting = await api.wire();
  await resting.send(GET("/v1/thing/1"));
  await resting.responses(1);
  await busy.send(GET("/v1/slow/1"));
  await sleep(100);
  const asked = Date.now();
  api.signal("SIGTERM");
  // 1. not ready, and still serving: a balancer gets its time to notice; answers already say goodbye
  await eventually(async () => (await new Client(api.base).get("/readyz")).status === 503, { withinMs: 900 });
  assert.equal((await new Client(api.base).get("/livez")).status, 200);
  const meanwhile = await new Client(api.base).get("/v1/thing/2").expect(200);
  assert.equal(meanwhile.header("connection"), "close");
  await resting.send(GET("/v1/thing/3"));
  assert.equal((await resting.responses(2))[1].headers.connection, "close");
  // 2. no accepts, 3. what is in flight ends whole
  await eventually(async () => new Client(api.base).get("/livez").then(() => false, (error) => error.code === "ECONNREFUSED"), { withinMs: 5000 });
  const [answer] = await busy.responses(1, 10000);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.connection, "close");
  // 4. the pools, and the end
  assert.equal((await api.ended()).code, 0);
  assert.ok(Date.now() - asked < 10000 * SLOWNESS);
  await eventually(async () => (await api.postgres.query("postgres", `SELECT 1 FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app'`)).length === 0);
});

test("HTTP/2: asked not to begin anything new, then told what the last was; what was begun ends whole", async (t) => {
  const api = await serve(t, { sql, app, config: { http: { drain_timeout: "10s" } } });
  const frames = await Frames.open(api.port), resting = await Frames.open(api.port);
  await frames.request(1, "/v1/slow/1");
  await resting.request(1, "/v1/thing/1");
  await resting.until((f) => f.ended(1));
  await sleep(100);
  api.signal("SIGTERM");
  // 1. no new ones, please: no last stream is named yet, since a request may be on its way
  await frames.until((f) => f.goaway && f.of("PING").length > 0);
  assert.deepEqual(frames.goaway, { last: 0x7fffffff, code: 0 });
  await frames.request(3, "/v1/thing/3");
  // 2. the answer to the PING says that nothing is on its way any more: the last word, below which everything is answered
  await frames.send("PING", 1, 0, frames.of("PING")[0].payload);
  await frames.until((f) => f.goaway.last === 3);
  await frames.until((f) => f.ended(1) && f.ended(3), 10000 * SLOWNESS);
  assert.deepEqual([frames.status(1), frames.status(3)], [200, 200]);
  await frames.closed(10000 * SLOWNESS);
  // who does not answer the PING gets the last word after a second
  await resting.closed(10000 * SLOWNESS);
  assert.deepEqual(resting.goaway, { last: 1, code: 0 });
  for (const each of [frames, resting]) each.close();
  assert.equal((await api.ended()).code, 0);
  assert.equal(api.lines.filter((line) => line.event === "drain_timeout").length, 0, api.log);
});

test("a request that the deadline cuts is told so, and does not keep the server", async (t) => {
  const api = await serve(t, { sql, app, config: { http: { drain_timeout: "200ms" } } });
  const busy = await api.wire();
  await busy.send(GET("/v1/slow/1"));
  await sleep(100);
  api.signal("SIGTERM");
  const text = await busy.rest(10000);
  assert.ok(text === "" || text.startsWith("HTTP/1.1 503"), text);
  assert.equal((await api.ended()).code, 0);
  await api.logged({ event: "drain_timeout" });
});

test("replaced instead of stopped: clients that stay connected notice nothing", async (t) => {
  const api = await serve(t, { sql, app });
  const load = new Load(t, api, (client, n) => client.get(`/v1/thing/${1 + (n % 100)}`).expect(200));
  const slow = await api.wire();
  await slow.send(GET("/v1/slow/1"));
  await load.well(50);
  const told = JSON.parse((await lintel(["ctl", "--app", api.dir, "--json", "upgrade"], { timeoutMs: 60000 })).stdout);
  assert.equal(told.upgraded, true);
  assert.equal(told.to_pid, await eventually(() => api.pid !== told.from_pid && api.pid, { withinMs: 20000 }));
  const [answer] = await slow.responses(1, 10000); // it began on the old server, which stayed for it
  assert.equal(answer.status, 200);
  await load.well(50);
  await load.stop();
  assert.deepEqual(Object.keys(load.outcomes), ["200"], JSON.stringify(load.outcomes));
  await api.logged({ event: "server_retired", status: 0 }, { withinMs: 20000 });
  const status = JSON.parse((await lintel(["ctl", "--app", api.dir, "--json", "status"])).stdout);
  assert.equal(status.process.upgrades, 1);
  slow.close();
});

test("an upgrade that cannot be is told to who asked, and nothing changed", async (t) => {
  const api = await serve(t, { sql, app });
  const pid = api.pid;
  const told = await lintel(["ctl", "--app", api.dir, "upgrade", "--binary", "/bin/true"], { timeoutMs: 60000 });
  assert.notEqual(told.code, 0);
  assert.match(told.stderr, /old server goes on: .*exit code 0 before it was ready/);
  assert.match((await lintel(["ctl", "--app", api.dir, "upgrade", "--binary", "lintel"])).stderr, /absolute path/);
  assert.match((await lintel(["ctl", "--app", api.dir, "upgrade", "--binary", "/nonexistent"])).stderr, /no program/);
  assert.equal(api.pid, pid);
  await api.get("/v1/thing/1").expect(200);
  const alone = await serve(t, { sql, app, words: ["--no-supervisor"] });
  assert.match((await lintel(["ctl", "--app", alone.dir, "upgrade"])).stderr, /without a supervisor/);
});

test("what ships in deploy/ gives it the time", async () => {
  const { TOP } = await import("../lib/lintel.mjs");
  const unit = readFileSync(`${TOP}/deploy/systemd/lintel.service`, "utf8");
  assert.match(unit, /^TimeoutStopSec=45s$/m);
  assert.match(unit, /^KillMode=mixed$/m); // SIGTERM to the supervisor alone: a second one, from systemd to the server, would hurry it
});
