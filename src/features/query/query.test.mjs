// Files of queries/: one SQL statement each, typed by PostgreSQL, served as an endpoint.
import { assert, eventually, lintel, serve, test } from "../../../tests/lib/lintel.mjs";

const SQL = `
  create table part (id int primary key, above int references part, name text not null, weight numeric(8,2));
  insert into part values (1, null, 'bike', 12.50), (2, 1, 'wheel', 1.75), (3, 2, 'spoke', 0.01), (4, 1, 'bell', null);
  create table big as select i as n from generate_series(1, 3000) i;
`;
const APP = {
  "queries/heavy.sql": "/* access: public\n   params:\n     least: {default: 1} */\nselect id, name, weight from public.part where weight >= :least order by id;",
  "queries/tree.sql": `/* route: GET /v1/parts/{id}/tree
   access: public */
with recursive t as (select id, name, 0 as depth from public.part where id = :id
  union all select p.id, p.name, t.depth + 1 from public.part p join t on p.above = t.id) cycle id set looped using trail
select id, name, depth from t order by depth, id`,
  "queries/one.sql": "/* route: GET /v1/parts/{id}\n   access: public\n   result: one */ select name, weight from public.part where id = :id",
  "queries/sum.sql": "/* access: public\n   result: scalar */ select sum(weight) from public.part",
  "queries/rename.sql": "/* route: POST /v1/rename\n   access: public\n   result: none */ update public.part set name = :name where id = :id",
  "queries/numbers.sql": "/* access: public\n   stream: true */ select n from public.big order by n",
  "queries/too_many.sql": "/* access: public */ select n from public.big",
  "queries/closed.sql": "select 1 as a",
};
const start = (t, app = {}, config = {}) => serve(t, { sql: SQL, app: { ...APP, ...app }, config: { query: { rows_max: 1000 }, schema_poll: "200ms", ...config } });

test("rows, one row, a value, nothing: each in its shape", async (t) => {
  const api = await start(t);
  await api.get("/v1/heavy").expect(200).expectBody({ data: [{ id: 1, name: "bike", weight: 12.5 }, { id: 2, name: "wheel", weight: 1.75 }] });
  await api.get("/v1/heavy?least=12.5").expect(200).expectBody({ data: [{ id: 1, name: "bike", weight: 12.5 }] });
  await api.get("/v1/parts/1/tree").expect(200).expectBody({ data: [
    { id: 1, name: "bike", depth: 0 }, { id: 2, name: "wheel", depth: 1 }, { id: 4, name: "bell", depth: 1 }, { id: 3, name: "spoke", depth: 2 }] });
  await api.get("/v1/parts/4").expect(200).expectBody({ name: "bell", weight: null });
  await api.get("/v1/parts/99").expect(404, { error_code: "not_found" });
  await api.get("/v1/sum").expect(200).expectBody(14.26);
  await api.post("/v1/rename", { id: 4, name: "horn" }).expect(204);
  await api.get("/v1/parts/4").expect(200, { name: "horn" });
  await api.get("/v1/closed").expect(404);
});

test("parameters are checked against the types that PostgreSQL gave them, all at once", async (t) => {
  const api = await start(t);
  const url = await api.get("/v1/heavy?least=much&most=5").expect(400, { error_code: "query.invalid" });
  assert.deepEqual(url.json.details.map((d) => [d.pointer, d.code]).sort(), [["/least", "type"], ["/most", "unknown_field"]]);
  const body = await api.post("/v1/rename", { id: "4", nam: "horn" }).expect(422, { error_code: "validation.failed" });
  assert.deepEqual(body.json.details.map((d) => [d.pointer, d.code]).sort(), [["/id", "type"], ["/nam", "unknown_field"], ["/name", "required"]]);
  await api.post("/v1/rename", "[1]").expect(422);
  await api.post("/v1/rename", "{").expect(400);
  await api.get("/v1/parts/x").expect(400);
  await api.get("/v1/heavy?least=1').drop").expect(400);
  await api.get("/v1/parts/1; drop table part").expect(400);
  assert.equal((await api.sql("select count(*)::int as n from part"))[0].n, 4);
});

