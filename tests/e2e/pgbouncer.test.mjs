// PgBouncer, transaction pooling, four servers, between Lintel and PostgreSQL: reads, writes, embeds, streams, scripts, errors, clients
// that leave, other clients of the same PgBouncer, and its restart under load. (Settings, tenants and locks: src/pg/test_pgbouncer.c.)
// Whole files of other tests run so with LINTEL_TEST_PGBOUNCER=1 in the environment.
import { Client, assert, eventually, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { startPgbouncer } from "../lib/pgbouncer.mjs";

const SQL = `CREATE TABLE author (id bigint PRIMARY KEY, name text NOT NULL UNIQUE);
  CREATE TABLE book (id bigint PRIMARY KEY, author_id bigint NOT NULL REFERENCES author, title text NOT NULL, at timestamptz NOT NULL DEFAULT '2024-05-01T12:00:00Z', lent interval DEFAULT '1 day 2 hours', cover bytea DEFAULT '\\x00ff');
  INSERT INTO author SELECT n, 'author ' || n FROM generate_series(1, 20) n;
  INSERT INTO book SELECT n, 1 + n % 20, 'book ' || n FROM generate_series(1, 3000) n;
  CREATE FUNCTION nap(seconds float) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN PERFORM pg_sleep(seconds); RETURN ''woke''; END';
  CREATE VIEW slower AS SELECT id, nap(20) AS nap FROM author WHERE id = 1;`;
// Nothing of the role's own settings may show in an answer.
const FOREIGN = (database) => `ALTER DATABASE ${database} SET TimeZone = 'Asia/Tokyo'; ALTER DATABASE ${database} SET DateStyle = 'German'; ALTER DATABASE ${database} SET IntervalStyle = 'sql_standard'; ALTER DATABASE ${database} SET bytea_output = 'escape'`;
const APP = {
  "resources/author.yaml": "table: public.author\naccess: public\noperations: [list, get, create, update, delete]\n",
  "resources/book.yaml": "table: public.book\naccess: public\noperations: [list, get, create, update, delete]\nlimits: {page_max: 5000}\n",
  "resources/slower.yaml": "table: public.slower\naccess: public\nkey: [id]\n",
  "queries/rename.sql": "/* route: POST /v1/rename\n   access: public\n   params: {id: {}, name: {}} */\ncreate temp table wish on commit drop as select :id::bigint as id, :name::text as name;\nupdate public.author a set name = w.name from wish w where w.id = a.id;\nselect a.id, a.name from public.author a where a.id = :id\n",
};

async function pooled(t, { bouncer: settings = {}, ...options } = {}) {
  const postgres = await startPostgres();
  const database = await postgres.database(SQL);
  await postgres.query("postgres", FOREIGN(database));
  const bouncer = await startPgbouncer(t, postgres, settings);
  const api = await serve(t, { app: APP, postgres, database, url: bouncer.url(database), ...options });
  return Object.assign(api, { bouncer });
}
const said = (api, event) => api.log.split("\n").filter((line) => line.includes(`"event":"${event}"`)).length;
const servers = async (api) => (await api.sql(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app'`))[0].n;

test("it is noticed, said and counted; and reads, writes, embeds, counts, streams, scripts and errors are as ever", async (t) => {
  const api = await pooled(t);
  assert.equal(said(api, "pgbouncer_mode"), 1);
  const value = await api.metrics();
  assert.ok(value("lintel_pools_pooled") > 0);
  for (let i = 0; i < 10; i++) { // until all have earned their lanes
    await api.get("/v1/book/7").expect(200, { id: 7, title: "book 7", at: "2024-05-01T12:00:00+00:00", lent: "P1DT2H", cover: "AP8=" });
    await api.get("/v1/book?select=id,author(name)&id=lt.4&order=id&count=exact").expect(200, { "data.2.author.name": "author 4", "page.count": 3 });
    await api.get("/v1/author?select=id,book(id)&id=eq.5").expect(200);
    await api.patch("/v1/author/3", { name: `name ${i}` }).expect(200, { name: `name ${i}` });
    await api.post("/v1/author", { id: 100 + i, name: `made ${i}` }).expect(201);
    await api.post("/v1/author", { id: 100 + i, name: "again" }).expect(409, { error_code: "conflict.unique" });
    await api.post("/v1/book", { id: 9000 + i, author_id: 5555, title: "x" }).expect(409, { error_code: "conflict.foreign_key" });
    await api.post("/v1/rename", { id: 2, name: `renamed ${i}` }).expect(200);
    await api.get("/v1/author/2").expect(200, { name: `renamed ${i}` });
    assert.equal((await api.get("/v1/book?limit=3000&order=id").expect(200)).json.data.length, 3000); // a stream
  }
  assert.equal((await api.metrics())("lintel_pools_prepared_total"), 0);
  assert.ok((await servers(api)) <= 4);
});

test("a table that changes is noticed behind it, too", async (t) => {
  const api = await pooled(t);
  for (let i = 0; i < 10; i++) await api.get("/v1/author/1").expect(200);
  await api.sql("ALTER TABLE author ADD COLUMN born int DEFAULT 1970; GRANT ALL ON author TO app");
  await eventually(async () => (await api.get("/v1/author/1").expect(200)).json.born === 1970, { withinMs: 20000 });
});

test("clients that leave are cancelled on its servers, and the four are free again", async (t) => {
  const api = await pooled(t);
  const napping = async () => (await api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%slower%' AND usename = 'app'"))[0].n;
  const clients = Array.from({ length: 4 }, () => new Client(api.base));
  const asked = clients.map((client) => client.get("/v1/slower").then(() => {}, () => {}));
  await eventually(async () => (await napping()) === 4, { withinMs: 10000 });
  for (const client of clients) client.close();
  await Promise.all(asked);
  await eventually(async () => (await napping()) === 0, { withinMs: 10000 });
  for (let i = 0; i < 20; i++) await api.get("/v1/book/1").expect(200);
  assert.ok((await api.metrics())("lintel_pools_cancels_total") >= 4);
});

test("64 connections at once: right answers; and another client finds the servers as it knows them", async (t) => {
  const api = await pooled(t);
  let stranger = true, looked = 0;
  const strange = (async () => {
    const client = await api.bouncer.connect(api.database);
    while (stranger) {
      const { rows } = await client.query("SELECT current_setting('TimeZone') AS zone, current_setting('IntervalStyle') AS style, current_setting('statement_timeout') AS patience, current_setting('transaction_read_only') AS reads, current_setting('transaction_isolation') AS level");
      assert.deepEqual(rows[0], { zone: "Asia/Tokyo", style: "sql_standard", patience: "0", reads: "off", level: "read committed" });
      looked++;
      await sleep(5);
    }
    await client.end();
  })();
  const load = new Load(t, api, (client, number) => number % 4 === 0 ? client.patch(`/v1/author/${1 + (number % 20)}`, { name: `n${number}` })
    : number % 4 === 1 ? client.get("/v1/book?select=id,author(name)&order=id&limit=5&count=exact") : client.get(`/v1/book/${1 + (number % 3000)}`), { clients: 64, pauseMs: 0 });
  await load.well(3000, 40000);
  await load.stop();
  stranger = false;
  await strange;
  assert.ok(looked > 10);
  for (const record of load.records) {
    assert.equal(record.status, 200, JSON.stringify(load.outcomes));
    if (record.number % 4 > 1) assert.equal(record.reply.json.id, 1 + (record.number % 3000));
  }
  assert.ok((await servers(api)) <= 5, "Lintel's four, and the stranger's is one of the same pool");
});

test("it is restarted and killed under load: clean refusals, then well again by itself", async (t) => {
  const api = await pooled(t);
  const load = new Load(t, api, (client, number) => number % 3 ? client.get(`/v1/book/${1 + (number % 3000)}`) : client.patch("/v1/author/1", { name: `n${number}` }), { clients: 16 });
  await load.well(200, 10000);
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    await api.bouncer.stop(signal);
    await sleep(300);
    await api.get("/livez").expect(200);
    await api.bouncer.start();
    await load.well(300, 15000);
  }
  await load.stop();
  for (const record of load.records) assert.ok(!record.error && (record.status === 200 || ["database.unavailable", "outcome_unknown"].includes(record.code)), JSON.stringify(load.outcomes));
});

test("PostgreSQL's max_connections does not bound who is behind PgBouncer; its max_client_conn is told as what it is", async (t) => {
  const api = await pooled(t, { config: { pools: { max: 250 } } });
  assert.equal((await api.metrics())("lintel_pools_max"), 250); // the tests' PostgreSQL has 200
  assert.equal(said(api, "pool_too_large"), 0);
  const tight = await pooled(t, { bouncer: { max_client_conn: 3 }, config: { pools: { max: 40 } }, words: ["--cores", "1"] });
  for (let i = 0; i < 10; i++) await tight.get("/v1/book/1").expect(200);
});

test("pools.pgbouncer: off is for a PgBouncer that pools sessions: statements are prepared there", async (t) => {
  const api = await pooled(t, { bouncer: { pool_mode: "session", default_pool_size: 30 }, config: { pools: { pgbouncer: "off", max: 16 } } });
  for (let i = 0; i < 10; i++) await api.get("/v1/book/7").expect(200, { at: "2024-05-01T12:00:00+00:00" });
  const value = await api.metrics();
  assert.equal(value("lintel_pools_pooled"), 0);
  assert.ok(value("lintel_pools_prepared_total") > 0);
  assert.equal(said(api, "pgbouncer_mode"), 0);
});
