// 3. One error shape: whatever goes wrong, from malformed bytes to a deadlock, is said in the same few words, with the id under which the
// log tells the rest; and the codes are a catalogue that only grows.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TOP, assert, eventually, folder, lintel, parseResponses, serve, startPostgres, test } from "../lib/lintel.mjs";
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

// ---- codes of the app's own ----

const RULES = `
CREATE TABLE room (id integer PRIMARY KEY, name text NOT NULL CONSTRAINT room_name_once UNIQUE, beds integer CONSTRAINT beds_few CHECK (beds BETWEEN 1 AND 4), stars integer CHECK (stars > 0), note text);
CREATE TABLE stay (id integer PRIMARY KEY, room integer NOT NULL CONSTRAINT stay_room REFERENCES room, during tsrange NOT NULL, CONSTRAINT stay_room_free EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 13 THEN RAISE EXCEPTION ''ledger rule 17'' USING CONSTRAINT = ''house_closed''; END IF; RETURN new; END';
CREATE TRIGGER closed BEFORE INSERT ON stay FOR EACH ROW EXECUTE FUNCTION closed();`;
const ERRORS = `errors:
  conflict.room_name: {status: 409, message: There is a room of that name., constraint: room_name_once}
  conflict.room_taken:
    status: 409
    message: The room is taken at that time.
    constraint: stay_room_free
    retryable: true
    doc: Choose another room or another time.
    since: "1.2"
  validation.beds: {message: A room has one to four beds., constraint: beds_few}
  gone.house_closed: {status: 410, message: The house is closed., constraint: house_closed}
  missing.room: {status: 404, message: There is no such room., constraint: stay_room, deprecated: "2.0", replaced_by: conflict.room_taken}
`;
const HOTEL = {
  "errors.yaml": ERRORS,
  "resources/room.yaml": `table: public.room\n${rw}`, "resources/stay.yaml": `table: public.stay\n${rw}`,
  "queries/book.sql": "/* route: POST /v1/book\n   access: public\n   result: one */\nINSERT INTO public.stay VALUES (:id, :room, '[2024-01-01,2024-01-02)') RETURNING id",
};
const hotel = (t, options = {}) => serve(t, { sql: `CREATE EXTENSION IF NOT EXISTS btree_gist; ${RULES}`, app: HOTEL, ...options });
const during = (from, to) => ({ lower: `2024-01-0${from}T00:00:00`, upper: `2024-01-0${to}T00:00:00`, bounds: "[)" });

test("a constraint is told by the app's own code, wherever it is noticed", async (t) => {
  const api = await hotel(t);
  await api.post("/v1/room", { id: 1, name: "Rose", beds: 2 }).expect(201);
  const own = async (reply, status, code, ...pointers) => {
    const { details, message } = shaped(await reply, status, code).json;
    assert.deepEqual(details, pointers.map((pointer) => ({ pointer, code, message })));
  };
  await own(api.post("/v1/room", { id: 2, name: "Rose", beds: 2 }), 409, "conflict.room_name", "/name");
  await own(api.post("/v1/room", { id: 2, name: "Lily", beds: 7 }), 422, "validation.beds", "/beds");
  await own(api.patch("/v1/room/1", { beds: 0 }), 422, "validation.beds", "/beds");
  await api.post("/v1/stay", { id: 1, room: 1, during: during(1, 3) }).expect(201);
  await own(api.post("/v1/stay", { id: 2, room: 1, during: during(2, 4) }), 409, "conflict.room_taken", "/room", "/during");
  await own(api.post("/v1/stay", { id: 2, room: 9, during: during(2, 4) }), 404, "missing.room", "/room");
  await own(api.post("/v1/stay", { id: 13, room: 1, during: during(5, 6) }), 410, "gone.house_closed", "");
  shaped(await api.post("/v1/book", { id: 2, room: 1 }), 409, "conflict.room_taken");
  shaped(await api.post("/v1/book", { id: 13, room: 1 }), 410, "gone.house_closed");
  // several at once: the general code, and each with its own
  const { details } = shaped(await api.post("/v1/room", { id: "x", name: "Lily", beds: 7, stars: 0 }), 422, "validation.failed").json;
  assert.deepEqual(details.map((detail) => [detail.pointer, detail.code]), [["/id", "type"], ["/beds", "validation.beds"], ["/stars", "check"]]);
  // constraints without a code keep the server's
  shaped(await api.post("/v1/room", { id: 1, name: "Lily" }), 409, "conflict.unique");
});