test("a stream goes on past the limit of an answer, which is a clear 413", async (t) => {
  const api = await start(t);
  const all = await api.get("/v1/numbers").expect(200);
  assert.equal(all.json.data.length, 3000);
  assert.deepEqual(all.json.data.at(-1), { n: 3000 });
  await api.get("/v1/too_many").expect(413, { error_code: "too_large", message: /1000 rows/ });
});

test("a statement that lacks its table closes its own route and heals by itself", async (t) => {
  const api = await start(t, { "queries/later.sql": "/* access: public */ select a from public.later" });
  await api.get("/v1/later").expect(503, { error_code: "schema.not_ready", "Retry-After": /\d/ });
  await api.get("/v1/sum").expect(200);
  await api.sql("create table later (a int); insert into later values (7); grant select on later to app");
  await eventually(async () => (await api.get("/v1/later")).status === 200);
  await api.get("/v1/later").expect(200).expectBody({ data: [{ a: 7 }] });
});

test("the document says what PostgreSQL says", async (t) => {
  const api = await start(t);
  const paths = (await api.get("/openapi.json").expect(200)).json.paths;
  const heavy = paths["/v1/heavy"].get;
  assert.deepEqual(heavy.parameters.map((p) => [p.name ?? p.$ref.split("/").pop(), p.in, p.required]), [["least", "query", false], ["If-None-Match", undefined, undefined]]);
  assert.ok([heavy.parameters[0].schema.type].flat().includes("number"));
  assert.deepEqual(heavy.responses["200"].content["application/json"].schema.properties.data.items.properties.id.type, ["integer", "null"]);
  assert.deepEqual(Object.keys(paths["/v1/rename"].post.requestBody.content["application/json"].schema.properties).sort(), ["id", "name"]);
  assert.equal(paths["/v1/closed"], undefined);
});

test("check says what is wrong, where, and how to mend it", async (t) => {
  const api = await start(t);
  api.write("queries/typo.sql", "\n/* acces: public */ select 1 as a");
  api.write("queries/two.sql", "/* access: public */\nselect :a::int as a;\nselect :a::text as b");
  api.write("queries/ends.sql", "/* access: public */ select 1 as a; commit; select 2 as b");
  api.write("queries/paged.sql", "/* access: public\n   page: {by: [weight, nme]} */ select id, name, weight from public.part");
  api.write("queries/vague.sql", "/* access: public\n   page: {by: [name]} */ select id, name from public.part");
  api.write("queries/rules.sql", "/* access: public\n   params: {a: {min: x}, b: {pattern: 'a('}, c: {default: 9, max: 5}, d: {max: 5}} */ select :a::int as a, :b::text as b, :c::int as c, :d::bool as d");
  api.write("queries/deep.sql", "/* access: public\n   depth: 3 */ select 1 as depth");
  api.write("queries/wrong.sql", "/* access: public */ select nme from public.part where");
  api.write("queries/nameless.sql", "/* access: public */ select 1 + 1");
  const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(checked.code, 1);
  assert.match(checked.stdout, /queries\/typo\.sql:2:\d+: error: unknown key 'acces'[^]*did you mean 'access'/);
  assert.match(checked.stdout, /queries\/two\.sql:1:4: error: :a is int4 in one statement and text in another\n.*cast it: :a::int4/);
  assert.match(checked.stdout, /queries\/ends\.sql:1:4: error: statement 2: transactions/);
  assert.match(checked.stdout, /queries\/paged\.sql:2:\d+: error: page: the result has no column nme/);
  assert.match(checked.stdout, /queries\/vague\.sql:2:\d+: warning: page: that no two rows are equal[^]*unique: true/);
  assert.match(checked.stdout, /queries\/rules\.sql:2:\d+: error: :a: min does not suit its type int4/);
  assert.match(checked.stdout, /queries\/rules\.sql:2:\d+: error: :b: pattern: .*'\(' without '\)'/);
  assert.match(checked.stdout, /queries\/rules\.sql:2:\d+: error: :c: its default must be at most 5/);
  assert.match(checked.stdout, /queries\/rules\.sql:2:\d+: error: :d: max does not suit its type bool/);
  assert.match(checked.stdout, /queries\/deep\.sql:\d+:\d+: error: depth: no statement has the parameter :depth/);
  assert.match(checked.stdout, /queries\/wrong\.sql:1:22: error: PostgreSQL refuses it: syntax error/);
  assert.match(checked.stdout, /queries\/nameless\.sql:1:22: error: column 1 has no name[^]*as total/);
  assert.match(checked.stdout, /queries\/closed\.sql:1:1: warning: closed/);
});

