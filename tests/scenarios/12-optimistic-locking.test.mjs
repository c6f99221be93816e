// 12. Optimistic and pessimistic locking: a version column, or xmin, becomes an ETag, and a change made under a condition happens once or
// not at all, but for edits that are declared not to mind; a file of queries/ takes the locks that its head or its SQL declares, alone or
// beside versions.
//
// partly: the job queue, which takes by SKIP LOCKED itself, is not there
import { assert, eventually, lintel, serve, test } from "../lib/lintel.mjs";

const SQL = `
CREATE TABLE seat (id integer PRIMARY KEY, holder text, version integer NOT NULL DEFAULT 1);
CREATE TABLE note (id integer PRIMARY KEY, text text NOT NULL, changed timestamptz NOT NULL DEFAULT '2024-01-01 00:00:00.123456+00');
CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.version := old.version + 1; RETURN new; END';
CREATE TRIGGER bump BEFORE UPDATE ON seat FOR EACH ROW EXECUTE FUNCTION bump();
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.changed := clock_timestamp(); RETURN new; END';
CREATE TRIGGER touch BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO seat SELECT n, NULL, 1 FROM generate_series(1, 50) n; INSERT INTO note VALUES (1, 'first');`;
const all = "access: public\noperations: [list, get, create, update, replace, upsert, delete]\n";
const APP = {
  "resources/seat.yaml": `table: public.seat\n${all}version: {column: version, required: true}\n`,
  "resources/note.yaml": `table: public.note\n${all}version: changed\n`,
};
const stage = (t) => serve(t, { sql: SQL, app: APP });

test("fifty readers of one seat, one of whom gets it", async (t) => {
  const api = await stage(t);
  const tags = await Promise.all(Array.from({ length: 50 }, async () => (await api.get("/v1/seat/1").expect(200)).header("etag")));
  assert.equal(new Set(tags).size, 1);
  const outcomes = await Promise.all(tags.map((tag, i) => api.patch("/v1/seat/1", { holder: `p${i}` }, { "If-Match": tag })));
  const won = outcomes.findIndex((reply) => reply.status === 200);
  assert.deepEqual(outcomes.map((reply) => reply.status).sort(), [200, ...Array(49).fill(412)]);
  await api.get("/v1/seat/1").expect(200, { holder: `p${won}`, version: 2 });
  for (const reply of outcomes) if (reply.status === 412) assert.equal(reply.json.error_code, "precondition.failed");
});

test("no update is lost: a counter that many raise by read, change, write", async (t) => {
  const api = await stage(t);
  let conflicts = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    for (let left = 5; left > 0;) {
      const seen = await api.get("/v1/seat/2").expect(200);
      const reply = await api.patch("/v1/seat/2", { holder: String(Number(seen.json.holder ?? 0) + 1) }, { "If-Match": seen.header("etag") });
      if (reply.status === 200) left--; else { assert.equal(reply.status, 412); conflicts++; }
    }
  }));
  await api.get("/v1/seat/2").expect(200, { holder: "40", version: 41 });
  t.diagnostic(`40 changes, ${conflicts} conflicts said`);
});

