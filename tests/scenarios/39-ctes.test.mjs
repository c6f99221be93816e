// 39. CTEs: a .sql endpoint of any shape, typed by PostgreSQL; a recursion that cannot run away; which CTEs are fenced and what that costs;
// scripts that stage in temporary tables.
//
// partly: the doctor's finding that a CTE is recomputed with little change, and the matview with its refresh, need statistics of calls
import { SLOWNESS, assert, eventually, lintel, serve, test } from "../lib/lintel.mjs";

const SQL = `
create table part (id integer primary key, above integer references part, name text not null, weight numeric(8, 2));
insert into part select n, nullif(n / 3, 0), 'part ' || n, n * 0.5 from generate_series(1, 400) n;
create table ring (id integer primary key, next integer); insert into ring select n, n % 50 + 1 from generate_series(1, 50) n;
create table sale (id serial primary key, part integer references part, region text, amount numeric(10, 2), at date);
insert into sale (part, region, amount, at) select 1 + n % 400, chr(97 + n % 4), n % 97, date '2024-01-01' + n % 360 from generate_series(1, 30000) n;
analyze;`;
const APP = {
  "queries/tree.sql": `/* route: GET /v1/parts/{id}/tree
   access: public
   depth: 4 */
with recursive t as (select id, name, 0 as depth from public.part where id = :id
  union all select p.id, p.name, t.depth + 1 from public.part p join t on p.above = t.id where t.depth < :depth)
select id, name, depth from t order by depth, id`,
  "queries/round.sql": `/* route: GET /v1/ring/{id}
   access: public
   depth: 100
   depth_column: step */
with recursive t as (select id, next, 0 as step from public.ring where id = :id
  union all select r.id, r.next, t.step + 1 from public.ring r join t on r.id = t.next where t.step < :depth)
select id, step from t order by step`,
  "queries/cycle.sql": `/* route: GET /v1/cycle/{id}
   access: public */
with recursive t as (select id, next from public.ring where id = :id
  union all select r.id, r.next from public.ring r join t on r.id = t.next) cycle id set looped using trail
select id, looped from t`,
  "queries/weights.sql": `/* route: GET /v1/weights
   access: public
   result: one */
with light as (select weight from public.part where weight < :limit_weight), heavy as (select weight from public.part where weight >= :limit_weight)
select (select count(*) from light) as light, (select sum(weight) from heavy) as heavy_sum, array(select weight from light order by weight limit 2) as least`,
  "queries/total.sql": "/* access: public\n   result: scalar */ with a as (select amount from public.sale) select sum(amount) from a",
  "queries/best.sql": `/* route: GET /v1/regions/{region}/best
   access: public
   params: {most: {default: 3, min: 1, max: 50}} */
create temp table mine on commit drop as select part, sum(amount) as amount from public.sale where region = :region group by part;
analyze mine;
create temp table top (part integer, amount numeric) on commit drop;
insert into top select part, amount from mine order by amount desc, part limit :most;
select t.part, p.name, t.amount, (select count(*) from mine) as parts from top t join public.part p on p.id = t.part order by t.amount desc, t.part`,
  "queries/restock.sql": `/* route: POST /v1/restock
   access: public
   result: one */
create temp table wanted on commit drop as select id from public.part where weight <= :weight::numeric;
update public.part set name = name || ' (' || :note::text || ')' where id in (select id from wanted);
insert into public.sale (part, region, amount, at) select id, 'z', :amount::numeric, date '2025-01-01' from wanted;
select count(*) as parts, (select count(*) from public.sale where region = 'z') as sales from wanted`,
  "queries/heavy_twice.sql": `/* access: public */
with big as (select part, sum(amount) as amount from public.sale group by part), small as materialized (select id from public.part where id < 5)
select b.part, b.amount from big b join small s on s.id = b.part order by 1`,
};
const stage = (t) => serve(t, { sql: SQL, app: APP, config: { schema_poll: "200ms" } });

test("recursive and plain, many rows, one, a value, arrays: every shape, typed by PostgreSQL", async (t) => {
  const api = await stage(t);
  const tree = await api.get("/v1/parts/40/tree").expect(200);
  assert.deepEqual(tree.json.data.slice(0, 4), [{ id: 40, name: "part 40", depth: 0 }, { id: 120, name: "part 120", depth: 1 }, { id: 121, name: "part 121", depth: 1 }, { id: 122, name: "part 122", depth: 1 }]);
  await api.get("/v1/weights?limit_weight=1.5").expect(200).expectBody({ light: 2, heavy_sum: 40098.5, least: [0.5, 1] });
  assert.equal(typeof (await api.get("/v1/total").expect(200)).json, "number");
  await api.get("/v1/weights?limit_weight=x").expect(400, { "details.0.pointer": "/limit_weight" });
  const paths = (await api.get("/openapi.json")).json.paths;
  assert.deepEqual(paths["/v1/parts/{id}/tree"].get.parameters.map((p) => [p.name, p.schema.type]), [["id", "integer"]], "the guard is ours, not the client's");
  assert.deepEqual(paths["/v1/weights"].get.responses["200"].content["application/json"].schema.properties.least.type, ["array", "null"]);
});