test("what a file asks of its parameters is asked before PostgreSQL is, and said in the document", async (t) => {
  const api = await start(t, {
    "queries/ruled.sql": `/* access: public
   params:
     most: {min: 1, max: 100, default: 10}
     weight: {min: 0.5, max: 20, default: 1}
     name: {min_length: 2, max_length: 5, pattern: "^[a-z]+$", default: bike}
     way: {enum: [up, down], default: up}
     day: {min: 2024-01-01, default: 2024-06-01} */
   select :most::int as most, :weight::numeric as weight, :name::text as name, :way::text as way, :day::date as day`,
    "queries/ruled_body.sql": "/* route: POST /v1/ruled\n   access: public\n   result: one\n   params: {n: {max: 3}} */ select :n::int as n, :m::int as m",
  });
  await api.get("/v1/ruled").expect(200, { "data.0.most": 10 });
  await api.get("/v1/ruled?most=100&weight=20&name=ab&day=2024-01-01").expect(200);
  const all = await api.get("/v1/ruled?most=101&weight=20.01&name=A&way=left&day=2023-12-31").expect(400);
  assert.deepEqual(all.json.details.map((d) => [d.pointer, d.code]).sort(), [["/day", "range"], ["/most", "range"], ["/name", "pattern"], ["/name", "too_short"], ["/way", "enum"], ["/weight", "range"]]);
  for (const sly of ["weight=1e9", "weight=Infinity", "weight=NaN", "weight=-1e-3", "day=infinity", "name=abcdef", "most=0"]) await api.get(`/v1/ruled?${sly}`).expect(400);
  await api.get("/v1/ruled?weight=1e1").expect(200);
  const body = await api.post("/v1/ruled", { n: 4, m: "x" }).expect(422);
  assert.deepEqual(body.json.details.map((d) => [d.pointer, d.code]).sort(), [["/m", "type"], ["/n", "range"]]);
  const parameters = (await api.get("/openapi.json")).json.paths["/v1/ruled"].get.parameters;
  const schema = Object.fromEntries(parameters.map((p) => [p.name, p.schema]));
  assert.equal(schema.most.minimum, 1);
  assert.equal(schema.most.maximum, 100);
  assert.deepEqual([schema.name.minLength, schema.name.maxLength, schema.name.pattern], [2, 5, "^[a-z]+$"]);
  assert.deepEqual(schema.way.allOf, [{ enum: ["up", "down"] }]);
});

const PAGES = `create table sale (id int primary key, shop text, sold numeric, day date);
  insert into sale select i, chr(97 + i % 3), case when i % 7 = 0 then null else i % 10 end, case when i % 4 = 0 then null else date '2024-01-01' + i % 5 end from generate_series(1, 300) i`;
const paged = (by, more = "") => `/* access: public\n   page: {by: [${by}], limit: 7, max: 50}${more} */ select id, shop, sold, day from public.sale where (:shop::text is null or shop = :shop)`;