test("where the version is required, a blind change is 428", async (t) => {
  const api = await stage(t);
  for (const change of [() => api.patch("/v1/seat/3", { holder: "x" }), () => api.put("/v1/seat/3", { holder: "x" }), () => api.delete("/v1/seat/3")]) await change().expect(428, { error_code: "precondition.required" });
  await api.get("/v1/seat/3").expect(200, { holder: null, version: 1 });
  await api.post("/v1/seat", { id: 99 }).expect(201, { ETag: /^"/ }); // there is nothing to lose yet
});

test("put and delete keep the condition too", async (t) => {
  const api = await stage(t);
  const old = (await api.get("/v1/seat/4").expect(200)).header("etag");
  await api.put("/v1/seat/4", { holder: "first" }, { "If-Match": old }).expect(200);
  await api.put("/v1/seat/4", { holder: "late" }, { "If-Match": old }).expect(412);
  await api.delete("/v1/seat/4", { "If-Match": old }).expect(412);
  await api.delete("/v1/seat/4", { "If-Match": (await api.get("/v1/seat/4").expect(200)).header("etag") }).expect(204);
  await api.get("/v1/seat/4").expect(404);
});

test("a timestamp is a version as well, to the microsecond", async (t) => {
  const api = await stage(t);
  const seen = (await api.get("/v1/note/1").expect(200)).header("etag");
  const changed = await api.patch("/v1/note/1", { text: "second" }, { "If-Match": seen }).expect(200);
  await api.patch("/v1/note/1", { text: "third" }, { "If-Match": seen }).expect(412);
  await api.patch("/v1/note/1", { text: "third" }, { "If-Match": changed.header("etag") }).expect(200, { text: "third" });
});

test("If-None-Match spares the body; If-None-Match: * creates and never overwrites", async (t) => {
  const api = await stage(t);
  const seen = (await api.get("/v1/note/1").expect(200)).header("etag");
  await api.get("/v1/note/1", { "If-None-Match": seen }).expect(304, { ETag: seen }).expectBody("");
  await api.put("/v1/note/1", { text: "over" }, { "If-None-Match": "*" }).expect(412, { error_code: "precondition.failed" });
  await api.get("/v1/note/1").expect(200, { text: "first" });
  await api.put("/v1/note/2", { text: "fresh" }, { "If-None-Match": "*" }).expect(201, { text: "fresh" });
  const racers = await Promise.all(Array.from({ length: 10 }, (_, i) => api.put("/v1/note/3", { text: `racer ${i}` }, { "If-None-Match": "*" })));
  assert.deepEqual(racers.map((reply) => reply.status).sort(), [201, ...Array(9).fill(412)]);
});

test("a tag is of one representation: other columns, another tag; both are good for a change", async (t) => {
  const api = await stage(t);
  const whole = (await api.get("/v1/seat/5").expect(200)).header("etag"), part = (await api.get("/v1/seat/5?select=id").expect(200)).header("etag");
  assert.notEqual(whole, part);
  await api.get("/v1/seat/5?select=id", { "If-None-Match": whole }).expect(200);
  await api.patch("/v1/seat/5", { holder: "x" }, { "If-Match": part }).expect(200);
});

// ---- xmin: the version of a table that has no column for it ----

const PLAIN = `
CREATE TABLE book (id integer PRIMARY KEY, title text NOT NULL, shelf text, note text);
INSERT INTO book SELECT n, 'book ' || n, 'a' FROM generate_series(1, 20) n;
CREATE TABLE event (id integer, day date, text text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE event_24 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE event_25 (text text, gone text, day date NOT NULL, id integer NOT NULL);
ALTER TABLE event_25 DROP COLUMN gone; ALTER TABLE event ATTACH PARTITION event_25 FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE animal (id integer PRIMARY KEY, name text); CREATE TABLE dog (breed text) INHERITS (animal);
INSERT INTO animal VALUES (1, 'cat'); INSERT INTO dog VALUES (2, 'rex', 'terrier');
CREATE VIEW shown AS SELECT id, title, xmin FROM book; CREATE VIEW bare AS SELECT id, title FROM book;`;
const XMIN = {
  "resources/book.yaml": `table: public.book\n${all}version: {column: xmin, required: true}\n`,
  "resources/event.yaml": `table: public.event\n${all}version: xmin\n`,
  "resources/animal.yaml": "table: public.animal\naccess: public\noperations: [list, get, create, update]\nversion: xmin\n",
  "resources/shown.yaml": "table: public.shown\naccess: public\nkey: [id]\noperations: [list, get, update]\nversion: xmin\n",
};
const tagOf = async (api, path) => (await api.get(path).expect(200, { ETag: /^"[1-9]\d*\./ })).header("etag");

test("xmin: fifty readers, one of whom writes; nothing of it shows in the row", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: XMIN });
  const tags = await Promise.all(Array.from({ length: 50 }, () => tagOf(api, "/v1/book/1")));
  assert.equal(new Set(tags).size, 1);
  const outcomes = await Promise.all(tags.map((tag, i) => api.patch("/v1/book/1", { note: `n${i}` }, { "If-Match": tag })));
  const won = outcomes.findIndex((reply) => reply.status === 200);
  assert.deepEqual(outcomes.map((reply) => reply.status).sort(), [200, ...Array(49).fill(412)]);
  await api.get("/v1/book/1").expect(200, { ETag: outcomes[won].header("etag") }).expectBody({ id: 1, title: "book 1", shelf: "a", note: `n${won}` });
  await api.get("/v1/book?select=xmin").expect(400, { error_code: "query.invalid" });
  await api.get("/v1/book?xmin=eq.5").expect(400);
});

test("xmin: every change keeps the condition, and each answer's tag is good for the next", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: XMIN });
  for (const change of [() => api.patch("/v1/book/2", { note: "x" }), () => api.delete("/v1/book/2")]) await change().expect(428);
  const made = await api.post("/v1/book", { id: 50, title: "new" }).expect(201, { ETag: /^"/ });
  assert.equal(await tagOf(api, "/v1/book/50"), made.header("etag"));
  const patched = await api.patch("/v1/book/50", { note: "a" }, { "If-Match": made.header("etag") }).expect(200);
  const unchanged = await api.patch("/v1/book/50", {}, { "If-Match": patched.header("etag") }).expect(200, { ETag: patched.header("etag") });
  await api.patch("/v1/book/50", {}, { "If-Match": made.header("etag") }).expect(412);
  const put = await api.put("/v1/book/50", { title: "put" }, { "If-Match": unchanged.header("etag"), Prefer: "return=minimal" }).expect(204, { ETag: /^"/ });
  await api.put("/v1/book/50", { title: "late" }, { "If-Match": patched.header("etag") }).expect(412);
  await api.get("/v1/book/50", { "If-None-Match": put.header("etag") }).expect(304).expectBody("");
  await api.get("/v1/book/50?select=id", { "If-None-Match": put.header("etag") }).expect(200);
  await api.put("/v1/book/50", { title: "over" }, { "If-None-Match": "*" }).expect(412);
  await api.put("/v1/book/51", { title: "fresh" }, { "If-None-Match": "*" }).expect(201, { ETag: /^"/ });
  await api.delete("/v1/book/50", { "If-Match": patched.header("etag") }).expect(412);
  await api.delete("/v1/book/50", { "If-Match": put.header("etag"), Prefer: "return=representation" }).expect(200, { title: "put" });
  await api.post("/v1/book", [{ id: 60, title: "a" }, { id: 61, title: "b" }]).expect(201, { "data.1.id": 61 });
});

test("xmin: a tag that PostgreSQL would read leniently is no tag", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: XMIN });
  const xmin = (await tagOf(api, "/v1/book/3")).slice(1).split(".")[0];
  for (const forged of ["0", "", `0${xmin}`, `${xmin}x`, `_20${xmin}`, "-1", `${2n ** 32n + BigInt(xmin)}`, "9".repeat(30)])
    await api.patch("/v1/book/3", { note: "x" }, { "If-Match": `"${forged}.0"` }).expect(412);
  await api.patch("/v1/book/3", { note: "x" }, { "If-Match": `"${xmin}.0"` }).expect(200);
});

test("xmin: freezing a row leaves its tag as it was", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: XMIN });
  const before = await tagOf(api, "/v1/book/4");
  await api.sql("VACUUM (FREEZE) book");
  assert.equal(await tagOf(api, "/v1/book/4"), before);
  await api.patch("/v1/book/4", { note: "x" }, { "If-Match": before }).expect(200);
});

