// 1. Ten thousand concurrent requests: open connections in use, limits, and a server that bends under too much.
// partly: two nodes behind a balancer and `spill: job` (overflow becomes a job) need nodes and jobs
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { assert, eventually, serve, SLOWNESS, test, TOP } from "../lib/lintel.mjs";

const run = promisify(execFile);
const OPENLOOP = `${TOP}/build/bench/openloop`;
const hard = Number(execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim()) || 1048576;
const CLIENTS = Math.min(10000, Math.floor((hard - 500) / 1.0));

const load = async (api, words) => JSON.parse((await run(OPENLOOP, ["--port", String(api.port), ...words.map(String)], { timeout: 80000 * SLOWNESS, maxBuffer: 1 << 20 })).stdout);
const sql = "CREATE TABLE item (id int PRIMARY KEY, name text); INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 100000) n";
const work = "/* access: public\n   params: {n: {default: 10}} */\nselect count(*) as rows from generate_series(1, :n::int)\n";

test("ten thousand keep-alive clients that all ask now and then: no error", { timeoutMs: 120000, skip: !existsSync(OPENLOOP) && "build/bench/openloop is not built" }, async (t) => {
  const api = await serve(t, { sql, app: { "resources/item.yaml": "access: public\n" } });
  const got = await load(api, ["--path", "/v1/item/{n}", "--clients", CLIENTS, "--rate", Math.max(200, Math.floor(1500 / SLOWNESS)), "--warmup", 2, "--seconds", 8]);
  assert.deepEqual(Object.keys(got.statuses), ["200"], JSON.stringify(got));
  assert.equal(got.errors_connect + got.errors_read + got.unanswered, 0, JSON.stringify(got));
  assert.ok(got.statuses[200].count > 1000);
  assert.equal(got.connected, CLIENTS);
});

test("asked for far more than it can do, it serves what it can, refuses the rest with Retry-After, and is itself again afterwards", { timeoutMs: 120000, skip: !existsSync(OPENLOOP) && "build/bench/openloop is not built" }, async (t) => {
  const api = await serve(t, { sql, app: { "resources/item.yaml": "access: public\n", "queries/work.sql": work } });
  const n = 200000; // some twenty milliseconds of PostgreSQL's time, whose build is not slow
  const alone = await load(api, ["--path", `/v1/work?n=${n}`, "--clients", 50, "--rate", 5, "--warmup", 1, "--seconds", 3]);
  assert.deepEqual(Object.keys(alone.statuses), ["200"], JSON.stringify(alone));
  const flood = await load(api, ["--path", `/v1/work?n=${n}`, "--clients", 1000, "--rate", 800 / SLOWNESS, "--warmup", 2, "--seconds", 6]);
  assert.deepEqual(Object.keys(flood.statuses).sort(), ["200", "503"], JSON.stringify(flood));
  assert.equal(flood.no_retry_after + flood.errors_read + flood.errors_connect + flood.unanswered, 0, JSON.stringify(flood));
  assert.ok(flood.goodput > 5, JSON.stringify(flood)); // how much that is, and how soon, bench/overload says: a loaded machine may not
  const limit = (await api.metrics())("lintel_admit_limit");
  assert.ok(limit < 128, `${limit}`); // it has adapted: fewer than at the start
  await eventually(async () => (await api.get("/v1/item/7")).status === 200);
  const after = await load(api, ["--path", "/v1/item/{n}", "--clients", 100, "--rate", 300 / SLOWNESS, "--warmup", 2, "--seconds", 2]);
  assert.deepEqual(Object.keys(after.statuses), ["200"], JSON.stringify(after));
});
