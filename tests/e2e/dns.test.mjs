// The name service goes away while the database is well: connections are made again, to the addresses known.
import { assert, eventually, serve, startPostgres, test } from "../lib/lintel.mjs";
import { proxyOf } from "../lib/proxy.mjs";

const sql = "CREATE TABLE thing (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO thing VALUES (7, 'lamp')";
const app = { "resources/thing.yaml": "table: public.thing\naccess: public\n" };

/** A server that knows its database by name, reached over TCP; inject decides what the name service does. */
async function named(t, { inject, pools }) {
  const postgres = await startPostgres();
  const proxy = await proxyOf(t, postgres);
  const database = await postgres.database(sql);
  const url = proxy.url(database).replace("127.0.0.1", "localhost");
  assert.match(url, /localhost/);
  return { proxy, api: await serve(t, { postgres, database, url, app, env: { LINTEL_INJECT: inject }, words: ["--cores", "1"], config: { pools: { max: 8, lanes: 2, ...pools } } }) };
}

test("names that were resolved are used on while the name service fails", async (t) => {
  const { api, proxy } = await named(t, { inject: "pg.resolve:4+", pools: { dns_ttl: "0s" } });
  for (let round = 0; round < 3; round++) {
    await proxy.cut?.();
    await api.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND datname = current_database()");
    await eventually(async () => (await api.get("/v1/thing/7")).status === 200);
  }
  const metrics = await api.metrics();
  assert.ok(metrics("lintel_pools_stale_addresses_total") > 0);
  await api.get("/readyz").expect(200);
});

test("while an answer is fresh the name service is not asked", async (t) => {
  const { api } = await named(t, { inject: "pg.resolve:6+", pools: { dns_ttl: "1h", dns_stale: "0s" } });
  await api.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND datname = current_database()");
  await eventually(async () => (await api.get("/v1/thing/7")).status === 200);
  assert.equal((await api.metrics())("lintel_pools_stale_addresses_total"), 0);
});
