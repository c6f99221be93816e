// 2. Slow endpoint: where its time goes is told by Server-Timing, the metrics and `lintel doctor routes`; a statement sent again and
// again, a slow one, and a loop that is held up are each named with their route.
//
// partly: the TTL memo of hot reads with its scopes and tags, and lintel_offload() for handlers of one's own, come with the cache and the SDK
import { assert, eventually, lintel, serve, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP } from "../lib/databases.mjs";
import { Load } from "../lib/load.mjs";

const SQL = `${SHOP} CREATE VIEW slow AS SELECT c.id, pg_sleep(0.06)::text AS nap FROM customer c WHERE c.id = 1;`;
const APP = { ...SHOP_APP, "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n" };
const shop = (t, options = {}) => serve(t, { sql: SQL, app: APP, ...options });

/** Server-Timing as numbers of milliseconds. */
const timing = (reply) => Object.fromEntries([...reply.header("Server-Timing").matchAll(/(\w+);dur=([\d.]+)/g)].map((m) => [m[1], Number(m[2])]));
const largest = (split) => ["queue", "app", "pool", "db", "serialise"].reduce((a, b) => (split[a] >= split[b] ? a : b));
async function doctor(api, topic) {
  const run = await lintel(["doctor", topic, "--app", api.dir, "--json"]);
  assert.ok(run.code <= 1, run.stderr);
  return { code: run.code, ...JSON.parse(run.stdout) };
}

test("Server-Timing tells a slow query from slow code", async (t) => {
  const api = await shop(t, { config: { observe: { server_timing: "on" } }, env: { LINTEL_INJECT: "kit.ask.spin:2" } });
  const query = timing(await api.get("/v1/slow").expect(200));
  assert.equal(largest(query), "db", JSON.stringify(query));
  assert.ok(query.db >= 55 && query.total >= query.db, JSON.stringify(query));
  const code = timing(await api.get("/v1/customer").expect(200));
  assert.equal(largest(code), "app", JSON.stringify(code));
  assert.ok(code.app >= 400, JSON.stringify(code));
});

test("it is there in development and not elsewhere, unless asked for", async (t) => {
  const quiet = await shop(t);
  assert.equal((await quiet.get("/v1/customer").expect(200)).header("Server-Timing"), undefined);
  const loud = await shop(t, { config: { observe: { server_timing: "on" } } });
  await loud.get("/nowhere").expect(404, { "Server-Timing": /total;dur=/ });
  const dev = await serve(t, { sql: SQL, app: APP, command: "dev" });
  await dev.get("/v1/customer").expect(200, { "Server-Timing": /db;dur=/ });
});

test("the metrics split each route's time, and the doctor says what it mostly is", async (t) => {
  const api = await shop(t, { env: { LINTEL_INJECT: "kit.ask.spin:2" }, config: { loop: { stall: "10s" } } });
  await api.get("/v1/slow").expect(200);
  await api.get("/v1/customer").expect(200);
  for (let i = 0; i < 3; i++) await api.get("/v1/slow").expect(200);
  const value = await api.metrics();
  const split = (route) => Object.fromEntries(["queue", "app", "pool", "database", "serialise", "send"].map((phase) => [phase, value("lintel_http_request_time_seconds_total", { route, method: "GET", phase })]));
  const slow = split("/v1/slow"), customer = split("/v1/customer");
  assert.ok(slow.database >= 4 * 0.055 && slow.database > 10 * (slow.app + slow.serialise), JSON.stringify(slow));
  assert.ok(customer.app >= 0.4 && customer.app > customer.database, JSON.stringify(customer));
  assert.ok(Object.values(slow).every((s) => s > 0), JSON.stringify(slow));
  const sum = Object.values(slow).reduce((a, b) => a + b), took = value("lintel_http_request_duration_seconds_sum", { route: "/v1/slow" });
  assert.ok(sum > 0.9 * took && sum < 1.1 * took + 0.01, `the parts make ${sum} s of ${took} s`);

  const said = await doctor(api, "routes");
  const route = (name) => said.routes.find((r) => r.route === name);
  assert.equal(route("GET /v1/slow").mostly, "database");
  assert.equal(route("GET /v1/customer").mostly, "app");
  assert.equal(route("GET /v1/slow").requests, 4);
  assert.match(said.text, /GET \/v1\/slow .* database\n/);
});

