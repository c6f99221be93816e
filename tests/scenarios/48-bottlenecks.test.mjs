// 48. Bottlenecks under load: a load profile that anybody can repeat, a mix at a constant rate, or what a log recorded; with what the server
// saw meanwhile; before and after in one command; the doctor names what saturates first and at which load; alerts warn early
// (tests/e2e/dashboards.test.mjs).
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { SLOWNESS, TOP, assert, eventually, folder, lintel, serve, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";

const SQL = `CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL); INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 2000) n;
CREATE VIEW napping AS SELECT 1 AS id, pg_sleep(0.02)::text AS nap;`;
const APP = { "resources/item.yaml": "table: public.item\naccess: public\n", "resources/napping.yaml": "table: public.napping\naccess: public\nkey: [id]\n" };
const OPEN = { ...APP, "resources/item.yaml": "table: public.item\naccess: public\noperations: [list, get, create, delete]\n" };
const config = { cores: 2, advise: { window: "2s", database_every: "1s" } };

async function capacity(api) {
  const run = await lintel(["doctor", "capacity", "--app", api.dir, "--json"]);
  assert.ok(run.code <= 1, run.stderr);
  return { code: run.code, ...JSON.parse(run.stdout) };
}

test("a mixed load: what saturates first, at about which load, beside loop lag and pool wait", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP, config });
  const load = new Load(t, api, (client, n) => client.get(n % 3 ? `/v1/item/${1 + (n % 2000)}` : "/v1/item?limit=20"), { clients: 8, pauseMs: 1 });
  const said = await eventually(async () => { const s = await capacity(api); return s.saturates_at_rps > 0 && s.facts.rps > 50 && s; }, { withinMs: 20000, everyMs: 300 });
  assert.ok(["loop", "cpu", "pool", "database"].includes(said.first), said.text);
  for (const name of ["loop", "cpu", "pool"]) assert.ok(said.resources[name].used > 0, said.text);
  const saturating = Object.values(said.resources).map((r) => r.saturates_at_rps).filter((rps) => rps > 0);
  assert.equal(said.saturates_at_rps, Math.min(...saturating), "the first is the least");
  assert.ok(said.saturates_at_rps > said.facts.rps * 0.8, said.text);
  assert.match(said.text, /← first/);
  await load.stop();
  const value = await api.metrics();
  assert.ok(value("lintel_loop_lag_seconds_count") > 0 && value("lintel_pools_wait_seconds_count") > 0);
});

test("a pool that is used up is what saturates, at the load that Little's law says", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP, config: { ...config, pools: { max: 4 } } });
  const load = new Load(t, api, (client) => client.get("/v1/napping"), { clients: 12, pauseMs: 0 });
  const said = await eventually(async () => { const s = await capacity(api); return s.first === "pool" && s.resources.pool.used > 0.5 && s; }, { withinMs: 20000, everyMs: 300 });
  assert.ok(said.saturates_at_rps < 4 / 0.02 * 1.5, `four connections of 20 ms each give at most 200 requests/s: ${said.text}`);
  await load.stop();
});

test("without load there is nothing to advise, and the gauge says so", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP, config });
  await eventually(async () => (await api.metrics())("lintel_scale_advice", { action: "none" }) === 1, { withinMs: 10000 });
  const said = await capacity(api);
  assert.equal(said.code, 0, said.text);
});

const OPENLOOP = join(TOP, "build/bench/openloop");
const openloop = { skip: existsSync(OPENLOOP) ? false : "build/bench/openloop is not built" };
const run = promisify(execFile);
const send = async (api, words) => JSON.parse((await run(OPENLOOP, ["--port", String(api.port), "--clients", "20", ...words.map(String)], { timeout: 50000 * SLOWNESS })).stdout);
/** { "GET /v1/item/{id}": { 200: 7, 404: 1 } } of a report, or of a log's lines. */
const counts = (report) => Object.fromEntries(Object.entries(report.routes).map(([route, by]) => [route, Object.fromEntries(Object.entries(by).map(([status, h]) => [status, h.count]))]));
const whole = (report) => assert.equal(report.errors_connect + report.errors_read + report.unanswered, 0, JSON.stringify(report));

test("a mixed load in open loop: each request by its weight, reported by route and status", openloop, async (t) => {
  const api = await serve(t, { sql: SQL, app: OPEN, config: { ...config, observe: { access_log: "all" } } });
  const report = await send(api, ["--most", 2000, "--rate", 200 / SLOWNESS, "--warmup", 0, "--seconds", 3, "--request", "6 GET /v1/item/{n}", "--request", "2 GET /v1/item?limit=20",
    "--request", "1 GET /v1/item/9{n}0000", "--request", '2 POST /v1/item {"id": 9000{i}, "name": "made {n}"}']);
  whole(report);
  const found = counts(report);
  assert.deepEqual(Object.entries(found).map(([route, by]) => [route, Object.keys(by)]).sort(), [
    ["GET /v1/item/9{n}0000", ["404"]], ["GET /v1/item/{n}", ["200"]], ["GET /v1/item?limit=20", ["200"]], ['POST /v1/item', ["201"]]], JSON.stringify(found));
  const total = report.sent, share = (name) => Object.values(found[name]).reduce((a, b) => a + b) / total;
  assert.ok(share("GET /v1/item/{n}") > 0.4 && share("GET /v1/item/{n}") < 0.7, JSON.stringify(found));
  assert.ok(Math.abs(total - 600 / SLOWNESS) < 60 / SLOWNESS, `${total}: at the rate that was asked for`);
  const [{ n }] = await api.sql("SELECT count(*)::int AS n FROM item WHERE name LIKE 'made %'");
  assert.equal(n, found["POST /v1/item"][201]);
  const told = report.routes["GET /v1/item/{n}"][200];
  assert.ok(told.p50_ms > 0 && told.p50_ms <= told.p99_ms && told.p99_ms <= told.max_ms);
});