test("pages of any statement: both ways, mixed directions, NULLs; each row once", async (t) => {
  const orders = { a: "sold desc, id", b: "day nulls first, sold desc nulls last, id desc", c: "id desc not null", d: "shop, day desc, id" };
  const api = await serve(t, { sql: PAGES, app: Object.fromEntries(Object.entries(orders).map(([name, by]) => [`queries/${name}.sql`, paged(by, "\n   params: {shop: {required: false}}")])) });
  for (const [name, by] of Object.entries(orders)) {
    const want = (await api.sql(`select id from sale where shop = 'b' order by ${by.replace(" not null", "")}`)).map((r) => r.id);
    const seen = [];
    let path = `/v1/${name}?shop=b`, last;
    for (let next = path; next; ) {
      last = await api.get(next).expect(200);
      seen.push(...last.json.data.map((r) => r.id));
      next = /<([^>]+)>; rel="next"/.exec(last.header("link") ?? "")?.[1];
      assert.equal(!!next, last.json.page.next !== null);
    }
    assert.deepEqual(seen, want, name);
    const back = [];
    for (let cursor = last.json.page.prev; cursor; ) {
      const page = await api.get(`${path}&before=${cursor}`).expect(200);
      back.unshift(...page.json.data.map((r) => r.id));
      cursor = page.json.page.prev;
    }
    assert.deepEqual(back, want.slice(0, want.length - (want.length % 7 || 7)), `${name}, back`);
  }
});

test("a cursor belongs to its route, its parameters and its order; limits are held", async (t) => {
  const none = "\n   params: {shop: {required: false}}";
  const api = await serve(t, { sql: PAGES, app: { "queries/a.sql": paged("sold desc, id", none), "queries/b.sql": paged("sold, id", none) } });
  const { next } = (await api.get("/v1/a?shop=b").expect(200)).json.page;
  await api.get(`/v1/a?shop=b&limit=50&after=${next}`).expect(200);
  for (const other of [`/v1/a?shop=c&after=${next}`, `/v1/a?after=${next}`, `/v1/b?shop=b&after=${next}`, `/v1/a?shop=b&after=${next.slice(0, -2)}AA`]) await api.get(other).expect(400, { error_code: "query.cursor" });
  await api.get("/v1/a?limit=51").expect(400, { message: /limit/ });
  await api.get("/v1/a?limit=0").expect(400);
  await api.get(`/v1/a?after=${next}&before=${next}`).expect(400);
  const sealed = [next]; // a 9 may stand in one by chance, not in each of eight
  while (sealed.length < 8) sealed.push((await api.get("/v1/a?shop=b").expect(200)).json.page.next);
  assert.ok(!sealed.every((cursor) => Buffer.from(cursor, "base64url").toString("latin1").includes("9")), "nothing readable");
  const parameters = (await api.get("/openapi.json")).json.paths["/v1/a"].get.parameters;
  assert.deepEqual(parameters.map((p) => p.name ?? p.$ref.split("/").pop()), ["shop", "If-None-Match", "limit", "after", "before"]);
});

test("an order that does not tell rows apart is refused where it would lose one, not before", async (t) => {
  const api = await serve(t, { sql: PAGES, app: { "queries/a.sql": "/* access: public\n   page: {by: [shop], limit: 5, max: 300} */ select id, shop from public.sale" } });
  await api.get("/v1/a?limit=100").expect(200); // 100 of each shop: the page ends between them
  await api.get("/v1/a").expect(500, { error_code: "query.page_order" });
});