test("waiting for connections is told from the queries themselves", async (t) => {
  const api = await shop(t, { config: { pools: { max: 4 } } });
  const load = new Load(t, api, (client) => client.get("/v1/slow"), { clients: 24, pauseMs: 0 });
  await load.well(120, 20000);
  await load.stop();
  const value = await api.metrics();
  const phase = (name) => value("lintel_http_request_time_seconds_total", { route: "/v1/slow", phase: name });
  assert.ok(phase("pool") > phase("database"), `${phase("pool")} s waited, ${phase("database")} s asked`);
  assert.equal((await doctor(api, "routes")).routes.find((r) => r.route === "GET /v1/slow").mostly, "pool");
});

test("N+1: the same statement again and again in one request is named with its route", async (t) => {
  const api = await shop(t, { env: { LINTEL_INJECT: "kit.ask.each:3" } });
  await api.get("/v1/orders?select=id,customer(name),lines(line)").expect(200); // children come with their parents
  await api.get("/v1/customer").expect(200);
  assert.equal((await api.metrics())("lintel_http_n_plus_one_total"), 0);
  const reply = await api.get("/v1/customer?name=eq.canary-51").expect(200); // planted: 25 times
  const line = await api.logged({ event: "n_plus_one" });
  assert.equal(line.level, "warn");
  assert.equal(line.route, "GET /v1/customer");
  assert.equal(line.correlation_id, reply.header("X-Request-Id"));
  assert.equal(line.times, 25);
  assert.match(line.fingerprint, /^[0-9a-f]{16}$/);
  assert.match(line.sql, /FROM "public"\."customer"/);
  assert.equal((await api.metrics())("lintel_http_n_plus_one_total", { route: "/v1/customer", method: "GET" }), 1);
  const said = await doctor(api, "routes");
  assert.equal(said.code, 1);
  assert.equal(said.routes.find((r) => r.route === "GET /v1/customer").n_plus_one, 1);
  assert.ok(!api.log.includes("canary-51"), "no value in the log");
});

test("N+1 at the limit is nothing, one past it is; and one statement is spoken of once in a while", async (t) => {
  const at = await shop(t, { env: { LINTEL_INJECT: "kit.ask.each" }, config: { observe: { n_plus_one: 25 } } });
  await at.get("/v1/customer").expect(200);
  assert.equal((await at.metrics())("lintel_http_n_plus_one_total"), 0);
  const past = await shop(t, { env: { LINTEL_INJECT: "kit.ask.each" }, config: { observe: { n_plus_one: 24 } } });
  for (let i = 0; i < 5; i++) await past.get("/v1/customer").expect(200);
  assert.equal((await past.metrics())("lintel_http_n_plus_one_total"), 5);
  assert.equal(past.lines.filter((line) => line.event === "n_plus_one").length, 1);
});

test("a slow statement is logged with route, id, fingerprint and times, and without its values", async (t) => {
  const app = { ...APP, "queries/nap.sql": "/*\nroute: GET /v1/nap/{note}\naccess: public\n*/\nSELECT pg_sleep(0.05)::text AS nap, 'literal-77' AS fixed, :note::text AS note\n" };
  const api = await serve(t, { sql: SQL, app, config: { observe: { slow_statement: "40ms" } } });
  const reply = await api.get("/v1/nap/canary-52");
  assert.equal(reply.status, 200, reply.text);
  const line = await api.logged({ event: "statement_slow" });
  assert.equal(line.route, "GET /v1/nap/{note}");
  assert.equal(line.correlation_id, reply.header("X-Request-Id"));
  assert.match(line.fingerprint, /^[0-9a-f]{16}$/);
  assert.match(line.sql, /pg_sleep\(\?\)/);
  assert.ok(line.db_ms >= 40 && line.pool_wait_ms >= 0, JSON.stringify(line));
  for (let i = 0; i < 4; i++) await api.get("/v1/nap/canary-52").expect(200);
  assert.equal(api.lines.filter((l) => l.event === "statement_slow").length, 1, "once in observe.log_every");
  assert.equal((await api.metrics())("lintel_http_statements_slow_total"), 5);
  assert.ok(!api.log.includes("canary-52") && !api.log.includes("literal-77"));
});

