import { assert, eventually, lintel, serve, test } from "/work/wt/insight/tests/lib/lintel.mjs";
import { SHOP, SHOP_APP } from "/work/wt/insight/tests/lib/databases.mjs";
import { Load } from "../lib/load.mjs";
test("x", async (t) => {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP, config: { advise: { window: "2s", database_every: "1s" } } });
  const load = new Load(t, api, (c, n) => c.get(n % 5 ? "/v1/customer" : "/v1/article/1"));
  await new Promise((ok) => setTimeout(ok, 4000));
  const all = await lintel(["doctor", "--app", api.dir]);
  console.log(all.code, all.stdout, all.stderr);
  for (const l of (await lintel(["doctor", "--app", api.dir, "--json"])).stdout.trim().split("\n")) { JSON.parse(l); }
  console.log((await api.metrics()).text.split("\n").filter(l=>/scale|lintel_database/.test(l)).join("\n"));
});