test("own codes stand in the catalogue, one by one, and their statuses in the document", async (t) => {
  const api = await hotel(t);
  const { problems } = (await api.get("/errors").expect(200)).json;
  const taken = problems.find((problem) => problem.code === "conflict.room_taken");
  assert.deepEqual(taken, { code: "conflict.room_taken", class: "conflict", status: 409, retryable: true, title: "The room is taken at that time.",
    description: "Choose another room or another time.", since: "1.2", deprecated: false, replaced_by: null });
  assert.deepEqual((await api.get("/errors/conflict.room_taken").expect(200)).json, taken);
  const { deprecated, deprecated_since, replaced_by } = (await api.get("/errors/missing.room").expect(200)).json;
  assert.deepEqual([deprecated, deprecated_since, replaced_by], [true, "2.0", "conflict.room_taken"]);
  assert.equal((await api.get("/errors/conflict.unique").expect(200)).json.status, 409);
  shaped(await api.get("/errors/no.such"), 404, "not_found");
  const { paths } = (await api.get("/openapi.json").expect(200)).json;
  for (const operation of [paths["/v1/stay"].post, paths["/v1/stay/{id}"].patch, paths["/v1/stay/{id}"].delete, paths["/v1/book"].post])
    for (const status of ["404", "409", "410", "422"]) assert.ok(operation.responses[status] || (status === "422" && operation.operationId.startsWith("delete")), `${operation.operationId} ${status}`);
  assert.equal(paths["/v1/stay"].get.responses["410"], undefined);
  // read again with the other files
  writeFileSync(join(api.dir, "errors.yaml"), ERRORS.replace("The house is closed.", "We are on holiday."));
  api.signal("SIGHUP");
  await eventually(async () => (await api.get("/errors/gone.house_closed")).json.title === "We are on holiday.");
});

test("check fails a build that removes or re-means a published code", async (t) => {
  const api = await hotel(t);
  const check = async () => lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  const errors = (text) => writeFileSync(join(api.dir, "errors.yaml"), text);
  const first = await check();
  assert.equal(first.code, 0, first.stdout + first.stderr);
  assert.match(first.stdout, /warning: gone\.house_closed: no table that Lintel sees has a constraint house_closed/);
  assert.match((await lintel(["errors", api.dir])).stdout, /^conflict\.room_taken +409 +new +The room is taken/m);
  const published = await lintel(["errors", api.dir, "--publish"]);
  assert.equal(published.code, 0, published.stderr);
  assert.match(published.stdout, /errors\.lock: 5 codes/);
  assert.equal((await check()).code, 0);
  // words may change, a code may be added
  errors(ERRORS.replace("is taken at", "is not free at") + "  conflict.new: {message: New., constraint: room_pkey}\n");
  assert.equal((await check()).code, 0);
  const listed = JSON.parse((await lintel(["errors", api.dir, "--json"])).stdout);
  assert.deepEqual(listed.errors.map((error) => error.published), [true, true, true, true, true, false]);
  const refused = async (text, message) => {
    errors(text);
    const said = await check();
    assert.equal(said.code, 1, said.stdout);
    assert.match(said.stdout, message);
    const kept = readFileSync(join(api.dir, "errors.lock"), "utf8");
    assert.equal((await lintel(["errors", api.dir, "--publish"])).code, 1);
    assert.equal(readFileSync(join(api.dir, "errors.lock"), "utf8"), kept);
  };
  await refused(ERRORS.replace("  validation.beds", "  validation.bedding"), /^errors\.lock:\d+:\d+: error: the code validation\.beds was published and is gone/m);
  await refused(ERRORS.replace("constraint: beds_few", "constraint: room_pkey"), /^errors\.yaml:\d+:\d+: error: validation\.beds was published for the constraint beds_few/m);
  await refused(ERRORS.replace("retryable: true", "retryable: false"), /conflict\.room_taken was published as retryable/);
  rmSync(join(api.dir, "errors.yaml"));
  assert.equal((await check()).code, 1);
  // what can't be right at all
  rmSync(join(api.dir, "errors.lock"));
  await refused0(/conflict\.unique is a code of the server's own/, "  conflict.unique: {message: x, constraint: a}\n");
  api.signal("SIGHUP"); // the server says it, too
  await api.logged((entry) => entry.event === "declaration" && entry.file === "errors.yaml" && /is a code of the server's own/.test(entry.message));
  await refused0(/table: `\.\.` names no table/, "  a.b: {message: x, constraint: a, table: ..}\n");
  await refused0(/unknown key 'constrain'[^]*did you mean 'constraint'/, "  a.b: {message: x, constrain: a}\n");
  await refused0(/must be|at most|between|range/, "  a.b: {message: x, constraint: a, status: 500}\n");
  async function refused0(message, text) {
    errors(`errors:\n${text}`);
    const said = await check();
    assert.equal(said.code, 1, said.stdout);
    assert.match(said.stdout, message);
  }
});

test("lintel errors: a folder without codes, one that is not there", async (t) => {
  const none = await lintel(["errors", folder(t)]);
  assert.equal(none.code, 0);
  assert.match(none.stdout, /no codes of its own/);
  const missing = await lintel(["errors", "/nonexistent"]);
  assert.equal(missing.code, 3);
  assert.equal((await lintel(["errors"])).code, 2);
});
