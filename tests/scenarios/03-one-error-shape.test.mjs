// 3. One error shape: whatever goes wrong, from malformed bytes to a deadlock, is said in the same few words, with the id under which the
// log tells the rest; and the codes are a catalogue that only grows.
//
// partly: constraint names mapped to own codes (errors.yaml) and `lintel check` refusing a removed or re-meant code need the errors catalogue of an app
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TOP, assert, eventually, parseResponses, serve, startPostgres, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP } from "../lib/databases.mjs";

const EXTRA = `
CREATE TABLE booking (room integer NOT NULL, during tsrange NOT NULL, id integer PRIMARY KEY, EXCLUDE USING gist (during WITH &&));
CREATE TABLE guarded (id integer PRIMARY KEY, note text CHECK (note ~ '^[a-z]+$'));
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.note = ''forbidden'' THEN RAISE EXCEPTION ''internal rule 17 of ledger.c''; END IF; RETURN new; END';
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TABLE pair (id integer PRIMARY KEY, n integer NOT NULL); INSERT INTO pair VALUES (1, 0), (2, 0);
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); UPDATE pair SET n = n + 1 WHERE id = 3 - new.id AND pg_trigger_depth() = 1; RETURN new; END';
CREATE TRIGGER other AFTER UPDATE ON pair FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION other();
CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(20)::text AS nap;
CREATE TABLE closed (id integer PRIMARY KEY);
`;
const rw = "access: public\noperations: [list, get, create, update, delete]\n";
const APP = {
  ...SHOP_APP,
  "resources/booking.yaml": `table: public.booking\n${rw}`, "resources/guarded.yaml": `table: public.guarded\n${rw}`, "resources/pair.yaml": `table: public.pair\n${rw}`,
  "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n", "resources/closed.yaml": "table: public.closed\naccess: public\n", "resources/later.yaml": "table: public.later\naccess: public\n",
};
const SQL = `${SHOP}${EXTRA}`;
const stage = (t, options = {}) => serve(t, { sql: SQL, app: APP, config: { http: { request_timeout: "2s", body_bytes_max: 2000, header_timeout: "300ms" } }, ...options });

const INTERNALS = /SQLSTATE|\bSELECT\b|\bINSERT\b|\bUPDATE\b|relation "|constraint "|article_pkey|_fkey|_check\b|_excl|\/src\/|\.c:\d|pg_catalog|plpgsql|internal rule/;

/** What holds of every failure. */
function shaped(reply, status, code) {
  assert.equal(reply.status, status, reply.text);
  const body = reply.json;
  assert.deepEqual(Object.keys(body).sort(), ["correlation_id", "details", "error_code", "message", "timestamp"], reply.text);
  assert.match(body.error_code, code instanceof RegExp ? code : new RegExp(`^${code.replace(".", "\\.")}$`));
  assert.ok(typeof body.message === "string" && body.message.length > 3);
  assert.ok(Array.isArray(body.details));
  for (const detail of body.details) for (const key of ["pointer", "code", "message"]) assert.equal(typeof detail[key], "string", reply.text);
  assert.match(body.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Math.abs(Date.parse(body.timestamp) - Date.now()) < 60000);
  assert.equal(body.correlation_id, reply.headers["x-request-id"]);
  assert.doesNotMatch(reply.text, INTERNALS);
  return reply;
}