test("xmin: a partitioned table has it too, and a row that moves takes a new one along", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: XMIN });
  const made = await api.post("/v1/event", { id: 1, day: "2024-05-01", text: "made" }).expect(201, { ETag: /^"[1-9]/ });
  assert.equal(await tagOf(api, "/v1/event/1/2024-05-01"), made.header("etag"));
  const moved = await api.patch("/v1/event/1/2024-05-01", { day: "2025-05-01" }, { "If-Match": made.header("etag") }).expect(200, { text: "made" });
  assert.equal(await tagOf(api, "/v1/event/1/2025-05-01"), moved.header("etag"));
  await api.patch("/v1/event/1/2025-05-01", { text: "late" }, { "If-Match": made.header("etag") }).expect(412);
  const unchanged = await api.patch("/v1/event/1/2025-05-01", {}, { "If-Match": moved.header("etag") }).expect(200);
  assert.equal(unchanged.header("etag"), moved.header("etag"));
  const put = await api.put("/v1/event/2/2025-06-01", { text: "put" }).expect(201, { ETag: /^"[1-9]/ });
  const again = await api.put("/v1/event/2/2025-06-01", { text: "again" }, { "If-Match": put.header("etag") }).expect(200);
  assert.equal(await tagOf(api, "/v1/event/2/2025-06-01"), again.header("etag"));
  await api.post("/v1/event", [{ id: 3, day: "2024-01-01" }, { id: 3, day: "2025-01-01" }]).expect(201);
  await api.delete("/v1/event/2/2025-06-01", { "If-Match": put.header("etag") }).expect(412);
  await api.delete("/v1/event/2/2025-06-01", { "If-Match": again.header("etag") }).expect(204);
});

test("xmin: of an inherited row, and of a view that shows its table's", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: XMIN });
  for (const path of ["/v1/animal/2", "/v1/animal/1"]) {
    const seen = await tagOf(api, path);
    await api.patch(path, { name: "max" }, { "If-Match": seen }).expect(200, { ETag: /^"/ });
    await api.patch(path, { name: "tom" }, { "If-Match": seen }).expect(412);
  }
  const seen = await tagOf(api, "/v1/shown/5");
  await api.sql("UPDATE book SET note = 'hidden from the view' WHERE id = 5");
  await api.patch("/v1/shown/5", { title: "x" }, { "If-Match": seen }).expect(412);
  await api.patch("/v1/shown/5", { title: "x" }, { "If-Match": await tagOf(api, "/v1/shown/5") }).expect(200, { title: "x" });
  api.write("resources/bare.yaml", "table: public.bare\naccess: public\nkey: [id]\nversion: xmin\n");
  const { stdout, code } = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(code, 1);
  assert.match(stdout, /resources\/bare\.yaml:4:10: error: version: xmin: the rows of a view have none[^]*AS SELECT …, xmin FROM/);
});

test("xmin: rows in a foreign partition have none that could be held against, so no tag fits them", async (t) => {
  const api = await serve(t, {
    sql: `CREATE TABLE log (id integer NOT NULL, day date NOT NULL, text text) PARTITION BY RANGE (day);
      CREATE TABLE log_25 PARTITION OF log FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); INSERT INTO log VALUES (1, '2025-01-01', 'near');
      CREATE TABLE far (id integer, day date, text text); INSERT INTO far VALUES (2, '2024-01-01', 'far'); CREATE EXTENSION postgres_fdw;`,
    app: { "resources/log.yaml": "table: public.log\naccess: public\nkey: [id]\noperations: [get, update]\nversion: xmin\n" },
  });
  await api.sql(`CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '${api.postgres.sockets}', dbname '${api.database}');
    CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'postgres', password_required 'false');
    CREATE FOREIGN TABLE log_24 PARTITION OF log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') SERVER loop OPTIONS (table_name 'far')`);
  await api.get("/v1/log/1").expect(200, { ETag: /^"[1-9]/ });
  const far = await api.get("/v1/log/2").expect(200, { text: "far" });
  assert.equal(far.header("etag"), undefined);
  await api.patch("/v1/log/2", { text: "x" }, { "If-Match": '"0.00000000"' }).expect(412);
  const changed = await api.patch("/v1/log/2", { text: "y" }).expect(200, { text: "y" });
  await api.patch("/v1/log/2", { text: "z" }, { "If-Match": changed.header("etag") ?? '"1.0"' }).expect(412);
});

// ---- reapply: edits that do not mind what else has become of the row ----

const REAPPLY = {
  "resources/book.yaml": `table: public.book\n${all}version: {column: xmin, required: true}\non_conflict: reapply\nreapply: [shelf, note]\n`,
};

test("reapply: declared edits are made to the row as it is now, all others stay refused", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: REAPPLY });
  const old = await tagOf(api, "/v1/book/1"), path = "/v1/book/1";
  await api.patch(path, { title: "theirs" }, { "If-Match": old }).expect(200, { ETag: /^"/ });
  const late = { "If-Match": old };
  const reply = await api.patch(path, { note: "mine" }, late).expect(200, { title: "theirs", note: "mine" });
  assert.equal(reply.header("etag"), undefined, "who goes on under a condition reads the row first");
  const minimal = await api.patch(path, { shelf: "b", note: null }, { ...late, Prefer: "return=minimal" }).expect(204);
  assert.equal(minimal.header("etag"), undefined);
  for (const body of [{ title: "mine" }, { title: "mine", note: "mine" }, {}]) await api.patch(path, body, late).expect(412, { error_code: "precondition.failed" });
  await api.put(path, { title: "mine" }, late).expect(412);
  await api.delete(path, late).expect(412);
  await api.patch(path, { note: "x" }).expect(428);
  await api.patch("/v1/book/999", { note: "x" }, late).expect(404);
  await api.patch(path, { note: 5 }, late).expect(422);
  await api.get(path).expect(200).expectBody({ id: 1, title: "theirs", shelf: "b", note: null });
  await api.patch(path, { note: "fresh" }, { "If-Match": await tagOf(api, path) }).expect(200, { ETag: /^"/ });
  assert.equal((await api.metrics())("lintel_rest_reapplied_total"), 2);
  const patch = (await api.get("/openapi.json").expect(200)).json.paths["/v1/book/{id}"].patch;
  assert.match(patch.description, /nothing but shelf, note is applied even if/);
});

test("reapply: nobody's declared edit is lost or refused, and no other change is overwritten", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: REAPPLY });
  const tag = await tagOf(api, "/v1/book/2");
  const titles = Array.from({ length: 6 }, (_, i) => api.patch("/v1/book/2", { title: `t${i}` }, { "If-Match": tag }));
  const notes = Array.from({ length: 12 }, (_, i) => api.patch("/v1/book/2", i % 2 ? { note: `n${i}` } : { shelf: `s${i}` }, { "If-Match": tag }));
  const won = (await Promise.all(titles)).map((reply, i) => (reply.status === 200 ? i : reply.status));
  for (const reply of await Promise.all(notes)) assert.equal(reply.status, 200);
  assert.ok(won.filter((status) => status !== 412).length <= 1, `${won}`);
  const title = won.find((status) => status !== 412);
  await api.get("/v1/book/2").expect(200, { title: title === undefined ? "book 2" : `t${title}`, note: /^n\d+$/, shelf: /^s\d+$/ });
});

test("reapply: what cannot be meant is said with its place", async (t) => {
  const api = await serve(t, { sql: PLAIN, app: XMIN });
  const check = async (text) => {
    api.write("resources/x.yaml", `table: public.book\naccess: public\noperations: [get, update]\n${text}`);
    return (await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } })).stdout;
  };
  assert.match(await check("on_conflict: reapply\nreapply: [note]\n"), /x\.yaml:4:14: error: on_conflict: there is no version/);
  assert.match(await check("version: xmin\non_conflict: reapply\n"), /x\.yaml:5:14: error: on_conflict: reapply needs the fields/);
  assert.match(await check("version: xmin\nreapply: [note]\n"), /x\.yaml:5:10: error: reapply says nothing without/);
  assert.match(await check("version: note\non_conflict: reapply\nreapply: [shelf, note]\n"), /x\.yaml:6:18: error: reapply: 'note' can't be changed/);
  assert.match(await check("version: xmin\non_conflict: retry\n"), /x\.yaml:5:14: error: [^]*reapply/);
});

