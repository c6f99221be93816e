// 17. Pool exhaustion: what waits, who holds, what ends it: histograms, caps, timeouts, cancels, breaker, and who it was; slow readers hold nothing.
import { assert, Client, eventually, lintel, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { arm } from "../lib/inject.mjs";
import { Slow } from "../lib/slow.mjs";

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

// ---- slow readers: their result spills, and their session serves others ----

const ROWS = 16000; // 32 MB: more than the kernel's buffers take
const EXPORT = `/v1/big?order=id&limit=${ROWS}`;
const BIG = `CREATE TABLE big (id int PRIMARY KEY, filler text NOT NULL); INSERT INTO big SELECT n, repeat(md5(n::text), 61) FROM generate_series(1, ${ROWS}) n;
  CREATE FUNCTION trap(n int) RETURNS text LANGUAGE plpgsql STABLE COST 10000 AS 'BEGIN RETURN repeat(md5(n::text), 61) || 1 / (n - 15500); END'; CREATE VIEW broken AS SELECT id, trap(id) AS filler FROM big;
  CREATE FUNCTION drag(n int) RETURNS text LANGUAGE plpgsql STABLE COST 10000 AS 'BEGIN IF n > 15000 THEN PERFORM pg_sleep(0.05); END IF; RETURN repeat(md5(n::text), 61); END'; CREATE VIEW dragging AS SELECT id, drag(id) AS filler FROM big;`;
const exposed = (name) => ({ [`resources/${name}.yaml`]: `table: public.${name}\naccess: public\nkey: [id]\nlimits: {page_max: ${ROWS}}\n` });
/** Two connections in all, one of which may stream: an export that held its session would keep the next one out. */
const narrow = (t, http = {}, more = {}) => serve(t, {
  sql: BIG, app: { ...exposed("big"), ...exposed("broken"), ...exposed("dragging"), ...nap("nap") }, words: ["--cores", "1"],
  config: { pools: { max: 2, acquire_timeout: "20s" }, http: { request_timeout: "60s", ...http }, admit: { adapt: false } }, ...more,
});
const now = async (api, name, labels) => (await api.metrics())(`lintel_http_${name}`, labels);
const gone = (api, descriptors) => eventually(async () => (await now(api, "spills")) === 0 && (await now(api, "spill_held_bytes")) === 0 && api.descriptors() <= descriptors + 1, { withinMs: 10000 }); // and one more session, perhaps
const active = async (api) => (await api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"))[0].n;

test("a slow reader's result spills: its session serves others, and every byte still arrives", { timeoutMs: 120000 }, async (t) => {
  const api = await narrow(t);
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  const descriptors = api.descriptors();
  const slow = [await Slow.get(api, EXPORT), await Slow.get(api, EXPORT, { bytes: 0 })]; // a few hundred bytes a second; none at all
  await eventually(async () => (await now(api, "spills")) === 2, { withinMs: 20000 });
  let seen;
  await eventually(async () => { seen = await ctl(api, "queries"); return seen.requests.filter((one) => one.waits_for === "client.spill").length === 2; }, { withinMs: 20000 });
  assert.equal(seen.queries.length, 0, "PostgreSQL has nothing to do for them any more");
  for (let i = 0; i < 3; i++) assert.ok((await api.get(EXPORT).expect(200)).bytes.equals(whole));
  for (const reply of await many(api, "/v1/nap?s=0.01", 6)) assert.equal(reply.status, 200);
  assert.ok(slow[0].size < 200_000 && slow[1].size < 200_000, "they read all that time, or did not");
  for (const one of slow) {
    const { status, body, complete } = await one.rest();
    assert.equal(status, 200);
    assert.ok(complete && body.equals(whole), `${body.length} of ${whole.length} bytes`);
  }
  await gone(api, descriptors);
  assert.ok((await now(api, "spilled_bytes_total")) > 20e6);
  assert.equal(await now(api, "spill_refused_total"), 0);
});

test("past its limit a result is made at its reader's pace, as if nothing spilled", { timeoutMs: 120000 }, async (t) => {
  const api = await narrow(t, { spill_answer_max: "1MiB" }, { config: { pools: { max: 2, acquire_timeout: "300ms" }, http: { spill_answer_max: "1MiB" }, admit: { adapt: false } } });
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  const slow = await Slow.get(api, EXPORT);
  await eventually(async () => (await now(api, "spill_refused_total", { cause: "answer_max" })) >= 1, { withinMs: 20000 });
  assert.ok((await now(api, "spill_held_bytes")) <= 1 << 20);
  await api.get(EXPORT).expect(503, { error_code: "database.pool_exhausted" });
  const line = await api.logged({ event: "spill_refused" });
  assert.equal(line.cause, "answer_max");
  assert.equal(line.route, "GET /v1/big");
  const { body, complete } = await slow.rest();
  assert.ok(complete && body.equals(whole), `${body.length} of ${whole.length} bytes`);
  assert.ok((await api.get(EXPORT).expect(200)).bytes.equals(whole));
});

test("a disk that is full, or has no room from the beginning, breaks no answer", { timeoutMs: 120000 }, async (t) => {
  const api = await narrow(t, { spill_after: "100ms" }, { env: { LINTEL_INJECT: "" } });
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  const descriptors = api.descriptors();
  for (const [list, cause] of [["spill.open", "folder"], ["spill.write", "disk"], ["spill.write:20+", "disk"]]) {
    const before = await now(api, "spill_refused_total", { cause });
    await arm(api, list);
    const slow = await Slow.get(api, EXPORT);
    await eventually(async () => (await now(api, "spill_refused_total", { cause })) > before, { withinMs: 20000 });
    const { body, complete } = await slow.rest();
    assert.ok(complete && body.equals(whole), `${list}: ${body.length} of ${whole.length} bytes`);
    await arm(api, "");
    await gone(api, descriptors);
  }
});

test("a slow reader that leaves takes its file along, and its query, if that still runs", { timeoutMs: 120000 }, async (t) => {
  const api = await narrow(t, { spill_after: "100ms" });
  await api.get("/v1/big/1").expect(200);
  const descriptors = api.descriptors();
  const slow = await Slow.get(api, EXPORT);
  await eventually(async () => (await ctl(api, "queries")).requests.some((one) => one.waits_for === "client.spill"), { withinMs: 20000 });
  assert.ok((await now(api, "spill_held_bytes")) > 1e6);
  slow.close();
  await gone(api, descriptors);
  const dragging = await Slow.get(api, `/v1/dragging?order=id&limit=${ROWS}`); // its last thousand rows would take fifty seconds
  await eventually(async () => (await now(api, "spill_held_bytes")) > 1e6, { withinMs: 20000 });
  await eventually(async () => (await now(api, "spills")) === 1 && (await active(api)) >= 1, { withinMs: 20000 });
  dragging.close();
  await gone(api, descriptors);
  await eventually(async () => (await active(api)) === 0, { withinMs: 10000 });
  await api.get("/v1/big/1").expect(200);
});

test("a failure of PostgreSQL's behind what was spilled still breaks the answer visibly", { timeoutMs: 120000 }, async (t) => {
  const api = await narrow(t, { spill_after: "50ms" });
  await api.get("/v1/big/1").expect(200);
  const descriptors = api.descriptors();
  const slow = await Slow.get(api, `/v1/broken?order=id&limit=${ROWS}`);
  await eventually(async () => (await now(api, "spill_answers_total")) === 1 && (await now(api, "spills")) === 0, { withinMs: 20000 });
  const { status, complete } = await slow.rest();
  assert.equal(status, 200);
  assert.equal(complete, false);
  await gone(api, descriptors);
  await api.get("/v1/nap?s=0").expect(200);
});