test("every failure has the one shape", async (t) => {
  const api = await stage(t);
  const { problems } = (await api.get("/errors").expect(200)).json;
  const known = new Map(problems.map((problem) => [problem.code, problem]));
  const seen = new Set();
  const fails = async (reply, status, code, pointer) => {
    const got = shaped(await reply, status, code);
    if (pointer !== undefined) assert.equal(got.json.details[0]?.pointer, pointer, got.text);
    const problem = known.get(got.json.error_code);
    assert.ok(problem, `${got.json.error_code} is in the catalogue`);
    assert.equal(problem.status, status);
    seen.add(got.json.error_code);
  };
  // malformed bytes, where there is not even a request
  for (const [bytes, status] of [["NONSENSE\r\n\r\n", 400], ["GET / HTTP/1.1\r\n\r\n", 400], ["GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400], [`GET /${"x".repeat(20000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
    [`GET / HTTP/1.1\r\nHost: x\r\n${"A: b\r\n".repeat(300)}\r\n`, 431], ["POST /v1/article HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\nContent-Type: application/json\r\n\r\n", 413], ["GET / HTTP/1.1\r\nHost: x\r\nA: ", 408]]) {
    const [answer] = parseResponses(Buffer.from(await api.raw(bytes), "latin1"));
    await fails(answer, status, /./);
  }
  // the request
  await fails(api.get("/nowhere"), 404, "not_found");
  await fails(api.get("/v1/article/999"), 404, "not_found");
  await fails(api.put("/v1/article", {}), 405, /./);
  await fails(api.get("/v1/article?nmae=eq.x"), 400, "query.invalid");
  await fails(api.get("/v1/article?after=x"), 400, "query.cursor");
  await fails(api.post("/v1/article", "{"), 400, "bad_request");
  await fails(api.post("/v1/article", "x", { "Content-Type": "text/csv" }), 415, "media_type");
  await fails(api.post("/v1/article", { name: "x".repeat(3000) }), 413, /too_large/);
  await fails(api.post("/v1/article", {}), 422, "validation.failed", "/id");
  await fails(api.patch("/v1/customer/1", { credit: 5 }, { "If-Match": '"no"' }), 412, "precondition.failed");
  // the database
  await fails(api.post("/v1/article", { id: 1, name: "x", price: 1 }), 409, "conflict.unique", "/id");
  await fails(api.post("/v1/orders", { customer_id: 77 }), 409, "conflict.foreign_key", "/customer_id");
  await fails(api.delete("/v1/customer/1"), 409, "conflict.foreign_key");
  await fails(api.post("/v1/guarded", { id: 1, note: "UPPER" }), 422, "validation.check", "/note");
  await fails(api.post("/v1/guarded", { id: 1, note: "forbidden" }), 422, "validation.check");
  await api.post("/v1/booking", { id: 1, room: 1, during: { lower: "2024-01-01T00:00:00", upper: "2024-01-02T00:00:00", bounds: "[)" } }).expect(201);
  await fails(api.post("/v1/booking", { id: 2, room: 1, during: { lower: "2024-01-01T12:00:00", upper: "2024-01-03T00:00:00", bounds: "[)" } }), 409, "conflict.exclusion", "/during");
  await fails(api.get("/v1/slow"), 504, /^timeout/);
  await api.sql("REVOKE ALL ON closed FROM app");
  await fails(api.get("/v1/closed"), 403, "forbidden.database");
  await fails(api.get("/v1/later"), 503, "schema.not_ready");
  t.diagnostic(`${seen.size} codes met: ${[...seen].sort().join(" ")}`);
});

test("a deadlock is 409 and retryable once the retries are spent, or is healed by them", async (t) => {
  const postgres = await startPostgres();
  const database = await postgres.database(SQL);
  await postgres.query("postgres", `ALTER DATABASE ${database} SET deadlock_timeout = '30ms'`);
  const api = await stage(t, { postgres, database });
  const replies = await Promise.all([1, 2, 1, 2].map((id) => api.patch(`/v1/pair/${id}`, { n: 0 })));
  for (const reply of replies) if (reply.status !== 200) shaped(reply, 409, "conflict.deadlock");
  assert.ok(replies.some((reply) => reply.status === 200));
  assert.match(readFileSync(join(postgres.dir, "log"), "utf8"), /deadlock detected/);
  assert.ok((await api.metrics())("lintel_pools_retries_total") > 0, "the server repeats before the client has to");
});

test("with PostgreSQL away: 503, Retry-After, the same shape", async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const api = await stage(t, { postgres });
  await postgres.stop("immediate");
  const reply = shaped(await api.get("/v1/article"), 503, "database.unavailable");
  assert.match(reply.header("retry-after"), /^\d+$/);
  assert.doesNotMatch(reply.text, /socket|\/tmp|\.s\.PGSQL/);
});

