// 39. CTEs: a .sql endpoint of any shape, typed by PostgreSQL; a recursion that cannot run away; which CTEs are fenced and what that costs;
// scripts that stage in temporary tables; which are computed again and again for the same result, and the materialized view that spares it.
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
  assert.deepEqual(paths["/v1/parts/{id}/tree"].get.parameters.filter((p) => p.name).map((p) => [p.name, p.schema.type]), [["id", "integer"]], "the guard is ours, not the client's");
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
  assert.deepEqual(document.parameters.filter((p) => p.name).map((p) => [p.name, p.in]), [["region", "path"], ["most", "query"]]);
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

// ---- the same result, again and again ----

const SALES = `
create table sale (id serial primary key, part integer, region text, amount numeric(10, 2));
insert into sale (part, region, amount) select n % 400, chr(97 + n % 4), n % 97 from generate_series(1, 150000) n;
create table node (id integer primary key, above integer); insert into node select n, nullif(n / 3, 0) from generate_series(1, 30000) n;
create index on node (above);
create table tick (n integer); insert into tick values (0);
create table hidden (region text); insert into hidden select chr(97 + n) from generate_series(0, 3) n;
alter table hidden enable row level security; create policy all_of_it on hidden using (true);
analyze;`;
const BIG = "big as (select region, part, sum(amount) as amount, count(*) as sales from public.sale group by region, part)";
const HEADS = {
  best: "/* access: public */",
  tree: "/* access: public\n   depth: 20 */",
  within: "/* route: GET /v1/within/{region}\n   access: public */",
  moving: "/* access: public\n   result: one */",
  secured: "/* access: public */",
  cheap: "/* access: public */",
  dear: "/* access: public */",
};
const STATEMENTS = {
  best: `with most as (select max(part) as part from public.sale), ${BIG}
select region, part, amount from big where amount >= :least and part <= (select part from most) order by amount desc, part, region limit 7`,
  tree: `with recursive t as (select id, 0 as depth, lpad(id::text, 6) as path from public.node where above is null
  union all select n.id, t.depth + 1, t.path || lpad(n.id::text, 6) from public.node n join t on n.above = t.id where t.depth < :depth)
select depth, count(*) as nodes, max(path) as last, max(depth) over () as deepest from t group by depth order by nodes desc`,
  within: "with mine as (select part, sum(amount) as amount from public.sale where region = :region group by part) select part, amount from mine order by amount desc, part limit 3",
  moving: "with a as (select sum(amount) as amount from public.sale) select amount + (select n from public.tick) as amount from a",
  secured: "with a as (select s.region, sum(s.amount) as amount from public.sale s join public.hidden h on h.region = s.region group by s.region) select region, amount from a order by region",
  dear: "with dear as materialized (select id, region, md5(repeat(region, 200) || id) as mark from public.sale where amount > 60) select id, mark from dear where region = :region order by mark, id limit 3",
  cheap: "with a as (select n from public.tick) select n from a",
};
const recurring = async (api) => {
  const run = await lintel(["doctor", "recurring", "--app", api.dir, "--json"]);
  assert.ok(run.code <= 1, run.stderr);
  const said = JSON.parse(run.stdout);
  assert.equal(run.code === 1, said.found);
  return { ...said, of: (file) => said.routes.find((r) => r.file === `queries/${file}.sql`) };
};
const selling = (t, query = {}) => serve(t, {
  sql: SALES,
  app: Object.fromEntries(Object.keys(HEADS).map((name) => [`queries/${name}.sql`, `${HEADS[name]}\n${STATEMENTS[name]}`])),
  config: { cores: 2, schema_poll: "200ms", query },
});
async function reload(api) {
  const before = api.lines.length;
  api.signal("SIGHUP");
  await eventually(() => api.lines.slice(before).some((line) => line.event === "snapshot"));
}
/** What the doctor prints, run as the tables' owner would; then the statement that reads the view, in the place of the file's. */
async function obey(api, name, view, head) {
  for (const statement of [view.create, view.index, view.grant]) await api.sql(statement);
  api.write(`queries/${name}.sql`, `${head}\n${view.statement}`);
  await reload(api);
}