// ---- locks: a script of queries/ is one transaction; `lock:` of its head, or the clause in its SQL, holds rows until its end ----

const LOCKS = `
CREATE TABLE task (id integer PRIMARY KEY, state text NOT NULL DEFAULT 'new', worker text); INSERT INTO task SELECT n FROM generate_series(1, 40) n;
CREATE TABLE basket (id integer PRIMARY KEY, total numeric NOT NULL DEFAULT 0); INSERT INTO basket VALUES (1, 30);
CREATE TABLE line (id integer PRIMARY KEY, basket integer REFERENCES basket, amount numeric NOT NULL, version integer NOT NULL DEFAULT 1);
INSERT INTO line VALUES (1, 1, 10), (2, 1, 20);`;
const QUERIES = {
  "queries/take.sql": `/* route: POST /v1/take
   access: public
   result: one */
    update public.task set state = 'taken', worker = :worker where id = (select id from public.task where state = 'new' order by id limit 1 for update skip locked) returning id`,
  "queries/reserve.sql": `/* route: POST /v1/tasks/{id}/reserve
   access: public
   result: one */
    create temp table mine on commit drop as select id from public.task where id = :id for update nowait;
    update public.task set state = 'reserved' where id in (select id from mine);
    select id, (select count(*) from pg_sleep(:hold)) as held from mine`,
  "queries/take_declared.sql": `/* route: POST /v1/take_declared
   access: public
   result: one
   lock: skip_locked */
    create temp table mine on commit drop as select id from public.task where state = 'new' order by id limit 1;
    update public.task set state = 'taken', worker = :worker where id in (select id from mine) returning id`,
  "queries/book.sql": `/* route: POST /v1/tasks/{id}/book
   access: public
   result: one
   lock: nowait */
    select id from public.task where id = :id;
    update public.task set state = 'booked' where id = :id;
    select id, (select count(*) from pg_sleep(:hold)) as held from public.task where id = :id`,
  "queries/line.sql": `/* route: POST /v1/baskets/{basket}/lines/{id}
   access: public
   result: one
   lock: for_update */
    select id from public.basket where id = :basket;
    create temp table changed (id integer) on commit drop;
    with done as (update public.line set amount = :amount, version = version + 1 where id = :id and basket = :basket and version = :version returning id)
      insert into changed select id from done;
    update public.basket b set total = (select sum(l.amount) from public.line l where l.basket = b.id) where b.id = :basket and exists (select from changed);
    select l.id, l.version, b.total from changed c join public.line l on l.id = c.id join public.basket b on b.id = l.basket`,
};