test("a line a row for who asks: buffered, paged and streamed", async (t) => {
  const api = await start(t, { "queries/p.sql": "/* access: public\n   page: {by: [id], limit: 2} */ select id, name from public.part" });
  const lines = { Accept: "application/x-ndjson" };
  const rows = (reply) => reply.text.trimEnd().split("\n").map((line) => JSON.parse(line));
  const heavy = await api.get("/v1/heavy", lines).expect(200, { "Content-Type": "application/x-ndjson", Vary: /Accept/ });
  assert.deepEqual(rows(heavy), [{ id: 1, name: "bike", weight: 12.5 }, { id: 2, name: "wheel", weight: 1.75 }]);
  const page = await api.get("/v1/p", lines).expect(200, { Link: /rel="next"/ });
  assert.deepEqual(rows(page).map((r) => r.id), [1, 2]);
  const numbers = await api.get("/v1/numbers", lines).expect(200, { "Content-Type": "application/x-ndjson" });
  assert.equal(rows(numbers).length, 3000);
  assert.deepEqual(rows(numbers).at(-1), { n: 3000 });
  await api.get("/v1/heavy", { Accept: "application/x-ndjson;q=0.5, application/json" }).expect(200, { "Content-Type": /json/, "data.0.id": 1 });
});

test("an answer has a tag of its bytes, 304 for who has it, and the Cache-Control that the file says", async (t) => {
  const api = await start(t, { "queries/kept.sql": "/* access: public\n   cache_control: public, max-age=60 */ select id, name from public.part order by id",
    "queries/p.sql": "/* access: public\n   page: {by: [id], limit: 2} */ select id, name from public.part" });
  const first = await api.get("/v1/kept").expect(200, { ETag: /^"[0-9a-f.]+"$/, "Cache-Control": "public, max-age=60" });
  await api.get("/v1/kept", { "If-None-Match": first.header("etag") }).expect(304, { ETag: first.header("etag"), "Cache-Control": "public, max-age=60" }).expectBody("");
  await api.post("/v1/rename", { id: 4, name: "horn" }).expect(204);
  const second = await api.get("/v1/kept", { "If-None-Match": first.header("etag") }).expect(200);
  assert.notEqual(second.header("etag"), first.header("etag"));
  assert.ok(!(await api.get("/v1/closed").expect(404)).header("cache-control"));
  const page = await api.get("/v1/p").expect(200, { ETag: /^W\// }); // its cursors are sealed anew each time
  await api.get("/v1/p", { "If-None-Match": page.header("etag") }).expect(304);
  await api.get("/v1/p?limit=3", { "If-None-Match": page.header("etag") }).expect(200);
});

test("a head's JSON Schemas judge parameters and the whole body, and fill defaults inside", async (t) => {
  const api = await serve(t, { sql: "SELECT", app: {
    "queries/ship.sql": `/* route: POST /v1/ship
   access: public
   result: one
   params:
     options: {schema: {file: schemas/options.yaml}}
     code: {required: false, schema: {type: string, pattern: "^(?<part>[A-Z])\\\\k<part>$"}}
     weight: {schema: {multipleOf: 0.1, exclusiveMaximum: 100}}
   schema:
     if: {properties: {mode: {const: air}}}
     then: {properties: {weight: {maximum: 20}}, required: [code]}
*/ select :mode::text as mode, :options::jsonb as options, :code::text as code, :weight::numeric as weight`,
    "queries/find.sql": `/* access: public
   params:
     n: {schema: {multipleOf: 5}}
     day: {schema: {format: date, pattern: "-01$"}, default: 2024-01-01}
     what: {schema: {type: object, required: [a]}, required: false}
*/ select :n::int as n, :day::date as day, :what::jsonb as what`,
    "schemas/options.yaml": "type: object\nproperties: {speed: {enum: [fast, slow], default: slow}, notify: {type: object, default: {}, properties: {by: {default: mail}}}}\n",
  } });
  const told = (reply) => reply.json.details.map((detail) => `${detail.pointer} ${detail.code}`);
  await api.post("/v1/ship", { mode: "sea", options: {}, weight: 50.1 }).expect(200, { options: { speed: "slow", notify: { by: "mail" } }, weight: 50.1, code: null });
  assert.deepEqual(told(await api.post("/v1/ship", { mode: "air", options: { speed: "x" }, weight: 50.15, other: 1 }).expect(422)),
    ["/options/speed enum", "/weight range", "/weight multiple", "/other unknown_field", "/code required"]);
  assert.deepEqual(told(await api.post("/v1/ship", { mode: "sea", options: {}, weight: 1, code: "AB" }).expect(422)), ["/code pattern"]);
  await api.get('/v1/find?n=10&what={"a":1}').expect(200, { "data.0.what": { a: 1 } });
  assert.deepEqual(told(await api.get("/v1/find?n=7&day=2024-05-02&what=[]").expect(400)), ["/n multiple", "/day pattern", "/what type"]);
  const document = (await api.get("/openapi.json").expect(200)).json;
  const body = document.paths["/v1/ship"].post.requestBody.content["application/json"].schema;
  assert.deepEqual(body.allOf[1].then.required, ["code"]);
  assert.deepEqual(body.allOf[0].properties.options.allOf, [{ $ref: "#/components/schemas/schemas.options.yaml" }]);
  assert.ok(document.components.schemas["schemas.options.yaml"].properties.notify);
  api.write("queries/bad.sql", "/* access: public\n   schema: {type: object}\n   params:\n     a: {schema: {minimun: 1}}\n     b: {default: 3, schema: {minimum: 4}} */ select :a::int as a, :b::int as b");
  const said = (await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } })).stdout;
  assert.match(said, /queries\/bad\.sql:2:\d+: error: schema: this route has no body/);
  assert.match(said, /queries\/bad\.sql:4:\d+: error: schema \/minimun: .*'minimum'/);
});

