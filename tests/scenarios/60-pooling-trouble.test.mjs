// 60. Pooling trouble: `lintel doctor pool` tells a pool that is too small from a query that holds connections too long, and names
// that query; the alerts on waits and on sessions idle in a transaction are tested with promtool (tests/e2e/alerts.test.mjs).
// Behind PgBouncer (transaction pooling) the same holds, and what waits inside it counts as the query's time.
import net from "node:net";
import { assert, Client, eventually, lintel, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { startPgbouncer } from "../lib/pgbouncer.mjs";

// `working` is too slow for a lane on any machine, so that requests wait for connections.
// How long the one query takes is a row of its own, so that it can become slow under the running server.
const SQL = `CREATE TABLE pace (ms double precision); INSERT INTO pace VALUES (20);
CREATE FUNCTION nap() RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT pg_sleep((SELECT ms FROM pace) / 1000)::text $$;
CREATE VIEW napping AS SELECT 1 AS id, nap() AS nap;
CREATE VIEW working AS SELECT 1 AS id, (SELECT count(*) FROM generate_series(1, 400000)) AS n;`;
const APP = { "resources/napping.yaml": "table: public.napping\naccess: public\nkey: [id]\n", "resources/working.yaml": "table: public.working\naccess: public\nkey: [id]\n" };

async function doctor(api, topic) {
  const run = await lintel(["doctor", topic, "--app", api.dir, "--json"]);
  assert.ok(run.code <= 1, run.stderr);
  return { code: run.code, ...JSON.parse(run.stdout) };
}
const start = (t, options = {}) => serve(t, { sql: SQL, app: APP, ...options, config: { cores: 2, pools: { max: 4 }, advise: { window: "2s", database_every: "1s" }, ...options.config } });

test("waits before an idle database, each hold as long as ever: grow the pool, to what Little's law says", async (t) => {
  const api = await start(t);
  const load = new Load(t, api, (client) => client.get("/v1/napping"), { clients: 12, pauseMs: 0 });
  const said = await eventually(async () => { const s = await doctor(api, "pool"); return s.verdict === "grow" && s; }, { withinMs: 20000, everyMs: 500 });
  assert.equal(said.code, 1);
  assert.ok(said.wanted > 4 && said.wanted < 40, said.text);
  assert.ok(said.facts.wait_p95_ms >= 5, said.text);
  assert.ok(said.facts.active < 2, said.text);
  assert.match(said.todo, /pools\.max/);
  assert.match(said.text, /^pool: grow\n/);
  const capacity = await doctor(api, "capacity");
  assert.equal(capacity.verdict, "code", capacity.text); // a setting, not a machine
  await load.stop();
});

test("the same wait, since the query got slower: fix the query, which is named", async (t) => {
  const api = await start(t);
  await api.sql("UPDATE pace SET ms = 2");
  const quick = new Load(t, api, (client) => client.get("/v1/napping"), { clients: 2, pauseMs: 5 });
  await quick.well(400, 20000);
  await sleep(2500); // past the window, it is what is usual
  await quick.stop();
  await api.sql("UPDATE pace SET ms = 60");
  const load = new Load(t, api, (client) => client.get("/v1/napping"), { clients: 12, pauseMs: 0 });
  const said = await eventually(async () => { const s = await doctor(api, "pool"); return s.verdict === "database" && s; }, { withinMs: 20000, everyMs: 500 });
  assert.equal(said.code, 1);
  assert.match(said.todo, /napping/);
  assert.match(said.todo, /GET \/v1\/napping/);
  assert.match(said.reason, /longer/);
  assert.ok(said.facts.query_ms > 2 * said.facts.query_before_ms, said.text);
  await eventually(async () => (await api.metrics())("lintel_scale_advice", { action: "database" }) === 1, { withinMs: 10000, everyMs: 200 });
  const value = await api.metrics();
  for (const action of ["none", "code", "replicas"]) assert.equal(value("lintel_scale_advice", { action }), 0);
  await load.stop();
});

test("more at work than the database has CPUs: fix the query, too", async (t) => {
  const api = await start(t, { config: { advise: { window: "2s", database_every: "1s", database_cores: 1 } } });
  const load = new Load(t, api, (client) => client.get("/v1/working"), { clients: 12, pauseMs: 0 });
  const said = await eventually(async () => { const s = await doctor(api, "pool"); return s.verdict === "database" && s; }, { withinMs: 20000, everyMs: 500 });
  assert.match(said.todo, /working/);
  assert.ok(said.facts.active > 1, said.text);
  await load.stop();
});

test("at ease nothing is found", async (t) => {
  const api = await start(t, { config: { pools: { max: 8 } } });
  for (let i = 0; i < 20; i++) await api.get("/v1/napping").expect(200);
  const said = await doctor(api, "pool");
  assert.equal(said.code, 0, said.text);
  assert.equal(said.found, false);
});

test("clients that leave give their connections back; all of them at once are still served afterwards", async (t) => {
  const api = await start(t);
  await api.sql("UPDATE pace SET ms = 5000");
  const sockets = await Promise.all(Array.from({ length: 8 }, () => new Promise((ok) => {
    const socket = net.connect(api.port, "127.0.0.1", () => { socket.write("GET /v1/napping HTTP/1.1\r\nHost: x\r\n\r\n"); ok(socket); });
  })));
  await eventually(async () => Number((await api.sql("SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%napping%' AND state = 'active' AND usename = 'app'"))[0].n) >= 1);
  await api.sql("UPDATE pace SET ms = 1");
  for (const socket of sockets) socket.destroy();
  await api.get("/v1/napping").expect(200); // long before the five seconds are over: what ran was cancelled
  await eventually(async () => (await api.metrics())("lintel_pools_cancels_total") >= 1);
});

test("a session that idles in a transaction is counted for the alert", async (t) => {
  const api = await start(t, { config: { pools: { max: 8 }, advise: { window: "2s", database_every: "1s" } } });
  await eventually(async () => (await api.metrics()).samples.some((s) => s.name === "lintel_database_backends" && s.labels.state === "idle_in_transaction"), { withinMs: 10000 });
  const seen = async () => (await api.metrics())("lintel_database_backends", { state: "idle_in_transaction" });
  assert.equal(await seen(), 0);
  const forgetful = await api.postgres.connect(api.database, "app");
  await forgetful.query("BEGIN");
  await eventually(async () => (await seen()) === 1, { withinMs: 10000 });
  const said = await doctor(api, "pool");
  assert.equal(said.facts.idle_in_transaction, 1);
  assert.match(said.todo, /idle in a transaction/);
  await forgetful.query("COMMIT");
  await forgetful.end();
  await eventually(async () => (await seen()) === 0, { withinMs: 10000 });
});

test("behind PgBouncer a pool that is too small is found all the same, and clients that leave give its servers back", async (t) => {
  const postgres = await startPostgres();
  const database = await postgres.database(SQL);
  const bouncer = await startPgbouncer(t, postgres, { default_pool_size: 4 });
  const api = await start(t, { sql: undefined, postgres, database, url: bouncer.url(database) });
  await api.sql("UPDATE pace SET ms = 20000"); // first: what has not been fast before has a connection of its own, and is cancelled
  const active = async () => Number((await api.sql("SELECT count(*) AS n FROM pg_stat_activity WHERE query LIKE '%napping%' AND state = 'active' AND usename = 'app'"))[0].n);
  const clients = Array.from({ length: 4 }, () => new Client(api.base));
  const asked = clients.map((client) => client.get("/v1/napping").then(() => {}, () => {}));
  await eventually(async () => (await active()) >= 1, { withinMs: 10000 });
  await api.sql("UPDATE pace SET ms = 20");
  for (const client of clients) client.close();
  await Promise.all(asked);
  await eventually(async () => (await active()) === 0, { withinMs: 10000 }); // long before the twenty seconds are over
  await api.get("/v1/napping").expect(200);
  const load = new Load(t, api, (client) => client.get("/v1/napping"), { clients: 12, pauseMs: 0 });
  const said = await eventually(async () => { const s = await doctor(api, "pool"); return s.verdict === "grow" && s; }, { withinMs: 20000, everyMs: 500 });
  assert.ok(said.wanted > 4, said.text);
  await load.stop();
  assert.ok((await bouncer.admin("SHOW POOLS")).some((pool) => pool.database === database));
});