for (const [how, route] of [["by its SQL", "/v1/take"], ["by its head", "/v1/take_declared"]])
  test(`skip locked, ${how}: any free task will do, and no two workers get the same`, async (t) => {
    const api = await serve(t, { sql: LOCKS, app: QUERIES });
    const taken = await Promise.all(Array.from({ length: 50 }, (_, i) => api.post(route, { worker: `w${i}` })));
    const ids = taken.filter((reply) => reply.status === 200).map((reply) => reply.json.id);
    assert.equal(new Set(ids).size, ids.length, "each once");
    const rest = [];
    for (let reply; (reply = await api.post(route, { worker: "late" })).status === 200; ) rest.push(reply.json.id);
    assert.deepEqual([...ids, ...rest].sort((a, b) => a - b), Array.from({ length: 40 }, (_, i) => i + 1));
    await api.post(route, { worker: "late" }).expect(404);
  });

for (const [how, verb] of [["by its SQL", "reserve"], ["by its head", "book"]])
  test(`nowait, ${how}: this one task or a 409 at once, never a queue`, async (t) => {
    const api = await serve(t, { sql: LOCKS, app: QUERIES });
    const first = api.post(`/v1/tasks/7/${verb}`, { hold: 1 }).then((reply) => reply); // sent now, awaited below
    await eventually(async () => (await api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))[0].n > 0);
    await api.post(`/v1/tasks/7/${verb}`, { hold: 0 }).expect(409, { error_code: "conflict.locked" });
    await api.post(`/v1/tasks/8/${verb}`, { hold: 0 }).expect(200, { id: 8 });
    assert.equal((await first).status, 200);
    await api.post(`/v1/tasks/7/${verb}`, { hold: 0 }).expect(200);
    await api.post(`/v1/tasks/99/${verb}`, { hold: 0 }).expect(404);
  });

test("the hybrid: the parent is locked, the children go by version; the sum is always theirs", async (t) => {
  const api = await serve(t, { sql: LOCKS, app: QUERIES });
  const change = (id, amount, version) => api.post(`/v1/baskets/1/lines/${id}`, { amount, version });
  const outcomes = await Promise.all(Array.from({ length: 12 }, (_, i) => change(1 + (i % 2), 100 + i, 1)));
  assert.deepEqual(outcomes.map((reply) => reply.status).sort(), [200, 200, ...Array(10).fill(404)], "one change of each line, the others saw an old version");
  await change(1, 5, 2).expect(200, { version: 3 });
  const [{ total, sum }] = await api.sql("SELECT total::int, (SELECT sum(amount)::int FROM line) AS sum FROM basket");
  assert.equal(total, sum);
});
