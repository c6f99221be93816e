// PostgreSQL failing over: a standby by streaming replication takes the place of the primary, and the server finds it by itself.
import { Client, SLOWNESS, assert, eventually, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { standbyOf } from "../lib/replica.mjs";

const LEDGER = "CREATE TABLE entry (id bigint PRIMARY KEY, note text NOT NULL); INSERT INTO entry SELECT -n, 'old ' || n FROM generate_series(1, 100) n";
const APP = { "resources/entry.yaml": "table: public.entry\naccess: public\noperations: [list, get, create, update, delete]\n" };
const RECOVERY_MS = 2000;

const mixed = (client, number) => (number % 2 ? client.get(`/v1/entry/-${1 + (number % 100)}`) : client.post("/v1/entry", { id: number + 1, note: `n${number}` }));
const hosts = (database, servers, more = "") => `postgresql://app@/${database}?host=${servers.map((server) => server.sockets).join(",")}${more}`;

/** A primary whose commits wait for its standby, so that what was confirmed is there after the failover. */
async function pair(t) {
  const primary = await startPostgres({ own: true, t, settings: { synchronous_commit: "on" } });
  const database = await primary.database(LEDGER);
  const standby = await standbyOf(t, primary);
  await primary.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
  await primary.query("postgres", "SELECT pg_reload_conf()");
  await eventually(async () => (await primary.query("postgres", "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'")).length === 1);
  return { primary, standby, database };
}

for (const [how, gone] of [["is killed", (pg) => pg.kill()], ["is stopped", (pg) => pg.stop("fast")]]) {
  test(`the primary ${how}, its standby is promoted: sound errors meanwhile, then well again within two seconds`, async (t) => {
    const { primary, standby, database } = await pair(t);
    const api = await serve(t, { postgres: primary, database, url: hosts(database, [primary, standby], "&target_session_attrs=read-write"), app: APP });
    const load = new Load(t, api, mixed, { clients: 6 });
    await load.well(100);
    await gone(primary);
    await sleep(300); // the time that a manager takes to decide
    await standby.promote();
    const promoted = Date.now();
    await eventually(() => {
      const lately = load.records.filter((record) => record.at >= Math.max(promoted, Date.now() - 100));
      return lately.length > 4 && lately.every((record) => record.status < 300) && lately.some((record) => record.number % 2 === 0);
    }, { withinMs: RECOVERY_MS, everyMs: 10 });
    t.diagnostic(`well again ${Date.now() - promoted} ms after the promotion`);
    await load.well(50);
    await load.stop();
    t.diagnostic(JSON.stringify(load.outcomes));
    const there = new Map((await standby.query(database, "SELECT id::int, count(*)::int AS n FROM entry WHERE id > 0 GROUP BY id")).map((row) => [row.id, row.n]));
    for (const record of load.records) {
      assert.ok(!record.error, `${record.number}: ${record.error?.message}`);
      assert.ok(record.status < 300 || ["database.unavailable", "outcome_unknown"].includes(record.code), `${record.number}: ${record.status} ${record.reply.text}`);
      assert.ok(record.tookMs < 4000 * SLOWNESS, `${record.number} took ${record.tookMs} ms`);
      if (record.number % 2) continue;
      if (record.status === 201) assert.equal(there.get(record.number + 1), 1, `${record.number}: a success is on the new primary`);
      if (record.code === "database.unavailable") assert.ok(!there.has(record.number + 1), `${record.number}: refused, and yet there`);
    }
    for (let i = 0; i < 4; i++) await new Client(api.base).get("/readyz").expect(200);
  });
}

test("on a standby reads are served and writes told that it is read-only; after its promotion they work, without a restart", async (t) => {
  const { primary, standby, database } = await pair(t);
  const api = await serve(t, { postgres: standby, database, url: hosts(database, [standby]), app: APP });
  for (let i = 0; i < 8; i++) {
    await api.get("/v1/entry/-7").expect(200, { note: "old 7" });
    await api.get("/v1/entry?order=id&limit=3").expect(200);
    for (const ask of [() => api.post("/v1/entry", { id: 1 + i, note: "n" }), () => api.patch("/v1/entry/-7", { note: "n" }), () => api.delete("/v1/entry/-7")]) await ask().expect(503, { error_code: "database.read_only", "Retry-After": /^\d+$/ });
  }
  await api.get("/readyz").expect(200);
  await primary.kill();
  await standby.promote();
  await eventually(async () => (await api.post("/v1/entry", { id: 100, note: "n" })).status === 201, { withinMs: RECOVERY_MS });
  await api.get("/v1/entry/100").expect(200, { note: "n" });
  await api.patch("/v1/entry/-7", { note: "new" }).expect(200);
  assert.deepEqual(await api.sql("SELECT count(*)::int AS n FROM entry WHERE id > 0"), [{ n: 1 }]);
});

test("no server of the list may be written to: refused at once as unavailable, and found when one may", async (t) => {
  const { primary, standby, database } = await pair(t);
  await primary.kill();
  const api = await serve(t, { postgres: standby, database, url: hosts(database, [primary, standby], "&target_session_attrs=read-write"), app: APP, ready: false });
  await eventually(async () => (await api.get("/livez")).status === 200);
  await api.get("/v1/entry/-7").expect(503);
  await api.get("/readyz").expect(503);
  await standby.promote();
  await eventually(async () => (await api.get("/v1/entry/-7")).status === 200, { withinMs: 4000 });
  await api.post("/v1/entry", { id: 1, note: "n" }).expect(201);
});
