// 12. Optimistic and pessimistic locking: a version column becomes an ETag, and a change made under a condition happens once or not at all;
// a script of queries/ takes the locks that its SQL declares, alone or beside versions.
//
// partly: `version: xmin` and `on_conflict: reapply` are not there; the queue that takes by SKIP LOCKED itself needs jobs
import { assert, eventually, serve, test } from "../lib/lintel.mjs";

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

// ---- locks: a script of queries/ is one transaction, and the clause that PostgreSQL has for it is the declaration ----

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
  "queries/line.sql": `/* route: POST /v1/baskets/{basket}/lines/{id}
   access: public
   result: one */
    create temp table parent on commit drop as select id from public.basket where id = :basket for update;
    create temp table changed (id integer) on commit drop;
    with done as (update public.line set amount = :amount, version = version + 1 where id = :id and basket in (select id from parent) and version = :version returning id)
      insert into changed select id from done;
    update public.basket b set total = (select sum(l.amount) from public.line l where l.basket = b.id) where b.id = :basket and exists (select from changed);
    select l.id, l.version, b.total from changed c join public.line l on l.id = c.id join public.basket b on b.id = l.basket`,
};

test("skip locked: any free task will do, and no two workers get the same", async (t) => {
  const api = await serve(t, { sql: LOCKS, app: QUERIES });
  const taken = await Promise.all(Array.from({ length: 50 }, (_, i) => api.post("/v1/take", { worker: `w${i}` })));
  const ids = taken.filter((reply) => reply.status === 200).map((reply) => reply.json.id);
  assert.equal(new Set(ids).size, ids.length, "each once");
  const rest = [];
  for (let reply; (reply = await api.post("/v1/take", { worker: "late" })).status === 200; ) rest.push(reply.json.id);
  assert.deepEqual([...ids, ...rest].sort((a, b) => a - b), Array.from({ length: 40 }, (_, i) => i + 1));
  await api.post("/v1/take", { worker: "late" }).expect(404);
});

test("nowait: this one task or a 409 at once, never a queue", async (t) => {
  const api = await serve(t, { sql: LOCKS, app: QUERIES });
  const first = api.post("/v1/tasks/7/reserve", { hold: 1 }).then((reply) => reply); // sent now, awaited below
  await eventually(async () => (await api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))[0].n > 0);
  await api.post("/v1/tasks/7/reserve", { hold: 0 }).expect(409, { error_code: "conflict.locked" });
  await api.post("/v1/tasks/8/reserve", { hold: 0 }).expect(200, { id: 8 });
  assert.equal((await first).status, 200);
  await api.post("/v1/tasks/7/reserve", { hold: 0 }).expect(200);
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
