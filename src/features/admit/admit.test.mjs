// Admission from outside: too much is refused soon and says when to come back, what is let in is served, low is the first to feel it.
import { assert, Client, eventually, lintel, serve, sleep, test } from "../../../tests/lib/lintel.mjs";

const work = (extra = "") => `/* route: GET /v1/work
   access: public
   ${extra}
   params: {ms: {default: 20}} */
select count(*) as rows from generate_series(1, 4000 * :ms::int)
`;
const nap = (route, extra = "") => `/* route: GET ${route}
   access: public
   ${extra}
   params: {s: {default: 0.3}} */
select 'slept' as nap from pg_sleep(:s::float8)
`;
const tally = (replies) => replies.reduce((counts, { status }) => ({ ...counts, [status]: (counts[status] ?? 0) + 1 }), {});

/** Asks for `count` at once, each on a connection of its own. */
async function rush(api, path, count) {
  const clients = Array.from({ length: count }, () => new Client(api.base));
  try { return await Promise.all(clients.map((client) => client.get(path))); } finally { clients.forEach((client) => client.close()); }
}

test("a route's own limit holds in the whole process: as many as it says, and one more is refused by its name", async (t) => {
  const api = await serve(t, { app: { "queries/nap.sql": nap("/v1/nap", "limits: {concurrent: 3}"), "queries/free.sql": nap("/v1/free") } });
  assert.deepEqual(tally(await rush(api, "/v1/nap?s=0.5", 3)), { 200: 3 });
  const four = await rush(api, "/v1/nap?s=0.5", 4);
  assert.deepEqual(tally(four), { 200: 3, 503: 1 });
  const refused = four.find((reply) => reply.status === 503);
  assert.equal(refused.json.error_code, "overloaded");
  assert.match(refused.json.message, /GET \/v1\/nap.*limits\.concurrent/);
  assert.ok(Number(refused.header("Retry-After")) >= 1);
  assert.deepEqual(tally(await rush(api, "/v1/free?s=0.2", 6)), { 200: 6 }); // the others are not its business
  const value = await api.metrics();
  assert.equal(value("lintel_admit_shed_total", { reason: "route", route: "/v1/nap" }), 1);
  assert.equal(value("lintel_admit_in_flight"), 0); // /metrics itself is exempt
});

test("a resource's limits name concurrent and priority too", async (t) => {
  const api = await serve(t, {
    sql: "CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(0.4)::text AS nap", app: { "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\npriority: low\nlimits: {concurrent: 1}\n" },
  });
  assert.deepEqual(tally(await rush(api, "/v1/slow/1", 2)), { 200: 1, 503: 1 });
});

test("what is wrong in a file is said", async (t) => {
  const api = await serve(t, { app: { "queries/ok.sql": nap("/v1/ok") } });
  api.write("queries/bad.sql", nap("/v1/bad", "priority: urgent\n   limits: {concurrent: 0}"));
  const { code, stdout } = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(code, 1);
  assert.match(stdout, /priority/);
  assert.match(stdout, /concurrent/);
});

test("a flood is refused with Retry-After while probes, metrics and those let in are served; and then it is over", { timeoutMs: 90000 }, async (t) => {
  const api = await serve(t, {
    app: { "queries/work.sql": work(), "queries/low.sql": work().replace("/v1/work", "/v1/low").replace("params:", "priority: low\n   params:"), "queries/high.sql": work().replace("/v1/work", "/v1/high").replace("params:", "priority: high\n   params:") },
    config: { admit: { limit_min: 1, limit_start: 2, limit_max: 4, queue_max: 8, burst: "100ms" } },
  });
  await api.get("/v1/work").expect(200);
  let running = true;
  const seen = { work: {}, low: {}, high: {} };
  const clients = Object.entries({ work: 40, low: 12, high: 2 }).flatMap(([name, count]) => Array.from({ length: count }, () => ({ name, client: new Client(api.base) })));
  const flood = Promise.all(clients.map(async ({ name, client }) => {
    while (running) {
      const reply = await client.get(`/v1/${name}`);
      seen[name][reply.status] = (seen[name][reply.status] ?? 0) + 1;
      if (reply.status === 503) { assert.ok(reply.header("Retry-After")); assert.match(reply.json.error_code, /^overloaded$/); await sleep(5); }
    }
    client.close();
  }));
  const probed = [];
  for (let i = 0; i < 15; i++) {
    await sleep(100);
    probed.push((await api.get("/livez")).status, (await api.get("/readyz")).status, (await api.admin.get("/metrics")).status);
  }
  running = false;
  await flood;
  assert.deepEqual([...new Set(probed)], [200]);
  const share = (counts) => (counts[200] ?? 0) / Object.values(counts).reduce((a, b) => a + b, 0);
  assert.ok(seen.work[503] > 0, JSON.stringify(seen));
  assert.ok(seen.work[200] > 0, JSON.stringify(seen));
  for (const counts of Object.values(seen)) assert.deepEqual(Object.keys(counts).filter((status) => !["200", "503"].includes(status)), [], JSON.stringify(seen));
  assert.ok(share(seen.high) > share(seen.work), JSON.stringify(seen));
  assert.ok(share(seen.low) <= share(seen.work), JSON.stringify(seen));
  await eventually(async () => (await rush(api, "/v1/work", 2)).every((reply) => reply.status === 200));
  const value = await api.metrics();
  assert.equal(value("lintel_admit_queued"), 0);
  assert.equal(value("lintel_admit_in_flight"), 0);
  assert.ok(value("lintel_admit_shed_total") >= seen.work[503]);
});

test("a client that leaves while it waits to be let in leaves nothing behind", async (t) => {
  const api = await serve(t, { app: { "queries/nap.sql": nap("/v1/nap") }, config: { admit: { limit_min: 1, limit_start: 1, limit_max: 1, burst: "5s", patience: "5s" } }, words: ["--cores", "1"] });
  const busy = api.get("/v1/nap?s=1").then((reply) => reply); // sent now
  await eventually(async () => (await api.metrics())("lintel_admit_in_flight") === 1);
  const wire = await api.wire();
  await wire.send("GET /v1/nap HTTP/1.1\r\nHost: x\r\n\r\n");
  await eventually(async () => (await api.metrics())("lintel_admit_queued") === 1);
  wire.close();
  await eventually(async () => (await api.metrics())("lintel_admit_queued") === 0);
  assert.equal((await busy).status, 200);
  await api.get("/v1/nap?s=0").expect(200);
});

test("a server with nothing to wait for refuses nobody, however many ask", async (t) => {
  const api = await serve(t, { sql: "CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item SELECT generate_series(1, 100)", app: { "resources/item.yaml": "access: public\n" } });
  for (let i = 0; i < 3; i++) assert.deepEqual(tally(await rush(api, "/v1/item/7", 150)), { 200: 150 });
});
