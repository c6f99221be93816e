// What the early experiments (bench/experiments) decided must hold. Here without a clock: by order, and by what PostgreSQL counts.
import { Client, assert, eventually, serve, sleep, test } from "../lib/lintel.mjs";

test("slow and locked statements hold up nobody else", async (t) => {
  const sql = `CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL); INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 1000) n;
    CREATE VIEW slow AS SELECT id, pg_sleep(1.5)::text AS nap FROM item WHERE id = 5; CREATE TABLE hot (id integer PRIMARY KEY, n integer NOT NULL); INSERT INTO hot VALUES (1, 0), (2, 0);`;
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
  const api = await serve(t, { sql, app: { "resources/doc.yaml": "table: public.doc\naccess: public\ntenant: {setting: lintel.tenant_id, header: X-Tenant}\norder: [made.desc, id.desc]\n" } });
  const as = (tenant) => api.with({ "X-Tenant": tenant });
  const asks = ["/v1/doc?limit=20", "/v1/doc?limit=20&count=exact", "/v1/doc?limit=7&order=title"];
  const read = async () => (await api.sql("SELECT (seq_tup_read + idx_tup_fetch)::int AS n FROM pg_stat_user_tables WHERE relname = 'doc'"))[0].n;
  for (let i = 0; i < 30; i++) for (const path of asks.slice(0, 2)) await as("large").get(path).expect(200, { data: (data) => data.length === 20 });
  await sleep(1200); // PostgreSQL tells its counts once a second
  for (const path of asks) await as("large").get(path).expect(200);
  let before = -1;
  await eventually(async () => { const now = await read(); const still = now === before; before = now; return still; }, { everyMs: 700 });
  for (let i = 0; i < 30; i++) for (const path of asks) await as("small").get(path).expect(200, { data: (data) => data.length === 5 && data.every((row) => row.tenant_id === "small") });
  await sleep(1200);
  for (let i = 0; i < 8; i++) await as("small").get(asks[0]).expect(200); // so that each connection tells
  await eventually(async () => (await read()) - before > 150);
  await sleep(300);
  assert.ok((await read()) - before < 60000, `98 lists of five rows read ${(await read()) - before}`);
  await api.get("/v1/doc").expect(400, { message: /X-Tenant/ });
  await as("nobody").get("/v1/doc").expect(200, { data: [] });
});