test("a recursion that goes too deep is refused, soon, though the data has a cycle; what stays within its depth is served", async (t) => {
  const api = await stage(t);
  await api.get("/v1/parts/1/tree").expect(422, { error_code: "query.too_deep", message: /deeper than 4/ }); // five levels
  await api.get("/v1/parts/4/tree").expect(200);
  const started = Date.now();
  await api.get("/v1/ring/7").expect(422, { error_code: "query.too_deep" });
  assert.ok(Date.now() - started < 5000 * SLOWNESS);
  await api.get("/v1/cycle/7").expect(200, { "data.50.looped": true, "data.51": undefined });
  await api.get("/v1/ring/7?depth=1000").expect(400, { "details.0.code": "unknown_field" });
});

test("a script stages in temporary tables; a GET leaves nothing behind, and the connection serves others as before", async (t) => {
  const api = await stage(t);
  const want = (await api.sql("select part, sum(amount)::float8 as amount from sale where region = 'b' group by part order by 2 desc, 1 limit 3"));
  for (let i = 0; i < 8; i++) {
    const best = await api.get("/v1/regions/b/best").expect(200);
    assert.deepEqual(best.json.data.map((r) => [r.part, r.amount, r.parts]), want.map((r) => [r.part, Number(r.amount), 100]));
  }
  await Promise.all(Array.from({ length: 20 }, (_, i) => api.get(`/v1/regions/${"abcd"[i % 4]}/best?most=${1 + (i % 5)}`).expect(200)));
  await api.get("/v1/regions/b/best?most=51").expect(400, { "details.0.code": "range" });
  assert.equal((await api.get("/v1/regions/nowhere/best").expect(200)).json.data.length, 0);
  assert.equal((await api.sql("select count(*)::int as n from pg_class where relname in ('mine', 'top') and relpersistence = 't'"))[0].n, 0);
  const document = (await api.get("/openapi.json")).json.paths["/v1/regions/{region}/best"].get;
  assert.deepEqual(document.parameters.map((p) => [p.name, p.in]), [["region", "path"], ["most", "query"]]);
  assert.deepEqual(document.responses["200"].content["application/json"].schema.properties.data.items.properties.parts.type, ["integer", "null"]);
});

test("a script that writes is one transaction: all of it or nothing", async (t) => {
  const api = await stage(t);
  await api.post("/v1/restock", { weight: 1.5, note: "new", amount: 5 }).expect(200).expectBody({ parts: 3, sales: 3 });
  assert.equal((await api.sql("select name from part where id = 2"))[0].name, "part 2 (new)");
  await api.post("/v1/restock", { weight: 2, note: "never", amount: 123456789.5 }).expect(422); // the third statement refuses it: numeric(10, 2)
  assert.equal((await api.sql("select count(*)::int as n from part where name like '%never%'"))[0].n, 0);
  await api.post("/v1/restock", { weight: 2 }).expect(422, { "details.0.code": "required" });
});

test("explain marks fenced and inlined CTEs, with both timings", async (t) => {
  const api = await stage(t);
  const explain = async (...words) => JSON.parse((await lintel(["explain", ...words, "--json", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } })).stdout);
  const planned = await explain("--route", "GET /v1/heavy_twice");
  assert.deepEqual(planned.ctes, [{ name: "big", fence: "inlined" }, { name: "small", fence: "fenced" }]);
  const run = await explain("--route", "GET /v1/heavy_twice", "--analyze");
  for (const cte of run.ctes) assert.ok(cte.fenced_ms > 0 && cte.inlined_ms > 0, JSON.stringify(cte));
  const tree = await explain("--route", "GET /v1/parts/4/tree", "--analyze");
  assert.deepEqual(tree.ctes, [{ name: "t", fence: "recursive, so fenced" }]);
  const script = await explain("--route", "GET /v1/regions/b/best", "--analyze");
  assert.ok(JSON.stringify(script.plan).includes('"relation":"top"'));
  assert.equal((await api.sql("select count(*)::int as n from pg_class where relname in ('mine', 'top') and relpersistence = 't'"))[0].n, 0);
});

test("explain runs nothing of a script that writes", async (t) => {
  const api = await stage(t);
  const got = await lintel(["explain", "--route", "POST /v1/restock", "--param", "weight=1.5", "--param", "note=x", "--param", "amount=1", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(got.code, 2);
  assert.match(got.stderr, /script that writes/);
  assert.equal((await api.sql("select last_value::int as n from sale_id_seq"))[0].n, 30000, "not even a sequence has moved");
});

test("a statement of a script whose table is missing closes the route and heals", async (t) => {
  const api = await serve(t, { sql: SQL, config: { schema_poll: "200ms" }, app: { "queries/late.sql": "/* access: public */ create temp table s on commit drop as select a from public.later; select count(*) as n from s" } });
  await api.get("/v1/late").expect(503, { error_code: "schema.not_ready" });
  await api.sql("create table later (a integer); insert into later values (1), (2); grant select on later to app");
  await eventually(async () => (await api.get("/v1/late")).status === 200);
  await api.get("/v1/late").expect(200).expectBody({ data: [{ n: 2 }] });
});
