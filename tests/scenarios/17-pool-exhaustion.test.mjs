// 17. Pool exhaustion: what waits, who holds, what ends it: histograms, caps, timeouts, cancels, breaker, and who it was.
// partly: a slow reader's result does not spill yet: its session is held while it reads
import { assert, Client, eventually, lintel, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";

const nap = (name, extra = "") => ({ [`queries/${name}.sql`]: `/* access: public\n   ${extra}\n   params: {s: {default: 1}} */\nselect 'slept' as nap from pg_sleep(:s::float8)\n` });
const many = (api, path, count) => Promise.all(Array.from({ length: count }, () => { const client = new Client(api.base); return client.get(path).then((reply) => { client.close(); return reply; }); }));
const ctl = async (api, ...words) => { const { code, stdout, stderr } = await lintel(["ctl", "--app", api.dir, "--json", ...words]); assert.equal(code, 0, stderr); return JSON.parse(stdout); };

test("a pool that is used up refuses in time, says so, and counts what was waited and held", async (t) => {
  const api = await serve(t, { app: nap("nap"), config: { pools: { max: 4, acquire_timeout: "300ms" }, admit: { adapt: false } }, words: ["--cores", "1"] });
  const replies = await many(api, "/v1/nap?s=1.2", 8);
  const refused = replies.filter((reply) => reply.status === 503);
  assert.ok(refused.length >= 4 && refused.length < 8, `${refused.length}`);
  for (const reply of refused) { assert.equal(reply.json.error_code, "database.pool_exhausted"); assert.ok(Number(reply.header("Retry-After")) >= 1); }
  const value = await api.metrics();
  assert.ok(value("lintel_pools_acquire_timeouts_total") >= refused.length);
  assert.ok(value("lintel_pools_wait_seconds_count") > 0);
  assert.equal(value("lintel_pools_waiting"), 0);
});

test("lintel ctl queries says what is in flight, by route, and what PostgreSQL does for it", async (t) => {
  const api = await serve(t, { app: { ...nap("nap"), ...nap("other") } });
  const asked = many(api, "/v1/nap?s=2.5", 3);
  let seen;
  await eventually(async () => { seen = await ctl(api, "queries"); return seen.queries.filter((query) => query.route === "GET /v1/nap").length >= 3; });
  const [query] = seen.queries.filter((one) => one.route === "GET /v1/nap");
  assert.match(query.sql, /pg_sleep/);
  assert.match(query.fingerprint, /^[0-9a-f]{16}$/);
  assert.ok(["session", "lane"].includes(query.connection));
  assert.ok(query.backend > 0);
  const request = seen.requests.find((one) => one.correlation_id === query.correlation_id);
  assert.equal(request.waits_for, "pg.batch");
  const { stdout } = await lintel(["ctl", "--app", api.dir, "queries"]);
  assert.match(stdout, /GET \/v1\/nap/);
  await asked;
  await eventually(async () => (await ctl(api, "queries")).requests.length === 0);
});

test("a client that leaves has its query cancelled, many at once too, and PostgreSQL never sees more sessions than pools.max", async (t) => {
  const api = await serve(t, { app: nap("nap"), config: { pools: { max: 10 } } });
  const sessions = async () => (await api.sql(`SELECT count(*)::int AS n, count(*) FILTER (WHERE state = 'active')::int AS active FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app'`))[0];
  const wires = [];
  for (let i = 0; i < 8; i++) { wires.push(await api.wire()); await wires[i].send("GET /v1/nap?s=20 HTTP/1.1\r\nHost: x\r\n\r\n"); }
  await eventually(async () => (await sessions()).active >= 4);
  wires.forEach((wire) => wire.close());
  let most = 0;
  await eventually(async () => { const now = await sessions(); most = Math.max(most, now.n); return now.active === 0; }, { withinMs: 8000 });
  assert.ok(most <= 10, `${most} sessions`);
  await api.get("/v1/nap?s=0").expect(200);
});

test("a database that says nothing any more is not waited for: the breaker opens, and closes when it is back", { timeoutMs: 90000 }, async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const api = await serve(t, { postgres, app: nap("nap"), config: { http: { request_timeout: "800ms" }, pools: { breaker_failures: 3 }, admit: { adapt: false } }, words: ["--cores", "1"] });
  await api.get("/v1/nap?s=0").expect(200);
  await postgres.pause();
  try {
    const first = await many(api, "/v1/nap?s=0", 4);
    assert.ok(first.every((reply) => [503, 504].includes(reply.status)), first.map((reply) => reply.status).join());
    await eventually(async () => {
      const began = Date.now();
      const reply = await api.get("/v1/nap?s=0");
      return reply.status === 503 && reply.json.error_code === "database.unavailable" && reply.header("Retry-After") && Date.now() - began < 500;
    }, { withinMs: 25000 });
    assert.ok((await api.metrics())("lintel_pools_breaker_opens_total") >= 1);
    await api.logged({ event: "database_breaker_opens" });
  } finally { await postgres.resume(); }
  await eventually(async () => (await api.get("/v1/nap?s=0")).status === 200, { withinMs: 15000 });
  await api.logged({ event: "database_answers" });
  assert.equal((await api.metrics())("lintel_pools_breaker_open"), 0);
});

test("a session held long is logged with its route", async (t) => {
  const sql = "CREATE TABLE big (id int PRIMARY KEY, filler text); INSERT INTO big SELECT n, repeat('x', 2000) FROM generate_series(1, 20000) n";
  const api = await serve(t, { sql, app: { "resources/big.yaml": "access: public\nlimits: {page_max: 20000}\n" }, config: { pools: { hold_warning: "400ms" } } });
  const wire = await api.wire();
  await wire.send("GET /v1/big?limit=20000 HTTP/1.1\r\nHost: x\r\n\r\n"); // and reads nothing of it
  wire.socket?.pause?.();
  const line = await api.logged({ event: "session_held_long", route: "GET /v1/big" }, { withinMs: 8000 }); // reading the catalog may take long, too
  assert.ok(line.for_ms >= 400);
  wire.close();
});
