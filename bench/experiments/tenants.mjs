// Row-level security and plans: a tenant with 990,000 rows warms every plan there is, then one with five rows asks for its list. A plan
// made for the large one would read a million rows for the small one. Prints how long the small one's first and later lists take.
import { performance } from "node:perf_hooks";
import { staged } from "./stage.mjs";

const ROWS = Number(process.argv[2] ?? 990000);
await staged({
  sql: `CREATE TABLE doc (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id text NOT NULL, title text NOT NULL, made timestamptz NOT NULL);
    INSERT INTO doc (tenant_id, title, made) SELECT CASE WHEN n <= 5 THEN 'small' ELSE 'large' END, 'doc ' || n, now() - n * interval '1 second' FROM generate_series(1, ${ROWS + 5}) n;
    CREATE INDEX ON doc (tenant_id, made, id); CREATE INDEX ON doc (made, id); ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON doc USING (tenant_id = nullif(current_setting('lintel.tenant_id', true), '')); ANALYZE doc;`,
  app: { "resources/doc.yaml": "table: public.doc\naccess: public\ntenant: {setting: lintel.tenant_id, header: X-Tenant}\norder: [made.desc, id.desc]\n" },
}, async (api) => {
  const list = async (tenant) => {
    const started = performance.now();
    const reply = await api.get("/v1/doc?limit=20", { "X-Tenant": tenant }).expect(200);
    return { rows: reply.json.data.length, ms: performance.now() - started };
  };
  for (let i = 0; i < 300; i++) await list("large");
  const small = [];
  for (let i = 0; i < 50; i++) small.push(await list("small"));
  for (let i = 0; i < 100; i++) { await list("large"); small.push(await list("small")); }
  const times = small.map((one) => one.ms).sort((a, b) => a - b);
  console.log(`the small tenant's list after the large one's: ${small[0].rows} rows, first ${small[0].ms.toFixed(2)} ms, median ${times[75].toFixed(2)} ms, slowest ${times.at(-1).toFixed(2)} ms (wanted: below 5)`);
});
