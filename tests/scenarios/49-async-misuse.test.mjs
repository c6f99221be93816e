// 49. Async misuse: a call that blocks inside a fiber is caught by the debug binary and seen by the watchdog; what may suspend cannot be
// called as if it could not fail; and fibers that wait for each other are named.
//
// partly: `lintel test --pool 1 --shuffle` and `lintel check --handlers` come with handlers of one's own
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TOP = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const BIN = process.env.LINTEL_BIN ?? join(TOP, "build/lintel");
const DEBUG = join(dirname(BIN), "lintel-debug");
const skip = existsSync(DEBUG) ? false : "there is no lintel-debug beside this binary (sanitizers stand before libc themselves)";
if (!skip) process.env.LINTEL_BIN = DEBUG;
const { assert, eventually, folder, serve, test } = await import("../lib/lintel.mjs");
const { SHOP, SHOP_APP } = await import("../lib/databases.mjs");
const { Load } = await import("../lib/load.mjs");

test("a blocking call of libc inside a fiber ends the debug binary where it happens, with route and stack", { skip }, async (t) => {
  // Alone: a supervisor would start it again.
  const api = await serve(t, { sql: SHOP, app: SHOP_APP, env: { LINTEL_BLOCKING: "abort", LINTEL_INJECT: "kit.ask.block:2" }, words: ["--no-supervisor"], expectExit: "SIGABRT" });
  await api.get("/v1/customer").expect(200);
  await assert.rejects(async () => api.get("/v1/article/1"));
  const end = await api.ended();
  assert.equal(end.signal, "SIGABRT");
  assert.match(api.log, /blocking call inside a fiber: nanosleep, route GET \/v1\/article\/\{id\}\n/);
  assert.match(api.log, / {2}at kit_ask\+0x/);
  assert.match(api.log, / {2}at http_serve\+0x/);
});

test("it may also go on and only say so", { skip }, async (t) => {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP, env: { LINTEL_BLOCKING: "log", LINTEL_INJECT: "kit.ask.block:1" } });
  await api.get("/v1/customer").expect(200);
  assert.match(api.log, /blocking call inside a fiber: nanosleep/);
  await api.get("/v1/customer").expect(200);
  assert.equal(api.log.match(/blocking call inside a fiber/g).length, 1);
});

test("nothing of our own blocks: reads, writes, streams, compression, a new schema, doctors, the end", { skip, timeoutMs: 90000 }, async (t) => {
  const api = await serve(t, { sql: SHOP, app: { ...SHOP_APP, "queries/all.sql": "/* route: GET /v1/all\n   access: public\n   stream: true */\nselect n, repeat('x', 100) as text from generate_series(1, 5000) n" }, env: { LINTEL_BLOCKING: "abort" } });
  const load = new Load(t, api, (client, n) => (n % 10 ? client.get("/v1/orders?select=id,customer(name)") : client.post("/v1/category", { id: 1000 + n, name: "new" })), { clients: 4 });
  await api.get("/v1/all", { "Accept-Encoding": "gzip" }).expect(200);
  await api.get("/v1/customer?limit=1000&select=id,name", { "Accept-Encoding": "zstd" }).expect(200);
  await api.get("/v1/customer?x=y").expect(400);
  await api.get("/openapi.json").expect(200);
  await api.admin.get("/metrics").expect(200);
  await api.sql("CREATE TABLE later (id integer PRIMARY KEY); GRANT ALL ON later TO app");
  api.write("resources/later.yaml", "table: public.later\naccess: public\n");
  api.signal("SIGHUP");
  await eventually(async () => (await api.get("/v1/later")).status === 200, { withinMs: 10000 });
  for (const topic of ["latency", "routes"]) {
    const run = spawnSync(DEBUG, ["doctor", topic, "--app", api.dir], { encoding: "utf8" });
    assert.ok(run.status <= 1, run.stderr);
  }
  await load.well(200, 20000);
  await load.stop();
  assert.doesNotMatch(api.log, /blocking call inside a fiber/);
});

/** Compiles C against the house's headers with its strictness; what the compiler said, "" when it was content. */
function compile(t, text) {
  const dir = folder(t);
  writeFileSync(join(dir, "x.c"), text);
  const run = spawnSync(process.env.CC ?? "cc", ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", `-I${join(TOP, "src")}`, "-c", join(dir, "x.c"), "-o", join(dir, "x.o")], { encoding: "utf8" });
  return run.status === 0 ? "" : run.stderr;
}

test("the ignored result of a call that may suspend fails the build", async (t) => {
  const body = (line) => `#include "fiber/fiber.h"\nbool handler(void);\nbool handler(void)\n{\n    ${line}\n    return true;\n}\n`;
  assert.match(compile(t, body("fiber_sleep(1000);")), /unused.result/);
  assert.match(compile(t, body("offload(NULL, NULL);")), /unused.result/);
  assert.equal(compile(t, body("if (!fiber_sleep(1000))\n        return false;")), "");
  const ask = (line) => `#include "kit/here.h"\nbool handler(struct req *req, struct pg_batch *batch);\nbool handler(struct req *req, struct pg_batch *batch)\n{\n    ${line}\n    return true;\n}\n`;
  assert.match(compile(t, ask("kit_ask(req, batch);")), /unused.result/);
  assert.equal(compile(t, ask("if (!kit_ask(req, batch))\n        return false;")), "");
});

const program = join(dirname(BIN), "src/pg/test_pg_holders");
test("fibers that wait for each other's sessions are named, both of them", { skip: existsSync(program) ? false : "the unit tests were not built here" }, () => {
  const out = execFileSync(program, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  assert.match(out, /OK \] two_fibers_that_wait_for_each_other_s_session_are_both_named/);
});
