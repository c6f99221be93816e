// 67. Migrations broke endpoints: an endpoint knows which schema it needs, by its statement and by what it says, and is gated by itself (or
// another serves) until the connected database has it; the rest of the API never notices, and everything heals by itself.
//
// partly: a flag that waits for its schema on every node needs other nodes
import { readFileSync } from "node:fs";
import { SLOWNESS, TOP, assert, eventually, lintel, serve, sleep, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";

const SQL = `
CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, price numeric(8, 2));
INSERT INTO item SELECT n, 'item ' || n, n * 1.5 FROM generate_series(1, 200) n;
CREATE TABLE steady (id integer PRIMARY KEY, word text); INSERT INTO steady SELECT n, 'w' || n FROM generate_series(1, 50) n;`;
const APP = {
  "resources/steady.yaml": "table: public.steady\naccess: public\n",
  "resources/item.yaml": "table: public.item\naccess: public\n",
  "resources/review.yaml": "table: public.review\naccess: public\n",
  "queries/rated.sql": "/* access: public */ select id, rating from public.item where rating > 3",
  "queries/hidden_need.sql": "/* access: public\n   requires:\n     public.item: [rating, name]\n     public.review: */ select count(*) as n from public.item",
  "queries/cheap.sql": "/* access: public\n   fallback: cheap_before */ select id, name, discount from public.item where id <= :most::int order by id",
  "queries/cheap_before.sql": "select id, name, null::numeric as discount from public.item where id <= :most::int order by id",
};
const stage = (t, config = {}, app = APP) => serve(t, { sql: SQL, app, config: { schema_poll: "200ms", ...config } });
const grants = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app";

test("a missing table or column closes that one route with 503 schema.not_ready; the others serve; /readyz says which, and stays yes", async (t) => {
  const api = await stage(t);
  for (const path of ["/v1/rated", "/v1/hidden_need", "/v1/review"]) await api.get(path).expect(503, { error_code: "schema.not_ready", "Retry-After": /^\d+$/, message: (m) => !/rating|relation/.test(m) });
  await api.get("/v1/steady").expect(200);
  await api.get("/v1/item?limit=1").expect(200);
  const names = (reply) => reply.json.routes_not_ready.map((r) => r.route).sort();
  const ready = await api.get("/readyz").expect(200, { "checks.routes": true });
  for (const route of ["GET /v1/hidden_need", "GET /v1/rated", "GET /v1/review"]) assert.ok(names(ready).includes(route), route);
  assert.ok(!names(ready).some((name) => /steady|item$|cheap/.test(name)));
  assert.ok(ready.json.routes_not_ready.every((r) => !("lacks" in r)), "what is lacking is the operator's business");
  const inside = await api.admin.get("/readyz").expect(200);
  assert.match(inside.json.routes_not_ready.find((r) => r.route === "GET /v1/rated").lacks, /column "rating" does not exist/);
  assert.match(inside.json.routes_not_ready.find((r) => r.route === "GET /v1/hidden_need").lacks, /public\.(item|review) does not exist/);
  assert.match((await api.admin.get("/metrics")).text, /lintel_http_routes_not_ready\S* \d/);
});

test("it heals by itself when the database has it, and closes again when it goes", async (t) => {
  const api = await stage(t);
  await api.sql(`ALTER TABLE item ADD COLUMN rating integer; UPDATE item SET rating = id % 6; CREATE TABLE review (id integer PRIMARY KEY); ${grants}`);
  await eventually(async () => (await api.get("/v1/rated")).status === 200 && (await api.get("/v1/hidden_need")).status === 200 && (await api.get("/v1/review")).status === 200);
  await api.get("/readyz").expect(200, { routes_not_ready: undefined });
  await api.sql("ALTER TABLE item DROP COLUMN rating");
  await api.get("/v1/rated").expect(503, { error_code: "schema.not_ready", "Retry-After": /^\d+$/ }); // at once, before anything polled
  await eventually(async () => (await api.get("/readyz")).json.routes_not_ready?.length === 2); // rated, and what requires it without using it
  await api.get("/v1/steady").expect(200);
});

test("a fallback serves until the schema is there, and at once when it goes", async (t) => {
  const api = await stage(t);
  await api.get("/v1/cheap?most=2").expect(200).expectBody({ data: [{ id: 1, name: "item 1", discount: null }, { id: 2, name: "item 2", discount: null }] });
  await api.get("/v1/cheap_before?most=2").expect(404);
  await api.sql("ALTER TABLE item ADD COLUMN discount numeric(4, 2) DEFAULT 0.25");
  await eventually(async () => (await api.get("/v1/cheap?most=1")).json.data[0].discount === 0.25);
  await api.sql("ALTER TABLE item DROP COLUMN discount");
  await api.get("/v1/cheap?most=1").expect(200).expectBody({ data: [{ id: 1, name: "item 1", discount: null }] });
});

test("readiness can be made to depend on routes: all, or those that matter", async (t) => {
  const some = await stage(t, { observe: { ready_requires: "GET /v1/steady, GET /v1/cheap" } });
  await some.get("/readyz").expect(200);
  const strict = await serve(t, { sql: SQL, app: APP, ready: false, config: { schema_poll: "200ms", observe: { ready_requires: "GET /v1/rated" } } });
  await eventually(async () => (await strict.get("/readyz").catch(() => ({}))).json?.checks?.schema === true);
  await strict.get("/readyz").expect(503, { "checks.routes": false, "checks.database": true });
  await strict.get("/livez").expect(200);
  await strict.sql("ALTER TABLE item ADD COLUMN rating integer");
  await eventually(async () => (await strict.get("/readyz")).status === 200);
});

test("DDL under live traffic: columns added, dropped, renamed and retyped; no 500, no torn answer, no wrong value", async (t) => {
  const api = await stage(t);
  const bad = [];
  // A statement that waited for a rewriting ALTER TABLE with a snapshot from before sees an empty table: PostgreSQL's documented caveat (13.6).
  let rewriting = false;
  const look = async (client, path) => {
    const before = rewriting;
    const reply = await client.get(path);
    if (reply.status === 404 && path === "/v1/item/7" && (before || rewriting)) return reply;
    if (![200, 503].includes(reply.status)) bad.push(`${path}: ${reply.status} ${reply.text.slice(0, 200)}`);
    if (reply.status === 503 && reply.json.error_code !== "schema.not_ready") bad.push(`${path}: ${reply.text.slice(0, 200)}`);
    if (reply.status === 200) for (const row of reply.json.data ?? [reply.json]) if ("price" in row && ![null, "number", "string"].includes(row.price === null ? null : typeof row.price)) bad.push(`${path}: ${JSON.stringify(row)}`);
    return reply;
  };
  const paths = ["/v1/item?limit=5&order=id", "/v1/item/7", "/v1/cheap?most=3", "/v1/rated", "/v1/steady?limit=3", "/v1/steady/3"];
  let turn = 0;
  const load = new Load(t, api, (client) => look(client, paths[turn++ % paths.length]), { clients: 8 });
  const ddl = ["ADD COLUMN rating integer DEFAULT 5", "ADD COLUMN discount numeric(4, 2) DEFAULT 0.5", "ALTER COLUMN price TYPE text USING 'about ' || price", "DROP COLUMN rating",
    "ALTER COLUMN price TYPE numeric(8, 2) USING substr(price, 7)::numeric", "RENAME COLUMN name TO title", "DROP COLUMN discount", "RENAME COLUMN title TO name", "ADD COLUMN rating text", "ALTER COLUMN rating TYPE integer USING rating::integer"];
  for (let round = 0; round < 2; round++) {
    for (const change of ddl) {
      rewriting = /TYPE/.test(change);
      await api.sql(`ALTER TABLE item ${change}`);
      await sleep(120 * SLOWNESS);
      rewriting = false;
    }
    await api.sql("ALTER TABLE item DROP COLUMN rating");
  }
  await load.stop();
  t.diagnostic(JSON.stringify(load.outcomes));
  assert.deepEqual([...new Set(bad)], []);
  assert.deepEqual(load.records.filter((record) => record.error).map((record) => String(record.error)), [], "every answer is whole and is JSON");
  await eventually(async () => (await api.get("/v1/cheap?most=1")).status === 200 && (await api.get("/v1/item/7")).status === 200);
});

test("check says what is missing as warnings, and a fallback that is not there as an error", async (t) => {
  const api = await stage(t);
  api.write("queries/lost.sql", "/* access: public\n   fallback: nowhere */ select a from public.gone");
  const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(checked.code, 1);
  assert.match(checked.stdout, /queries\/rated\.sql:1:4: warning: column "rating" does not exist; \/v1\/rated answers 503/);
  assert.match(checked.stdout, /queries\/hidden_need\.sql:1:4: warning: column rating of relation public\.item does not exist/);
  assert.match(checked.stdout, /queries\/lost\.sql:1:4: error: fallback: there is no other file queries\/nowhere\.sql/);
  assert.doesNotMatch(checked.stdout, /cheap_before/);
});

test("a server whose endpoints are not there yet stops the rollout at the first pod, and the old ones serve on", async (t) => {
  // What the manifests ask of one pod before the next is touched: ready for minReadySeconds. A route that matters may be part of that.
  const { parseAllDocuments } = await import("yaml");
  const [{ spec }] = parseAllDocuments(readFileSync(`${TOP}/deploy/kubernetes/lintel.yaml`, "utf8")).map((doc) => doc.toJS());
  assert.deepEqual(spec.strategy, { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
  const { path } = spec.template.spec.containers[0].readinessProbe.httpGet;
  const old = await stage(t, {}, { "resources/item.yaml": APP["resources/item.yaml"] });
  const fresh = await serve(t, { postgres: old.postgres, database: old.database, app: APP, ready: false, config: { schema_poll: "200ms", observe: { ready_requires: "GET /v1/rated" } } });
  await eventually(async () => (await fresh.get(path).catch(() => ({}))).json?.checks?.schema === true);
  for (const until = Date.now() + 1000; Date.now() < until; await sleep(50)) {
    await fresh.get(path).expect(503); // never ready: progressDeadlineSeconds calls the rollout failed
    await old.get("/v1/item/7").expect(200); // maxUnavailable: 0
  }
  await old.sql("ALTER TABLE item ADD COLUMN rating integer DEFAULT 5");
  await eventually(async () => (await fresh.get(path)).status === 200); // the migration came: the rollout goes on by itself
  await fresh.get("/v1/rated").expect(200);
});