// PostgreSQL, 13.3.2: which row locks exclude each other.
const STRENGTHS = ["for_key_share", "for_share", "no_key_update", "for_update"];
const EXCLUDES = { for_key_share: ["for_update"], for_share: ["no_key_update", "for_update"], no_key_update: ["for_share", "no_key_update", "for_update"], for_update: STRENGTHS };

test("lock: each strength lets through whom it should, and says 409 to the others", async (t) => {
  const files = {};
  for (const strength of STRENGTHS) {
    files[`queries/hold_${strength}.sql`] = `/* route: POST /v1/hold/${strength}\n   access: public\n   result: none\n   lock: ${strength} */
      select id from public.part where id = :id; -- a comment ends with its line
      select pg_advisory_xact_lock_shared(42)`;
    files[`queries/try_${strength}.sql`] = `/* route: POST /v1/try/${strength}\n   access: public\n   result: one\n   lock: [${strength}, nowait] */
      select id, name from public.part where id = :id -- a comment ends with its line`;
  }
  const api = await serve(t, { sql: SQL, app: files });
  const latch = await api.postgres.connect(api.database);
  try {
    for (const held of STRENGTHS) {
      await latch.query("SELECT pg_advisory_lock(42)");
      const holder = api.post(`/v1/hold/${held}`, { id: 1 }).then((reply) => reply);
      await eventually(async () => (await api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'advisory'"))[0].n === 1);
      for (const wanted of STRENGTHS) {
        const reply = await api.post(`/v1/try/${wanted}`, { id: 1 });
        assert.equal(reply.status, EXCLUDES[held].includes(wanted) ? 409 : 200, `${wanted} while ${held}: ${reply.text}`);
        if (reply.status === 409) assert.equal(reply.json.error_code, "conflict.locked");
        await api.post(`/v1/try/${wanted}`, { id: 2 }).expect(200, { name: "wheel" });
      }
      await latch.query("SELECT pg_advisory_unlock(42)");
      assert.equal((await holder).status, 204);
    }
  } finally { await latch.end(); }
  const document = (await api.get("/openapi.json").expect(200)).json;
  assert.deepEqual(document.paths["/v1/try/for_share"].post.responses["409"], { $ref: "#/components/responses/Conflict" });
});

test("lock: what cannot be locked so is said with its place", async (t) => {
  const wrong = [
    ["get", "GET /v1/x", "for_update", "select 1 as a", "a GET is read-only"],
    ["two", "POST /v1/x", "[for_update, for_share]", "select 1 as a", "a row is locked in one way"],
    ["both", "POST /v1/x", "[nowait, skip_locked]", "select 1 as a", "exclude each other"],
    ["writes", "POST /v1/x", "nowait", "update public.part set name = 'x'", "must read the rows"],
  ];
  const api = await serve(t, { sql: SQL, app: {} });
  for (const [name, route, lock, sql] of [...wrong, ["grouped", "POST /v1/y", "for_update", "select name from public.part group by name"], ["word", "POST /v1/z", "for_updat", "select 1 as a"]])
    api.write(`queries/${name}.sql`, `/* route: ${route}\n   access: public\n   result: none\n   lock: ${lock} */ ${sql}`);
  const said = (await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } })).stdout;
  for (const [name, , , , words] of wrong) assert.match(said, new RegExp(`queries/${name}\\.sql:4:10: error: lock: [^\\n]*${words}`));
  assert.match(said, /queries\/grouped\.sql.*error: PostgreSQL refuses it: FOR UPDATE is not allowed with GROUP BY/);
  assert.match(said, /queries\/word\.sql:4:10: error: .*'for_update'|queries\/word\.sql:4:10: error: [^]*for_update/);
});

