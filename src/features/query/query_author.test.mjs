// Files of queries/ as a hasty author writes them, and values that only PostgreSQL can read.
import { assert, eventually, lintel, serve, test } from "../../../tests/lib/lintel.mjs";

const SQL = `
  create table note (id int primary key, body text not null unique, tags text[] not null default '{}');
  insert into note values (1, 'red boat', '{sea}'), (2, 'blue car', '{land}');
  create function made_up(word text) returns int language plpgsql as $$ begin execute 'selec ' || word; return 1; end $$;
  create function go(place text) returns text language plpgsql as $$ begin return set_config('search_path', place, false); end $$;
`;
const PUBLIC = "/* access: public\n";
const APP = {
  "resources/note.yaml": "table: public.note\naccess: public\noperations: [list, get]\n",
  "queries/found.sql": `${PUBLIC}*/ select id from public.note where to_tsvector('english', body) @@ to_tsquery('english', :q)`,
  "queries/words.sql": `${PUBLIC}   result: scalar */ select to_tsvector(:language::regconfig, 'cats') as words`,
  "queries/tagged.sql": `${PUBLIC}*/ select id from public.note where tags && :tags::text[] order by id`,
  "queries/path.sql": `/* route: POST /v1/path\n   access: public\n   result: scalar */ select jsonb_path_exists('{}', :path::jsonpath)`,
  "queries/staged.sql": `${PUBLIC}*/ create temp table t on commit drop as select :tags::text[] as tags; select * from t`,
  "queries/flow.sql": `${PUBLIC}   stream: true */ select id from public.note where tags && :tags::text[] order by id`,
  "queries/made_up.sql": `${PUBLIC}   result: scalar */ select public.made_up('x')`,
  "queries/add.sql": `/* route: POST /v1/add\n   access: public\n   result: one */ insert into public.note (id, body) values (:id, :body) returning id`,
};
const start = (t, app = {}) => serve(t, { sql: SQL, app: { ...APP, ...app }, config: {} });

test("a value that PostgreSQL cannot read is the client's fault, and named", async (t) => {
  const api = await start(t);
  await api.get("/v1/found?q=boat").expect(200).expectBody({ data: [{ id: 1 }] });
  await api.get("/v1/found?q=red%20boat").expect(422, { error_code: "validation.value" });
  await api.get("/v1/words?language=english").expect(200);
  const words = await api.get("/v1/words?language=klingon").expect(400, { error_code: "query.invalid" });
  assert.deepEqual(words.json.details.map((d) => [d.pointer, d.code]), [["/language", "format"]]);
  await api.get("/v1/words?language=english").expect(200);
  for (const route of ["tagged", "staged", "flow"]) {
    const wrong = await api.get(`/v1/${route}?tags=sea`).expect(400, { error_code: "query.invalid" });
    assert.deepEqual(wrong.json.details.map((d) => d.pointer), ["/tags"], route);
    await api.get(`/v1/${route}?tags={sea}`).expect(200);
  }
  const path = await api.post("/v1/path", { path: "$[[" }).expect(422, { error_code: "validation.failed" });
  assert.deepEqual(path.json.details.map((d) => d.pointer), ["/path"]);
  await api.get("/v1/made_up").expect(500, { error_code: "internal" }); // a function's own broken SQL is no value
});

test("the document says how a list stands in a URL, and which refusals there may be", async (t) => {
  const api = await start(t);
  const { json } = await api.get("/openapi.json").expect(200);
  const tagged = json.paths["/v1/tagged"].get;
  assert.deepEqual(tagged.parameters[0].schema, { type: "string" });
  assert.match(tagged.parameters[0].description, /\{a,b\}/);
  assert.ok(tagged.responses["422"] && tagged.responses["413"] && !tagged.responses["409"]);
  assert.ok(json.paths["/v1/add"].post.responses["409"]);
  await api.post("/v1/add", { id: 1, body: "again" }).expect(409);
});

