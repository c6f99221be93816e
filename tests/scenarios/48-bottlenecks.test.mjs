// 48. Bottlenecks under load: a load profile that anybody can repeat, with what the server saw meanwhile; before and after in one
// command; the doctor names what saturates first and at which load; alerts warn early (tests/e2e/dashboards.test.mjs).
//
// partly: replaying a recorded log is not there
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { TOP, assert, eventually, lintel, serve, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";

const SQL = `CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL); INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 2000) n;
CREATE VIEW napping AS SELECT 1 AS id, pg_sleep(0.02)::text AS nap;`;
const APP = { "resources/item.yaml": "table: public.item\naccess: public\n", "resources/napping.yaml": "table: public.napping\naccess: public\nkey: [id]\n" };
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

test("the load profile and the comparison are commands", () => {
  assert.match(execFileSync("make", ["help"], { cwd: TOP, encoding: "utf8" }), /^bench /m);
  const help = spawnSync(join(TOP, "bench/compare"), ["--help"], { encoding: "utf8" });
  assert.equal(help.status, 0, help.stderr);
  assert.match(help.stdout, /before and after in one command/);
  assert.equal(spawnSync(join(TOP, "bench/compare"), ["x", "--only", "E9"]).status, 2);
});

// The comparison itself needs the million rows of `make bench` and a quiet machine: here only where they are.
const ready = existsSync(join(TOP, "build/bench-pg/PG_VERSION")) && spawnSync("which", ["wrk"]).status === 0 && !process.env.LINTEL_TEST_SLOWNESS?.match(/^[2-9]/);
test("before and after, measured in turns", { skip: ready ? false : "the rows of `make bench` are not there", timeoutMs: 120000 }, () => {
  const binary = join(TOP, "build/lintel");
  const run = spawnSync(join(TOP, "bench/compare"), [binary, binary, "--rounds", "1", "--duration", "1"], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  for (const figure of ["µs CPU/request", "requests/s", "loop lag", "pool wait"]) assert.ok(run.stdout.includes(figure), run.stdout);
});