test("out of connections: 503 database.pool_exhausted", async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const api = await stage(t, { postgres, words: ["--cores", "1"], config: { http: { request_timeout: "3s" }, pools: { max: 2, acquire_timeout: "200ms" } } });
  const replies = await Promise.all(Array.from({ length: 8 }, () => api.get("/v1/slow")));
  const refused = replies.filter((reply) => reply.status === 503);
  assert.ok(refused.length > 0, replies.map((reply) => reply.status).join(" "));
  for (const reply of refused) shaped(reply, 503, "database.pool_exhausted");
});

test("the root cause stands in the log under the client's own id", async (t) => {
  const api = await stage(t);
  const id = "support-case-4711";
  const reply = shaped(await api.post("/v1/guarded", { id: 1, note: "forbidden" }, { "X-Request-Id": id }), 422, "validation.check");
  assert.equal(reply.json.correlation_id, id);
  const line = await api.logged((entry) => entry.correlation_id === id);
  assert.match(line.cause, /P0001/);
  assert.match(line.route, /guarded/);
});

test("traceparent is honoured: the log line of a failure carries the caller's trace", async (t) => {
  const api = await stage(t);
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const reply = shaped(await api.post("/v1/guarded", { id: 1, note: "forbidden" }, { traceparent: `00-${trace}-00f067aa0ba902b7-01` }), 422, "validation.check");
  await api.logged((entry) => entry.correlation_id === reply.json.correlation_id && entry.trace_id === trace);
});

test("Accept: application/problem+json gets RFC 9457 with the same facts", async (t) => {
  const api = await stage(t);
  const reply = await api.post("/v1/article", { id: 1, name: 5 }, { Accept: "application/problem+json" }).expect(422, { "Content-Type": /^application\/problem\+json/ });
  const { type, title, status, detail, error_code, details } = reply.json;
  assert.match(type, /errors#validation\.failed/);
  assert.ok(title && detail);
  assert.equal(status, 422);
  assert.equal(error_code, "validation.failed");
  assert.deepEqual(details.map((d) => d.pointer).sort(), ["/name", "/price"]);
  await api.get("/nowhere", { Accept: "text/html, application/problem+json;q=0.9, application/json;q=0.1" }).expect(404, { "Content-Type": /problem\+json/ });
  await api.get("/nowhere", { Accept: "application/json, application/problem+json" }).expect(404, { "Content-Type": /^application\/json/ });
});

test("the catalogue: class, status, retryable, since, deprecated, replaced_by; the class is what stands before the dot", async (t) => {
  const api = await stage(t);
  const { problems } = (await api.get("/errors").expect(200)).json;
  for (const problem of problems) {
    assert.equal(problem.class, problem.code.split(".")[0]);
    assert.match(problem.since, /^\d+\.\d+/);
    assert.equal(typeof problem.retryable, "boolean");
    assert.ok("deprecated" in problem && "replaced_by" in problem);
  }
  const retryable = problems.filter((problem) => problem.retryable).map((problem) => problem.code);
  assert.ok(retryable.includes("conflict.deadlock") && retryable.includes("database.unavailable") && !retryable.includes("conflict.unique") && !retryable.includes("outcome_unknown"));
  const promised = readFileSync(join(TOP, "tests/scenarios/03-codes.txt"), "utf8").trim().split("\n").filter((line) => !line.startsWith("#")).map((line) => line.split(" "));
  for (const [code, status] of promised) assert.equal(problems.find((problem) => problem.code === code)?.status, Number(status), `${code}: codes are never removed, nor given another meaning`);
});