test("a loop that is held up is logged with route and backtrace while it hangs, and counted", async (t) => {
  const api = await shop(t, { env: { LINTEL_INJECT: "kit.ask.spin:2,kit.ask.block:3" }, config: { loop: { log_every: "0s" } } });
  await api.get("/v1/customer").expect(200);
  assert.equal((await api.metrics())("lintel_loop_stalls_total", { route: "/v1/customer" }), 0);
  const spun = await api.get("/v1/article/1").expect(200);
  const line = await api.logged({ event: "loop_stalled", route: "GET /v1/article/{id}" });
  assert.equal(line.correlation_id, spun.header("X-Request-Id"));
  assert.equal(line.fiber, "request");
  assert.ok(line.stalled_ms >= 100, JSON.stringify(line));
  assert.ok(line.backtrace.some((frame) => frame.startsWith("kit_ask+")) && line.backtrace.some((frame) => frame.startsWith("http_serve+")), line.backtrace.join(" "));
  await api.get("/v1/orders").expect(200); // sleeps in libc
  const slept = await api.logged({ event: "loop_stalled", route: "GET /v1/orders" });
  assert.ok(slept.backtrace.some((frame) => /nanosleep/.test(frame)), slept.backtrace.join(" "));
  await api.logged({ event: "loop_resumed" });
  const value = await api.metrics();
  assert.equal(value("lintel_loop_stalls_total", { route: "/v1/article/{id}", method: "GET" }), 1);
  assert.equal(value("lintel_loop_stalls_total", { route: "/v1/orders", method: "GET" }), 1);
  assert.ok((await doctor(api, "routes")).routes.some((r) => r.route === "GET /v1/orders" && r.stalls === 1));
});

test("stalls are all counted, and spoken of once in a while", async (t) => {
  const api = await shop(t, { env: { LINTEL_INJECT: "kit.ask.spin" }, config: { loop: { log_every: "1h" } } });
  for (let i = 0; i < 3; i++) await api.get("/v1/customer").expect(200);
  assert.equal((await api.metrics())("lintel_loop_stalls_total", { route: "/v1/customer" }), 3);
  assert.equal(api.lines.filter((line) => line.event === "loop_stalled").length, 1);
});

test("nobody watches when told so", async (t) => {
  const api = await shop(t, { env: { LINTEL_INJECT: "kit.ask.spin:1" }, config: { loop: { stall: "0s" } } });
  await api.get("/v1/customer").expect(200);
  assert.equal((await api.metrics())("lintel_loop_stalls_total"), 0);
});

test("a CPU profile tells routes apart, as folded stacks", async (t) => {
  const api = await shop(t);
  const load = new Load(t, api, (client) => client.get("/v1/customer?limit=3"), { clients: 8, pauseMs: 0 });
  const run = await lintel(["ctl", "--app", api.dir, "profile", "--seconds", "2"]);
  await load.stop();
  assert.equal(run.code, 0, run.stderr);
  const lines = run.stdout.trim().split("\n");
  for (const line of lines) assert.match(line, /^.+(;.+)* \d+$/);
  assert.ok(lines.some((line) => line.startsWith("GET /v1/customer;") && /;http_serve;/.test(line)), run.stdout.slice(0, 2000));
  const wrong = await lintel(["ctl", "--app", api.dir, "profile", "--seconds", "101"]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /1 to 100/);
  await eventually(async () => (await api.get("/livez")).status === 200);
});
