// 42. Pool parameters: min, max, idle, lifetime, acquire, query timeouts; a semaphore and a timeout for each route; limits for writes of
// their own; what does not fit the server is refused at the start.
import { assert, Client, eventually, freePort, folder, lintel, LINTEL, serve, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { startPgbouncer } from "../lib/pgbouncer.mjs";

const nap = (extra = "") => ({ "queries/nap.sql": `/* access: public\n   ${extra}\n   params: {s: {default: 0}} */\nselect 'slept' as nap from pg_sleep(:s::float8)\n` });
const connections = async (api) => (await api.sql(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app'`))[0].n;
const many = (api, count, ask) => Promise.all(Array.from({ length: count }, () => { const client = new Client(api.base); return ask(client).then((reply) => { client.close(); return reply; }); }));

test("lanes are the least that is open, max is the most, and what rests too long is closed", async (t) => {
  const api = await serve(t, { app: nap(), config: { pools: { lanes: 2, max: 7, idle_timeout: "300ms" }, admit: { adapt: false } }, words: ["--cores", "1"] });
  await eventually(async () => (await connections(api)) === 3); // two lanes, one writer
  const asked = many(api, 12, (client) => client.get("/v1/nap?s=0.5"));
  await eventually(async () => (await connections(api)) >= 5);
  assert.ok((await connections(api)) <= 7);
  await asked;
  await eventually(async () => (await connections(api)) === 3);
});

test("a connection lives so long and no longer, and serves so many and no more", async (t) => {
  const api = await serve(t, { app: nap(), config: { pools: { lanes: 1, lifetime: "1s" } }, words: ["--cores", "1"] });
  const pids = async () => new Set((await api.sql(`SELECT pid FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app'`)).map((row) => row.pid));
  const before = await pids();
  await eventually(async () => { await api.get("/v1/nap").expect(200); return ![...(await pids())].some((pid) => before.has(pid)); }, { withinMs: 10000 });
  await api.stop();
  const other = await serve(t, { app: nap(), config: { pools: { lanes: 1, queries_max: 40 } }, words: ["--cores", "1"] });
  for (let i = 0; i < 120; i++) await other.get("/v1/nap").expect(200);
  assert.ok((await other.metrics())("lintel_pools_recycled_total") >= 1);
});

test("a route's timeout ends its query and nobody else's", async (t) => {
  const api = await serve(t, { app: { ...nap("timeout: 300ms"), "queries/patient.sql": "/* access: public */\nselect 'ok' as nap from pg_sleep(0.8)\n" } });
  const patient = api.get("/v1/patient").then((reply) => reply); // sent now
  await new Client(api.base).get("/v1/nap?s=5").expect(504);
  assert.equal((await patient).status, 200);
  await eventually(async () => (await api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep($1%' AND pid <> pg_backend_pid()"))[0].n === 0);
});

test("writes may be kept to few connections: reads find one all the while", async (t) => {
  const sql = "CREATE TABLE hot (id int PRIMARY KEY, n int); INSERT INTO hot VALUES (1, 0)";
  const api = await serve(t, { sql, app: { ...nap(), "resources/hot.yaml": "access: public\noperations: [get, update]\n" }, config: { pools: { max: 6, lanes: 1, writers_max: 2, acquire_timeout: "20s" }, admit: { adapt: false } }, words: ["--cores", "1"] });
  for (let i = 0; i < 10; i++) await api.patch("/v1/hot/1", { n: i }).expect(200); // earns its place on writers
  const locker = await api.postgres.connect(api.database);
  await locker.query("BEGIN; SELECT * FROM hot FOR UPDATE");
  const writes = many(api, 12, (client) => client.patch("/v1/hot/1", { n: 5 }));
  await eventually(async () => (await api.metrics())("lintel_pools_in_flight") >= 2);
  for (let i = 0; i < 20; i++) await api.get("/v1/hot/1").expect(200);
  assert.ok((await api.metrics())("lintel_pools_writers") <= 2);
  await locker.query("COMMIT");
  await locker.end();
  assert.ok((await writes).every((reply) => reply.status === 200));
});

test("what not even one connection a core on every node fits into is refused at the start, with the sum", async (t) => {
  const postgres = await startPostgres();
  const database = await postgres.database("");
  t.after?.(() => postgres.dropDatabase(database));
  const dir = folder(t, { "lintel.yaml": `admin: 127.0.0.1:${await freePort()}\npools: {nodes: 5000}\n` });
  const { code, stderr } = await lintel(["serve", dir, "--listen", `127.0.0.1:${await freePort()}`, "--cores", "2"], { env: { LINTEL_DATABASE_URL: postgres.url(database) } });
  assert.equal(code, 3, stderr);
  assert.match(stderr, /2 cores on 5000 nodes need at least 10000 connections/);
});

test("behind PgBouncer, which is noticed, statements travel unnamed; pools.max counts connections to it, its servers stay few", async (t) => {
  const postgres = await startPostgres();
  const database = await postgres.database("CREATE TABLE thing (id int PRIMARY KEY, n int); INSERT INTO thing SELECT n, n FROM generate_series(1, 100) n");
  const bouncer = await startPgbouncer(t, postgres, { default_pool_size: 3 });
  const api = await serve(t, { postgres, database, url: bouncer.url(database), app: { ...nap(), "resources/thing.yaml": "access: public\noperations: [list, get, update]\n" }, config: { pools: { max: 250 } } });
  assert.equal(await api.logged({ event: "pgbouncer_mode" }).then((line) => line.why), "the connection's process id is not the server's");
  const load = new Load(t, api, (client, number) => (number % 3 ? client.get(`/v1/thing/${1 + (number % 100)}`) : client.patch(`/v1/thing/${1 + (number % 100)}`, { n: number })), { clients: 16 });
  await load.well(500, 20000);
  await load.stop();
  assert.deepEqual(Object.keys(load.outcomes), ["200"]);
  const value = await api.metrics();
  assert.equal(value("lintel_pools_prepared_total"), 0);
  assert.ok(value("lintel_pools_pooled") > 3, "connections to PgBouncer");
  assert.equal(value("lintel_pools_max"), 250); // more than this PostgreSQL has
  assert.ok((await connections(api)) <= 3, "connections to PostgreSQL");
});

test("`lintel doctor pool` judges the pool, and says how large it should be", async (t) => {
  const sql = "CREATE FUNCTION nap() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(0.02)::text'; CREATE VIEW napping AS SELECT 1 AS id, nap() AS nap";
  const api = await serve(t, { sql, app: { "resources/napping.yaml": "table: public.napping\naccess: public\nkey: [id]\n" }, config: { cores: 2, pools: { max: 4 }, advise: { window: "2s", database_every: "1s" } } });
  const load = new Load(t, api, (client) => client.get("/v1/napping"), { clients: 12, pauseMs: 0 });
  const said = await eventually(async () => {
    const { code, stdout, stderr } = await lintel(["doctor", "pool", "--app", api.dir, "--json"]);
    assert.ok(code <= 1, stderr);
    const answer = JSON.parse(stdout);
    return answer.verdict === "grow" && answer;
  }, { withinMs: 20000, everyMs: 500 });
  assert.ok(said.wanted > 4, said.text);
  await load.stop();
});