test("a route that is taken closes its own file, in check and in the server; the others serve", async (t) => {
  const second = { "queries/also.sql": "/* route: GET /v1/tagged\n   access: public */ select 1 as a",
    "queries/rival.sql": "/* route: GET /v1/note/{number}\n   access: public */ select :number::int as a",
    "queries/live.sql": "/* route: GET /livez\n   access: public */ select 1 as a" };
  const api = await start(t, second);
  await api.get("/livez").expect(200);
  await api.get("/v1/note/1").expect(200, { body: "red boat" });
  await api.get("/v1/words?language=english").expect(200);
  const checked = await lintel(["check", "--json", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(checked.code, 1);
  const found = JSON.parse(checked.stdout).findings.filter((f) => f.severity === "error");
  assert.deepEqual(found.map((f) => f.file).sort(), ["queries/live.sql", "queries/rival.sql", "queries/tagged.sql"]);
  for (const finding of found) assert.match(finding.message, /is taken already/);
});

test("what can never be answered is said by check, with the line that PostgreSQL points at", async (t) => {
  const api = await start(t);
  const wrong = {
    "queries/insert.sql": `${PUBLIC}*/ insert into public.note (id, body) values (9, 'x') returning id`,
    "queries/hidden.sql": `${PUBLIC}*/ with gone as (delete from public.note returning id) select id from gone`,
    "queries/pair.sql": `${PUBLIC}   result: scalar */ select id, body from public.note`,
    "queries/typo.sql": `${PUBLIC}*/\nselect id\nfrom public.note\nwere id = :id`,
    "queries/bounds.sql": `${PUBLIC}   params: {a: {min: 5, max: 1}, b: {min_length: 3, max_length: 2}, c: {min: 1, max: 1}} */ select :a::int as a, :b::text as b, :c::int as c`,
    "queries/marked.sql": `\ufeff${PUBLIC}*/ select 1 as one`,
    "queries/quiet.sql": `/* route: POST /v1/quiet\n   access: public\n   result: none */ select 1, 2`,
  };
  for (const [path, text] of Object.entries(wrong)) api.write(path, text);
  const env = { LINTEL_DATABASE_URL: api.postgres.url(api.database) };
  const checked = JSON.parse((await lintel(["check", "--json", api.dir], { env })).stdout);
  const said = Object.fromEntries(checked.findings.map((f) => [f.file, f]));
  assert.match(said["queries/insert.sql"].message, /GET is read-only/);
  assert.match(said["queries/hidden.sql"].message, /GET is read-only/);
  assert.match(said["queries/pair.sql"].message, /2 columns/);
  assert.equal(said["queries/typo.sql"].line, 5);
  assert.deepEqual(checked.findings.filter((f) => f.file === "queries/bounds.sql").map((f) => f.message),
    [":a: its min must be at most 1", ":b: its min_length must be at most max_length, 2"]);
  assert.equal(said["queries/marked.sql"], undefined, "a mark of byte order is passed over");
  assert.equal(said["queries/quiet.sql"], undefined, "columns that nobody sees need no names");
});

test("a setting or a lock that outlives its statement is not the next request's", async (t) => {
  const api = await start(t, {
    "queries/count.sql": `${PUBLIC}   result: scalar */ select count(*)::int from note`,
    "queries/count_too.sql": `/* route: POST /v1/count_too\n   access: public\n   result: scalar */ select count(*)::int from note`,
    "queries/elsewhere.sql": `${PUBLIC}   result: scalar */ select set_config('search_path', 'nowhere', false)`,
    "queries/elsewhere_too.sql": `/* route: POST /v1/elsewhere_too\n   access: public\n   result: scalar */ select Set_Config('search_path', 'nowhere', false)`,
    "queries/go.sql": `/* route: POST /v1/go\n   access: public\n   result: scalar */ select public.Go('nowhere')`,
    "queries/hold.sql": `/* route: POST /v1/hold\n   access: public\n   result: scalar */ select pg_try_advisory_lock(7)`,
  });
  const times = (n, ask) => Promise.all(Array.from({ length: n }, ask));
  await api.get("/v1/count").expect(200);
  await times(20, () => api.get("/v1/elsewhere").expect(200));
  await times(20, () => api.post("/v1/elsewhere_too", {}).expect(200));
  await times(20, () => api.post("/v1/go", {}).expect(200));
  await times(40, () => api.get("/v1/count").expect(200).expectBody(2));
  await times(40, () => api.post("/v1/count_too", {}).expect(200).expectBody(2));
  await api.post("/v1/hold", {}).expect(200).expectBody(true);
  await api.post("/v1/hold").expect(200);
  await api.post("/v1/hold", { fast: true }).expect(422, { error_code: "validation.failed" }); // it has no parameter of that name
  await eventually(async () => (await api.sql("select count(*)::int as n from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database() where locktype = 'advisory'"))[0].n === 0);
});

test("a write that is refused for its rows has not happened", async (t) => {
  const insert = "insert into log select g from generate_series(1, :n::int) g";
  const api = await serve(t, { sql: "create table log (id int)", config: { query: { rows_max: 5 } }, app: {
    "queries/many.sql": `/* route: POST /v1/many\n   access: public */ ${insert} returning id`,
    "queries/staged.sql": `/* route: POST /v1/staged\n   access: public */ delete from log where false; ${insert} returning id`,
    "queries/deep.sql": `/* route: POST /v1/deep\n   access: public\n   depth: 2 */ ${insert} where g < :depth + 9 returning id, id as depth`,
    "queries/none.sql": `/* route: POST /v1/none\n   access: public\n   result: one */ ${insert}; select id from log where false`,
  } });
  const rows = async () => (await api.sql("select count(*)::int as n from log"))[0].n;
  await api.post("/v1/many", { n: 6 }).expect(413, { error_code: "too_large" });
  await api.post("/v1/staged", { n: 6 }).expect(413);
  await api.post("/v1/deep", { n: 3 }).expect(422, { error_code: "query.too_deep" });
  await api.post("/v1/none", { n: 1 }).expect(404);
  assert.equal(await rows(), 0);
  await api.post("/v1/many", { n: 5 }).expect(200);
  await api.post("/v1/staged", { n: 5 }).expect(200);
  await api.post("/v1/deep", { n: 2 }).expect(200);
  assert.equal(await rows(), 12);
});
