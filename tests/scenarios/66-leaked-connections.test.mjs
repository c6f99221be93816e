// 66. Leaked connections: impossible by construction. Here every step of every path is made to fail in turn, and each time the pool, the
// descriptors and PostgreSQL's own list of sessions return to where they began.
import { assert, eventually, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { arm, atRest as restored, disarm, held } from "../lib/inject.mjs";
import { proxyOf } from "../lib/proxy.mjs";

const SQL = `CREATE TABLE entry (id integer PRIMARY KEY, note text NOT NULL CHECK (note <> 'no'), parent_id integer REFERENCES entry DEFERRABLE INITIALLY DEFERRED);
  INSERT INTO entry SELECT n, 'entry ' || n FROM generate_series(1, 3000) n;
  CREATE TABLE plain (id integer PRIMARY KEY, note text NOT NULL UNIQUE); INSERT INTO plain SELECT n, 'plain ' || n FROM generate_series(1, 100) n;
  CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(3)::text AS nap; CREATE VIEW broken AS SELECT n AS id, 1 / (n - 2000) AS value FROM generate_series(1, 3000) n;`;
const rw = "access: public\noperations: [list, get, create, update, replace, delete]\n";
const APP = {
  "resources/entry.yaml": `table: public.entry\n${rw}limits: {page_max: 5000}\n`, "resources/plain.yaml": `table: public.plain\n${rw}`,
  "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n", "resources/broken.yaml": "table: public.broken\naccess: public\nkey: [id]\nlimits: {page_max: 5000}\n",
};

/** Who holds what, from inside and from PostgreSQL's side. */
async function census(api) {
  const value = await api.metrics();
  const [db] = await api.sql(`SELECT count(*)::int AS sessions, count(*) FILTER (WHERE state LIKE 'idle in transaction%')::int AS in_transaction, count(*) FILTER (WHERE state = 'active')::int AS active
    FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app'`);
  return {
    inFlight: value("lintel_pools_in_flight"), waiting: value("lintel_pools_waiting"), connections: value("lintel_pools_lanes") + value("lintel_pools_writers") + value("lintel_pools_sessions"),
    requests: value("lintel_http_requests_in_flight"), fibers: value("lintel_core_fibers"), descriptors: value("process_open_fds"), clients: value("lintel_http_connections_open"), ...db,
  };
}
/** Until nothing is held that was not held before; connections themselves may be kept, but no more than the pool may. */
async function atRest(api, before, max) {
  let now;
  await eventually(async () => {
    now = await census(api);
    return now.inFlight === 0 && now.waiting === 0 && now.requests <= 1 && now.in_transaction === 0 && now.active === 0 && now.fibers <= before.fibers + 1 && now.connections <= max && now.sessions <= max
      && now.descriptors - now.connections - now.clients <= before.descriptors - before.connections - before.clients + 2;
  }, { withinMs: 5000 }).catch((error) => { throw new Error(`${error.message}\nbefore ${JSON.stringify(before)}\nnow    ${JSON.stringify(now)}`); });
  return now;
}

const PATHS = [
  ["read one", (api) => api.get("/v1/plain/1")], ["read none", (api) => api.get("/v1/plain/0")], ["list", (api) => api.get("/v1/plain?limit=50&count=exact")], ["stream", (api) => api.get("/v1/entry?limit=3000")],
  ["stream that breaks", (api) => api.get("/v1/broken?limit=3000")], ["write", (api, n) => api.post("/v1/plain", { id: 10000 + n, note: `w${n}` })], ["refused write", (api) => api.post("/v1/plain", { id: 1, note: "again" })],
  ["write on a session", (api, n) => api.post("/v1/entry", { id: 10000 + n, note: "w" })], ["refused at commit", (api, n) => api.post("/v1/entry", { id: 20000 + n, note: "w", parent_id: -1 })],
  ["update", (api, n) => api.patch("/v1/plain/2", { note: `u${n}` })], ["delete none", (api) => api.delete("/v1/plain/0")],
];
const CLEAN = new Set([200, 201, 204, 404, 409, 422, 403, 503, 504, 500]);

test("every path fails at every step that speaks to PostgreSQL; the pool returns to its level", async (t) => {
  const postgres = await startPostgres();
  const database = await postgres.database(SQL);
  let failures = 0;
  for (const point of ["pg.send", "pg.receive", "pg.connect"]) {
    // The k-th pass fails, for many k: each path is walked while the passes go by. The first ones belong to the start.
    const list = Array.from({ length: 30 }, (_, k) => `${point}:${point === "pg.connect" ? 4 + 2 * k : 60 + 5 * k}`).join(",");
    const api = await serve(t, { postgres, database, app: APP, env: { LINTEL_INJECT: list }, config: { pools: { max: 8 } }, words: ["--cores", "1"] });
    const before = await census(api);
    for (let n = 0; n < 6; n++) {
      for (const [name, ask] of PATHS) {
        const reply = await ask(api, Math.floor(Math.random() * 1e6)).then((r) => r, (error) => ({ error }));
        if (reply.error) { assert.match(String(reply.error.code), /CUT|ECONNRESET/, `${point}, ${name}: ${reply.error.message}`); failures++; continue; }
        assert.ok(CLEAN.has(reply.status), `${point}, ${name}: ${reply.status}`);
        if (reply.status === 503) failures++;
        if (reply.status === 500) assert.match(name, /breaks/, reply.text);
      }
    }
    t.diagnostic(`${point}: ${JSON.stringify(await atRest(api, before, 8))}`);
    await api.get("/v1/plain/1").expect(200);
    await api.stop();
  }
  assert.ok(failures > 5, `${failures} requests met a planted failure`);
});

test("every wait of every path is ended, by its deadline, by cancellation, by a lost connection; the level returns each time", { timeoutMs: 120000 }, async (t) => {
  const api = await serve(t, { sql: SQL, app: APP, env: { LINTEL_INJECT: "" }, config: { pools: { max: 8 }, schema_poll: "1h" }, words: ["--cores", "1"] });
  let n = 0;
  for (let i = 0; i < 8; i++) for (const [, ask] of PATHS) await ask(api, ++n).catch(() => {});
  const client = api.with({ Connection: "close" });
  const before = await held(api);
  for (const point of ["fiber.deadline", "fiber.cancel", "fiber.late", "fiber.wake", "pg.send", "pg.receive", "pg.commit.lost"]) {
    const outcomes = {};
    for (const [name, ask] of PATHS) {
      for (let pass = 1, hit = 1; hit; pass++) {
        assert.ok(pass < 200, `${point}, ${name}: passed without end`);
        await arm(api, `${point}:${pass}`);
        const reply = await ask(client, ++n).then((r) => r, (error) => ({ error }));
        ({ hit } = await disarm(api, point));
        const outcome = reply.error ? "broken" : reply.json?.error_code ?? String(reply.status);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        assert.match(outcome, reply.error ? /broken/ : reply.status === 500 ? /./ : /^(20\d|not_found|conflict|constraint|validation|timeout|shutting_down|outcome_unknown|database\.)/, `${point}:${pass}, ${name}: ${outcome}`);
        if (reply.status === 500) assert.match(name, /breaks/, reply.text);
      }
      await restored(api, before, `${point}, ${name}`);
    }
    t.diagnostic(`${point}: ${JSON.stringify(outcomes)}`);
  }
  await api.get("/v1/plain/1").expect(200);
});

test("clients that leave at every moment take nothing with them", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP, config: { pools: { max: 8 } } });
  for (const [, ask] of PATHS) await ask(api, 1).catch(() => {});
  const before = await census(api);
  const asks = ["GET /v1/plain/1", "GET /v1/entry?limit=3000", "GET /v1/slow", "GET /v1/broken?limit=3000", "GET /v1/plain?limit=50&count=exact"];
  for (let i = 0; i < 150; i++) {
    const wire = await api.wire();
    const target = asks[i % asks.length];
    if (i % 7 === 6) await wire.send(`POST /v1/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n${'{"id":1,"note":"again"}'.slice(0, i % 24)}`);
    else await wire.send(`${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    if (i % 3) await sleep(i % 12);
    i % 2 ? wire.reset() : wire.close();
  }
  t.diagnostic(JSON.stringify(await atRest(api, before, 8)));
  await api.get("/v1/plain/1").expect(200);
  await api.post("/v1/plain", { id: 777777, note: "after" }).expect(201);
});

test("deadlines that pass at every moment leave nothing behind", async (t) => {
  const postgres = await startPostgres();
  const proxy = await proxyOf(t, postgres);
  const database = await postgres.database(SQL);
  const api = await serve(t, { postgres, database, url: proxy.url(database), app: APP, config: { http: { request_timeout: "150ms" }, pools: { max: 8 } } });
  Object.assign(api, { database });
  for (const [, ask] of PATHS) await ask(api, 2).catch(() => {});
  const before = await census(api);
  for (let i = 0; i < 25; i++) {
    const asked = PATHS.map(([, ask], j) => ask(api, 1000 + i * 20 + j).then((r) => r.status, (error) => error.code));
    await sleep(i % 5);
    proxy.hold();
    await sleep(60 + (i % 3) * 60);
    proxy.release();
    for (const outcome of await Promise.all(asked)) assert.ok(/CUT|ECONNRESET/.test(outcome) || CLEAN.has(outcome), String(outcome));
  }
  t.diagnostic(JSON.stringify(await atRest(api, before, 8)));
});

test("what a trigger does to its connection does not reach the next request", async (t) => {
  const sql = `CREATE TABLE leaky (id integer PRIMARY KEY, note text, at timestamptz NOT NULL DEFAULT '2024-01-01 12:00:00+00');
    CREATE FUNCTION leak() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM set_config(new.note, ''Asia/Tokyo'', false); RETURN new; END';
    CREATE TRIGGER leak BEFORE INSERT ON leaky FOR EACH ROW WHEN (new.note = 'TimeZone') EXECUTE FUNCTION leak();`;
  const api = await serve(t, { sql, app: { "resources/leaky.yaml": `table: public.leaky\n${rw}` }, words: ["--cores", "1"], config: { pools: { max: 4 } } });
  for (let i = 0; i < 30; i++) {
    await api.post("/v1/leaky", { id: i, note: i % 3 === 0 ? "TimeZone" : "nothing" }).expect(201);
    await api.get(`/v1/leaky/${i}`).expect(200, { at: "2024-01-01T12:00:00+00:00" });
    await api.get("/v1/leaky?limit=5").expect(200, { data: (data) => data.every((row) => row.at.endsWith("+00:00")) });
  }
});