test("what is computed again and again for the same result is told, with the view that spares it; what changes each time is not", { timeoutMs: 120000 }, async (t) => {
  const api = await selling(t);
  assert.equal((await recurring(api)).verdict, "ok", "nothing was called yet");
  for (let i = 0; i < 40; i++) {
    await Promise.all([api.get(`/v1/best?least=${i % 2 ? 10 : 30000}`).expect(200), api.get("/v1/tree").expect(200), api.get(`/v1/within/${"ab"[i % 2]}`).expect(200), api.get("/v1/secured").expect(200), api.get("/v1/cheap").expect(200), api.get("/v1/dear?region=b").expect(200)]);
    await api.get("/v1/moving").expect(200);
    await api.sql("update tick set n = n + 1");
  }
  await api.sql("vacuum tick");
  const said = await recurring(api);
  assert.equal(said.verdict, "found");

  const moving = said.of("moving");
  assert.equal(moving.state, "changes", said.text);
  assert.ok(moving.changed >= 30 && moving.changed === moving.compared && moving.view === null && moving.refresh_every_s === null, JSON.stringify(moving));
  assert.notEqual(said.of("cheap").state, "recurs", said.text);

  const within = said.of("within");
  assert.equal(within.state, "recurs", said.text);
  assert.match(within.blocked, /^mine depends on the parameter :region/);
  assert.equal(within.view, null);
  assert.match(said.of("secured").blocked, /hidden has row security/);

  const best = said.of("best");
  assert.equal(best.state, "recurs", said.text);
  assert.equal(best.calls, 40);
  assert.ok(best.compared >= 20 && best.changed === 0 && best.changes === 0 && best.between_s === null && best.ms >= 5, JSON.stringify(best));
  assert.ok(best.refresh_every_s >= 1 && best.refresh_time_share < best.time_share, JSON.stringify(best));
  assert.deepEqual([best.view.cte, best.view.key], ["big", "group"]);
  assert.match(best.view.index, /\("region", "part"\)$/);
  assert.match(said.text, /no change was seen: refresh when data was loaded, or every \d+ s/);

  const tree = said.of("tree");
  assert.deepEqual([tree.state, tree.view.cte, tree.view.key], ["recurs", null, "row_number"], said.text);
  assert.match(tree.view.notes, /Take `depth` out/);

  const dear = said.of("dear");
  assert.deepEqual([dear.state, dear.view?.cte, dear.view?.key], ["recurs", "dear", "primary"], said.text);
  assert.match(dear.view.index, /\("id"\)$/);

  // As printed, on the PostgreSQL that is there: it works, the rows are equal, and a route that reads the view answers the same.
  const before = { best: (await api.get("/v1/best?least=10")).json, tree: (await api.get("/v1/tree")).json };
  await obey(api, "best", best.view, HEADS.best);
  await obey(api, "tree", tree.view, "/* access: public */");
  for (const statement of [dear.view.create, dear.view.index, dear.view.refresh]) await api.sql(statement);
  assert.deepEqual(await api.sql(dear.view.statement.replaceAll(":region", "'b'")), await api.sql(STATEMENTS.dear.replaceAll(":region", "'b'")));
  const written = STATEMENTS.best.replaceAll(":least", "10");
  assert.deepEqual(await api.sql(best.view.statement.replaceAll(":least", "10")), await api.sql(written));
  assert.deepEqual(await api.sql(tree.view.statement), await api.sql(STATEMENTS.tree.replaceAll(":depth", "21")));
  assert.deepEqual((await api.get("/v1/best?least=10").expect(200)).json, before.best);
  assert.deepEqual((await api.get("/v1/tree").expect(200)).json, before.tree);
  await api.sql("insert into sale (part, region, amount) select 7, 'c', 1000 from generate_series(1, 50); delete from node where id > 29000");
  for (const { view } of [best, tree]) await api.sql(view.refresh);
  assert.deepEqual(await api.sql(best.view.statement.replaceAll(":least", "10")), await api.sql(written));
  assert.deepEqual(await api.sql(tree.view.statement), await api.sql(STATEMENTS.tree.replaceAll(":depth", "21")));
  assert.notDeepEqual((await api.get("/v1/best?least=10").expect(200)).json, before.best);

  const people = await lintel(["doctor", "recurring", "--app", api.dir]);
  assert.equal(people.code, 1);
  assert.match(people.stdout, /GET \/v1\/within\/\{region\} .*\n.* can't be a materialized view as it stands: mine depends on the parameter :region/s);
});

test("a change now and then sets the pace of refreshing; the counts outlast a new snapshot", { timeoutMs: 120000 }, async (t) => {
  const api = await selling(t);
  for (let i = 0; i < 60; i++) {
    await api.get("/v1/moving").expect(200);
    if (i === 20 || i === 40) await api.sql("update tick set n = n + 1");
    if (i === 30) {
      await api.sql("create table other (n integer)");
      await reload(api);
    }
  }
  const moving = (await recurring(api)).of("moving");
  assert.equal(moving.calls, 60);
  assert.equal(moving.state, "recurs", JSON.stringify(moving));
  assert.ok(moving.changes >= 1 && moving.changes <= 2 && moving.changed <= 4, JSON.stringify(moving)); // at most each change once a core
  assert.ok(Math.abs(moving.between_s - moving.watched_s / moving.changes) < 0.01 && moving.refresh_every_s >= 1);
});

test("it can be switched off, and looked at now and then only", async (t) => {
  const off = await selling(t, { recurring_every: 0 });
  for (let i = 0; i < 3; i++) await off.get("/v1/cheap").expect(200);
  const said = await recurring(off);
  assert.deepEqual([said.verdict, said.routes.length], ["off", 0]);
  const some = await selling(t, { recurring_every: 10 });
  for (let i = 0; i < 60; i++) await some.get("/v1/cheap").expect(200);
  const cheap = (await recurring(some)).of("cheap");
  assert.equal(cheap.calls, 60);
  assert.ok(cheap.compared >= 3 && cheap.compared <= 6 && cheap.state === "few", JSON.stringify(cheap));
});
