// 72. Memory growth: arenas a request, capped caches; what is held at rest does not depend on what was served. The long run is
// tests/soak/soak.mjs (`make test-deep`: 30 minutes, less than 1 MiB after the warm-up).
//
// partly: heap profiles on demand and on schedule, alerts for RSS slope, object age and the restart saw-tooth, `doctor` naming an owner come with observability
import { assert, eventually, serve, SLOWNESS, test } from "../lib/lintel.mjs";

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
    now = { fibers: metrics("lintel_core_fibers"), inFlight: metrics("lintel_pools_in_flight"), requests: metrics("lintel_http_requests_in_flight"), fds: api.descriptors() };
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
