// 72. Memory growth: arenas a request, capped caches; what is held at rest does not depend on what was served. A leak is named by its call
// site, what a request forgets to give back is counted and taken back. The long run is tests/soak/soak.mjs (`make test-deep`: 30 minutes,
// less than 1 MiB after the warm-up; then a leak is planted, and the doctor must name it).
import { assert, eventually, lintel, serve, SLOWNESS, sleep, test } from "../lib/lintel.mjs";
import { arm, ctl } from "../lib/inject.mjs";
import { Load } from "../lib/load.mjs";

const sql = "CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL); INSERT INTO item SELECT n, repeat('x', 200) || n FROM generate_series(1, 5000) n";
const app = { "resources/item.yaml": "table: public.item\naccess: public\noperations: [list, get, create]\nlimits: {page_max: 5000}\n" };
const SANITIZED = SLOWNESS > 1;

/** So many of each kind, and what is left. */
async function churn(api, rounds) {
  for (let i = 0; i < rounds; i++)
    await Promise.all(Array.from({ length: 20 }, (_, k) => {
      const n = i * 20 + k;
      return [
        () => api.get(`/v1/item/${1 + (n % 5000)}`).expect(200), () => api.get(`/v1/item?limit=${1 + (n % 100)}&id=gt.${n % 5000}`).expect(200),
        () => api.get(`/v1/item?name=like.*${n}*&limit=5`).expect(200), () => api.post("/v1/item", { id: 1, name: "" }).expect([409, 422]), () => api.get(`/v1/${n}`).expect(404),
      ][n % 5]();
    }));
}
async function atRest(api) {
  let now;
  await eventually(async () => {
    const metrics = await api.metrics();
    const kept = metrics("lintel_pools_lanes") + metrics("lintel_pools_writers") + metrics("lintel_pools_sessions") + metrics("lintel_http_connections_open"); // a pool grows as the machine is busy
    now = { fibers: metrics("lintel_core_fibers"), inFlight: metrics("lintel_pools_in_flight"), requests: metrics("lintel_http_requests_in_flight"), fds: api.descriptors() - kept };
    return now.inFlight === 0 && now.requests <= 1;
  });
  return now;
}

test("ten times the requests leave what one time left", { skip: SANITIZED && "sanitizers keep freed memory", timeoutMs: 120000 }, async (t) => {
  const api = await serve(t, { sql, app });
  await churn(api, 150);
  const [before, rss] = [await atRest(api), api.rss()];
  await churn(api, 1000);
  const after = await atRest(api), grown = api.rss() - rss;
  t.diagnostic(`${(grown / 1024).toFixed(0)} KiB after 20,000 requests; ${JSON.stringify(before)} ${JSON.stringify(after)}`);
  assert.ok(grown < 1 << 20, `${grown} bytes`);
  assert.ok(after.fibers <= before.fibers + 1 && after.fds <= before.fds + 4, JSON.stringify({ before, after }));
});

test("one answer of megabytes is not kept", { skip: SANITIZED && "sanitizers keep freed memory" }, async (t) => {
  const api = await serve(t, { sql, app });
  for (let i = 0; i < 5; i++) await api.get("/v1/item?limit=5000").expect(200);
  const rss = api.rss();
  for (let i = 0; i < 50; i++) await api.get("/v1/item?limit=5000").expect(200);
  assert.ok(api.rss() - rss < 4 << 20, `${api.rss() - rss} bytes`);
});

test("snapshots that were replaced are freed", { skip: SANITIZED && "sanitizers keep freed memory" }, async (t) => {
  const api = await serve(t, { sql, app });
  const reload = async (n) => {
    api.write("resources/item.yaml", `${app["resources/item.yaml"]}# ${n}\n`);
    const before = api.lines.filter((line) => line.event === "snapshot").length;
    api.signal("SIGHUP");
    await eventually(() => api.lines.filter((line) => line.event === "snapshot").length > before);
  };
  for (let n = 0; n < 10; n++) await reload(n);
  const rss = api.rss();
  for (let n = 10; n < 60; n++) await reload(n);
  assert.ok(api.rss() - rss < 1 << 20, `${api.rss() - rss} bytes in 50 reloads`);
});

// ---- who holds it ------------------------------------------------------------------------------------------------------------

const PROFILED = SANITIZED && "sanitizers stand before malloc themselves";
const watched = { advise: { window: "4s" }, memory: { sample_every: "32KiB" } };
async function doctor(api) {
  const run = await lintel(["doctor", "memory", "--app", api.dir, "--json"], { timeoutMs: 60000 });
  assert.ok(run.code <= 1, run.stderr);
  return { code: run.code, ...JSON.parse(run.stdout) };
}
const kinds = [(client, n) => client.get(`/v1/item/${1 + (n % 5000)}`).expect(200), (client, n) => client.get(`/v1/item?limit=${1 + (n % 50)}&id=gt.${n % 5000}`).expect(200), (client, n) => client.get(`/v1/${n}`).expect(404)];
const mixed = (t, api) => new Load(t, api, (client, n) => kinds[n % kinds.length](client, n), { clients: 8, pauseMs: 1 });