test("a script whose COMMIT was sent and given up says that its outcome is unknown", async (t) => {
  const api = await serve(t, {
    sql: `create table staged (n int); create table kept (n int);
      create function doze() returns trigger language plpgsql as 'begin perform pg_sleep(1); return null; end';
      create constraint trigger doze after insert on kept deferrable initially deferred for each row execute function doze()`,
    app: { "queries/keep.sql": "/* route: POST /v1/keep\n   access: public\n   result: none\n   timeout: 500ms */ insert into public.staged values (:n); insert into public.kept values (:n);",
      "queries/stage.sql": "/* route: POST /v1/stage\n   access: public\n   result: none\n   timeout: 500ms */ insert into public.kept values (:n); select pg_catalog.pg_sleep(5);" },
  });
  await api.post("/v1/keep", { n: 1 }).expect(503, { error_code: "outcome_unknown" });
  await eventually(async () => (await api.sql("select count(*)::int as n from kept"))[0].n === 1);
  await api.post("/v1/stage", { n: 2 }).expect(504, { error_code: "timeout" }); // its COMMIT was never sent: nothing unknown
  await eventually(async () => (await api.sql("select count(*)::int as n from pg_stat_activity where usename = 'app' and state <> 'idle'"))[0].n === 0);
  assert.equal((await api.sql("select count(*)::int as n from kept"))[0].n, 1);
});

test("what has written is not written a second time by its fallback when the table changed under it", async (t) => {
  const api = await serve(t, {
    sql: "create table mark (n int not null, who text not null)", config: { schema_poll: "60s" },
    app: { "queries/mark.sql": "/* route: POST /v1/mark\n   access: public\n   result: one\n   fallback: mark_before */ insert into public.mark values (:n, 'now') returning n",
      "queries/mark_before.sql": "/* route: POST /v1/mark_before\n   access: public\n   result: one */ insert into public.mark values (:n, 'before') returning n::int as n" },
  });
  for (let n = 1; n < 5; n++) await api.post("/v1/mark", { n }).expect(200, { n });
  await api.sql("alter table mark alter n type bigint");
  const reply = await api.post("/v1/mark", { n: 7 });
  const rows = await api.sql("select who from mark where n = 7");
  assert.equal(rows.length, 1, `${reply.status} ${reply.text}`);
  assert.equal(reply.json.error_code, "outcome_unknown", reply.text); // it was written, and what it answers can't be told in the form that was promised
});
