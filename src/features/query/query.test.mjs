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
  assert.deepEqual(heavy.parameters.map((p) => [p.name, p.in, p.required]), [["least", "query", false]]);
  assert.ok([heavy.parameters[0].schema.type].flat().includes("number"));
  assert.deepEqual(heavy.responses["200"].content["application/json"].schema.properties.data.items.properties.id.type, ["integer", "null"]);
  assert.deepEqual(Object.keys(paths["/v1/rename"].post.requestBody.content["application/json"].schema.properties).sort(), ["id", "name"]);
  assert.equal(paths["/v1/closed"], undefined);
});

test("check says what is wrong, where, and how to mend it", async (t) => {
  const api = await start(t);
  api.write("queries/typo.sql", "\n/* acces: public */ select 1 as a");
  api.write("queries/two.sql", "/* access: public */\nselect 1 as a;\nselect 2");
  api.write("queries/wrong.sql", "/* access: public */ select nme from public.part where");
  api.write("queries/nameless.sql", "/* access: public */ select 1 + 1");
  const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(checked.code, 1);
  assert.match(checked.stdout, /queries\/typo\.sql:2:\d+: error: unknown key 'acces'[^]*did you mean 'access'/);
  assert.match(checked.stdout, /queries\/two\.sql:3:\d+: error: one statement a file/);
  assert.match(checked.stdout, /queries\/wrong\.sql: error: PostgreSQL refuses it: syntax error/);
  assert.match(checked.stdout, /queries\/nameless\.sql: error: column 1 has no name[^]*as total/);
  assert.match(checked.stdout, /queries\/closed\.sql:1:1: warning: closed/);
});