test("a leak of 4 KiB a request is named by its call site within seconds, and nothing is before or after it", { skip: PROFILED, timeoutMs: 180000 }, async (t) => {
  const api = await serve(t, { sql, app, config: watched, env: { LINTEL_INJECT: "" } });
  mixed(t, api);
  await eventually(async () => (await doctor(api)).verdict === "ok", { withinMs: 30000, everyMs: 500 }); // warm, and the window is whole
  for (let i = 0; i < 8; i++) {
    const said = await doctor(api);
    assert.ok(!said.found && said.code === 0 && said.owner === null, said.text);
    await sleep(500);
  }

  await arm(api, "kit.ask.leak");
  const said = await eventually(async () => { const now = await doctor(api); return now.found && now; }, { withinMs: 40000, everyMs: 300 });
  assert.equal(said.code, 1);
  assert.deepEqual([said.verdict, said.owner], ["leak", "planted_leak"], said.text);
  assert.match(said.reason, /GET \/v1\/item|several/);
  // Two of three requests ask the database, and leak; the window is short, and the profile an estimate.
  const each = said.grown_bytes / said.facts.requests;
  assert.ok(each > 500 && each < 8000, `${each} bytes a request\n${said.text}`);

  const heap = await ctl(api, "heap");
  const site = heap.sites.find(({ site }) => site === "planted_leak");
  assert.equal(heap.sites[0], site, "the most first");
  assert.ok(site.stack[0].startsWith("planted_leak+") && site.stack.some((frame) => frame.startsWith("http_serve+")), site.stack.join(" "));
  const ages = Object.values(site.ages).reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(Math.abs(ages - site.bytes) < 10, "the ages add up");
  assert.ok(site.oldest_s > 0.5);
  const { stdout } = await lintel(["ctl", "--app", api.dir, "heap", "--top", "1"]);
  assert.match(stdout, /^heap: .*MiB in/);
  assert.match(stdout, /planted_leak \(.*\) {2}< .*kit_ask/);

  await arm(api, "");
  await eventually(async () => (await doctor(api)).verdict === "ok", { withinMs: 30000, everyMs: 500 });
});

test("resident memory is what the rooms account for and a gap, and a leak widens the gap", { skip: PROFILED, timeoutMs: 120000 }, async (t) => {
  const api = await serve(t, { sql, app, config: watched, env: { LINTEL_INJECT: "" } });
  await churn(api, 100);
  const read = async () => { const value = await api.metrics(); return { value, gap: value("lintel_memory_gap_bytes"), accounted: value("lintel_memory_accounted_bytes"), resident: value("process_resident_memory_bytes") }; };
  const before = await eventually(async () => { const now = await read(); return now.gap > 0 && now; });
  for (const owner of ["arenas", "clients", "program", "malloc_free", "sending", "stacks"]) assert.ok(before.value("lintel_memory_accounted_bytes", { owner }) > 0, owner);
  assert.ok(Math.abs(before.accounted + before.gap - before.resident) < 8 << 20, JSON.stringify(before)); // of two moments
  await arm(api, "kit.ask.leak");
  await Promise.all(Array.from({ length: 20 }, async () => { for (let i = 0; i < 200; i++) await api.get("/v1/item/1").expect(200); })); // 16 MiB
  const after = await eventually(async () => { const now = await read(); return now.gap - before.gap > 12 << 20 && now; }, { withinMs: 10000 });
  assert.ok(after.accounted - before.accounted < 8 << 20, `${after.accounted - before.accounted} bytes`);
  assert.equal(after.value("lintel_memory_samples_lost"), 0);
});

test("on schedule the profile is a line of the log", { skip: PROFILED }, async (t) => {
  const api = await serve(t, { sql, app, config: { memory: { log_every: "1s", sample_every: "4KiB" } } });
  const [line] = await eventually(() => { const lines = api.lines.filter(({ event }) => event === "heap"); return lines.length && lines; }, { withinMs: 10000 });
  assert.ok(line.resident_bytes > line.gap_bytes && line.samples > 10 && line.sites.length >= 3, JSON.stringify(line));
  assert.ok(line.sites.every(({ site, bytes }) => site && bytes > 0));
  const off = await serve(t, { sql, app, config: { memory: { sample_every: 0 } } });
  const refused = await lintel(["ctl", "--app", off.dir, "heap"]);
  assert.ok(refused.code !== 0 && /memory\.sample_every is 0/.test(refused.stderr), refused.stderr);
});

test("the oldest request has an age", async (t) => {
  const api = await serve(t, { sql: `${sql}; CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(6)::text AS nap;`, app: { ...app, "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n" }, config: { http: { request_timeout: "60s" } } });
  const slow = api.get("/v1/slow/1").expect(200).then((reply) => reply);
  await eventually(async () => (await api.metrics())("lintel_memory_oldest_request_seconds") > 2, { withinMs: 6000 });
  await slow;
  await eventually(async () => (await api.metrics())("lintel_memory_oldest_request_seconds") < 1);
});

test("what a request still held at its end is counted by kind, logged by route and taken back", async (t) => {
  const api = await serve(t, { sql, app, env: { LINTEL_INJECT: "" }, config: { pools: { max: 4 } }, words: ["--cores", "1"] });
  await churn(api, 5);
  assert.equal((await api.metrics())("lintel_pools_left_open_total"), 0, "no handler of ours forgets anything");
  for (const [point, kind] of [["kit.ask.keep", "session"], ["kit.ask.cursor", "cursor"]]) {
    const before = await api.metrics();
    await arm(api, point);
    for (let n = 0; n < 12; n++) await api.get(`/v1/item/${1 + n}`).expect(200); // thrice what the pool has
    await arm(api, "");
    const after = await api.metrics();
    assert.equal(after("lintel_pools_left_open_total", { what: kind }) - before("lintel_pools_left_open_total", { what: kind }), 12, point);
    const line = api.lines.findLast(({ event }) => event === "request_left_open");
    assert.ok(line.route === "GET /v1/item/{id}" && line.sessions === 1 && line.cursors === (kind === "cursor" ? 1 : 0), JSON.stringify(line));
    await eventually(async () => (await atRest(api)).inFlight === 0);
    const [{ open }] = await api.sql(`SELECT count(*)::int AS open FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app' AND state LIKE 'idle in transaction%'`);
    assert.equal(open, 0, "no transaction stays behind");
  }
  await churn(api, 5);
});