test("what a server's log recorded is sent again, at its own pace: the same requests, the same answers", openloop, async (t) => {
  const app = { ...OPEN, "queries/far.sql": "/* access: public */ select 1 as one" };
  const logging = { ...config, observe: { access_log: "all" } };
  const before = await serve(t, { sql: SQL, app, config: logging });
  const words = ["--most", 2500, "--rate", 150 / SLOWNESS, "--poisson", "--warmup", 0, "--seconds", 3, "--request", "5 GET /v1/item/{n}", "--request", "2 GET /v1/item", "--request", "1 GET /v1/far",
    "--request", "1 HEAD /v1/item/{n}", "--request", "1 GET /nowhere/%7Bn%7D", "--request", "1 DELETE /v1/item/99999{n}"];
  const sent = await send(before, words);
  whole(sent);
  await before.get("/livez").expect(200); // a probe is nobody's request
  const requests = () => before.lines.filter((line) => line.event === "request" && line.path !== "/readyz" && line.path !== "/livez");
  await eventually(() => requests().length === sent.sent);
  const log = {};
  for (const line of requests().filter((l) => l.method !== "DELETE")) {
    const route = line.route ?? `${line.method} (no route)`;
    log[route] = { ...log[route], [line.status]: (log[route]?.[line.status] ?? 0) + 1 };
  }
  assert.ok(log["GET /v1/item/{id}"][200] > 0 && log["GET /v1/item/{id}"][404] > 0 && log["GET (no route)"][404] > 0, JSON.stringify(log));
  const file = join(folder(t), "server.log");
  writeFileSync(file, `not JSON at all\n${before.log}\n{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"request","method":"GET","path":"/cut`);

  const after = await serve(t, { sql: SQL, app, config: logging });
  const speed = 2 / SLOWNESS;
  const again = await send(after, ["--replay", file, "--speed", speed]);
  whole(again);
  assert.deepEqual(counts(again), log);
  assert.ok(again.skipped >= requests().filter((l) => l.method === "DELETE").length, "what changes something is not repeated, nor are probes");
  // the spacing: as long as the log, by the speed
  const times = requests().filter((l) => l.method !== "DELETE").map((line) => Date.parse(line.time) - line.duration_ms);
  const span = (Math.max(...times) - Math.min(...times)) / 1000;
  assert.ok(Math.abs(again.seconds - span / speed) < 0.1, `${again.seconds} s instead of ${span / speed} s`);
  // and what the second server saw is what the first one saw
  const paths = (api) => api.lines.filter((l) => l.event === "request" && l.method !== "DELETE" && l.path !== "/readyz" && l.path !== "/livez").map((l) => `${l.method} ${l.path}`).sort();
  await eventually(() => paths(after).length === again.sent);
  assert.deepEqual(paths(after), paths(before));
});

test("a log without requests, a request that is none: told, with exit code 2", openloop, async (t) => {
  const empty = join(folder(t, { "a.log": "{}\n" }), "a.log");
  const refused = (...words) => { const done = spawnSync(OPENLOOP, words, { encoding: "utf8" }); assert.equal(done.status, 2); return done.stderr; };
  assert.match(refused("--replay", empty), /no request that can be repeated \(observe\.access_log: all/);
  assert.match(refused("--replay", "/nonexistent"), /No such file/);
  for (const wrong of ["", "GET /x", "0 GET /x", "-1 GET /x", "1 GET x"]) assert.match(refused("--request", wrong), /usage/);
  assert.match(refused("--replay", empty, "--request", "1 GET /"), /usage/);
  assert.match(execFileSync(OPENLOOP, ["--help"], { encoding: "utf8" }), /neither query strings nor bodies/);
});

test("the load profile and the comparison are commands", () => {
  assert.match(execFileSync("make", ["help"], { cwd: TOP, encoding: "utf8" }), /^bench /m);
  const help = spawnSync(join(TOP, "bench/compare"), ["--help"], { encoding: "utf8" });
  assert.equal(help.status, 0, help.stderr);
  assert.match(help.stdout, /before and after in one command/);
  assert.equal(spawnSync(join(TOP, "bench/compare"), ["x", "--only", "E9"]).status, 2);
});

test("before and after, measured in turns", { timeoutMs: 120000 }, () => {
  const binary = join(TOP, "build/lintel");
  const run = spawnSync(join(TOP, "bench/compare"), [binary, binary, "--rounds", "1", "--duration", "1", "--rows", "1000"], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  for (const figure of ["µs CPU/request", "requests/s", "loop lag", "pool wait"]) assert.ok(run.stdout.includes(figure), run.stdout);
});
