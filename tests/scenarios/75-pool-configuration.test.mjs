// 75. Pool configuration: every parameter, and limits changed under load without a failed request.
import { readFileSync } from "node:fs";
import { assert, eventually, lintel, serve, test, TOP } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";

const sql = "CREATE TABLE item (id int PRIMARY KEY, name text); INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 1000) n";
const app = { "resources/item.yaml": "access: public\noperations: [get, list, update]\n" };
const ctl = (api, ...words) => lintel(["ctl", "--app", api.dir, "--json", ...words]);
const connections = async (api) => (await api.sql(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app'`))[0].n;

test("the pool grows, shrinks and recycles under load, and no request fails", { timeoutMs: 90000 }, async (t) => {
  const api = await serve(t, { sql, app, config: { pools: { max: 12, lanes: 2 } } });
  const load = new Load(t, api, (client, number) => (number % 4 ? client.get(`/v1/item/${1 + (number % 1000)}`) : client.patch(`/v1/item/${1 + (number % 1000)}`, { name: `n${number}` })), { clients: 12, pauseMs: 1 });
  await load.well(100, 20000);
  const set = async (...words) => { const { code, stdout, stderr } = await ctl(api, "pool", "set", ...words); assert.equal(code, 0, stderr); await load.well(100, 20000); return JSON.parse(stdout); };
  const grown = await set("max=24", "lanes=6");
  assert.equal(grown.allowed, 24);
  assert.equal(grown.limits.lanes, "6");
  await eventually(async () => (await connections(api)) > 12, { withinMs: 15000 }); // more than were allowed before
  assert.equal((await api.metrics())("lintel_pools_max"), 24);
  await set("queries_max=200");
  await eventually(async () => (await api.metrics())("lintel_pools_recycled_total") >= 3, { withinMs: 20000 });
  await set("max=6", "lanes=1", "queries_max=0", "acquire_timeout=10s");
  await eventually(async () => (await connections(api)) <= 6, { withinMs: 20000 });
  await load.well(100, 20000);
  await load.stop();
  assert.deepEqual(Object.keys(load.outcomes), ["200"], JSON.stringify(load.outcomes));
});

test("what is out of range, too much for the server, or not to be changed is refused with the reason, and nothing changes", async (t) => {
  const api = await serve(t, { sql, app });
  const before = JSON.parse((await ctl(api, "pool")).stdout);
  for (const [words, why] of [
    [["max=1"], /max must be 2\.\.10000/], [["max=9999"], /more than the server has/], [["lanes=0"], /lanes must be/], [["lanes"], /lanes=VALUE/], [["lane=3"], /no pools\.lane/],
    [["reserve=1"], /read at the start only/], [["acquire_timeout=soon"], /acquire_timeout/], [["lanes=3", "max=3"], /at least 4/],
  ]) {
    const { code, stderr } = await ctl(api, "pool", "set", ...words);
    assert.equal(code, 1, words.join(" "));
    assert.match(stderr, why, words.join(" "));
  }
  assert.equal((await ctl(api, "pool", "sett", "max=9")).code, 1);
  assert.deepEqual(JSON.parse((await ctl(api, "pool")).stdout).limits, before.limits);
});

test("the alert that is shipped speaks of metrics that are there", async (t) => {
  const api = await serve(t, { sql, app });
  const text = readFileSync(`${TOP}/docs/overload.md`, "utf8");
  const names = [...text.matchAll(/lintel_(?:pools|admit)_[a-z_]+/g)].map((match) => match[0]);
  assert.ok(names.length > 5);
  const metrics = (await api.metrics()).text;
  for (const name of new Set(names)) assert.ok(metrics.includes(name.replace(/_total$/, "")), name);
});
