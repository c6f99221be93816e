// What the early experiments (bench/experiments) decided must hold. Here without a clock: by order, and by what PostgreSQL counts.
import { Client, assert, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";

test("slow and locked statements hold up nobody else", async (t) => {
  const sql = `CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL); INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 1000) n;
    CREATE VIEW slow AS SELECT id, pg_sleep(6)::text AS nap FROM item WHERE id = 5; CREATE TABLE hot (id integer PRIMARY KEY, n integer NOT NULL); INSERT INTO hot VALUES (1, 0), (2, 0);`;
  const api = await serve(t, {
    sql, words: ["--cores", "2"], config: { pools: { max: 24 } },
    app: { "resources/item.yaml": "table: public.item\naccess: public\n", "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n", "resources/hot.yaml": "table: public.hot\naccess: public\noperations: [get, update]\n" },
  });
  const locker = await api.postgres.connect(api.database);
  await locker.query("BEGIN; SELECT * FROM hot WHERE id = 1 FOR UPDATE");
  let ended = 0;
  const others = [...Array.from({ length: 4 }, () => new Client(api.base).get("/v1/slow/5").expect(200)), ...Array.from({ length: 4 }, (_, i) => new Client(api.base).patch("/v1/hot/1", { n: i }).expect(200))]
    .map((request) => request.then((reply) => { ended++; return reply; }));
  await sleep(100);
  await Promise.all(Array.from({ length: 16 }, async (_, c) => {
    const client = new Client(api.base);
    for (let i = 0; i < 25; i++) {
      const id = 1 + ((c * 25 + i) % 1000);
      assert.equal((await client.get(`/v1/item/${id}`).expect(200)).json.name, `item ${id}`);
    }
    await client.patch("/v1/hot/2", { n: c }).expect(200);
    client.close();
  }));
  assert.equal(ended, 0, "416 requests were answered while eight others waited");
  await locker.query("COMMIT");
  await locker.end();
  await Promise.all(others);
});

test("a tenant with many rows warms the plans; one with five is not made to read them", async (t) => {
  const sql = `CREATE TABLE doc (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id text NOT NULL, title text NOT NULL, made timestamptz NOT NULL);
    INSERT INTO doc (tenant_id, title, made) SELECT CASE WHEN n <= 5 THEN 'small' ELSE 'large' END, 'doc ' || n, timestamptz '2024-01-01' + n * interval '1 second' FROM generate_series(1, 60000) n;
    CREATE INDEX ON doc (tenant_id, made, id); CREATE INDEX ON doc (made, id); ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON doc USING (tenant_id = nullif(current_setting('lintel.tenant_id', true), '')); ANALYZE doc;`;
  const postgres = await startPostgres({ own: true, t, settings: { shared_preload_libraries: "pg_stat_statements" } });
  const api = await serve(t, { postgres, sql: `${sql} CREATE EXTENSION pg_stat_statements;`, app: { "resources/doc.yaml": "table: public.doc\naccess: public\ntenant: {setting: lintel.tenant_id, header: X-Tenant}\norder: [made.desc, id.desc]\n" } });
  const as = (tenant) => api.with({ "X-Tenant": tenant });
  const asks = ["/v1/doc?limit=20", "/v1/doc?limit=20&count=exact", "/v1/doc?limit=7&order=title"];
  for (let i = 0; i < 30; i++) for (const path of asks.slice(0, 2)) await as("large").get(path).expect(200, { data: (data) => data.length === 20 });
  for (const path of asks) await as("large").get(path).expect(200);
  await api.sql("SELECT pg_stat_statements_reset()");
  for (let i = 0; i < 30; i++) for (const path of asks) await as("small").get(path).expect(200, { data: (data) => data.length === 5 && data.every((row) => row.tenant_id === "small") });
  const [{ calls, pages }] = await api.sql("SELECT sum(calls)::int AS calls, sum(shared_blks_hit + shared_blks_read)::int AS pages FROM pg_stat_statements WHERE query LIKE '%doc%' AND userid = 'app'::regrole");
  t.diagnostic(`${calls} statements of the small tenant touched ${pages} pages`);
  assert.ok(calls >= 120 && pages / calls < 50, `${calls} statements for five rows each touched ${pages} pages`);
  await api.get("/v1/doc").expect(400, { message: /X-Tenant/ });
  await as("nobody").get("/v1/doc").expect(200, { data: [] });
});
