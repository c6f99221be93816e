// What an operator sees: probes, metrics, logs; and what must never be seen there.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { assert, eventually, serve, startPostgres, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP } from "../lib/databases.mjs";

const run = promisify(execFile);
const shop = (t, options = {}) => serve(t, { sql: SHOP, app: SHOP_APP, ...options });

async function promtool(text) {
  const child = run("promtool", ["check", "metrics"]);
  child.child.stdin.end(text);
  await child; // throws with its report when it finds an error
}

test("probes: alive without a database, ready only with it", async (t) => {
  const api = await shop(t);
  await api.get("/livez").expect(200, { status: "alive" });
  await api.get("/readyz").expect(200, { status: "ready", checks: { database: true, schema: true, accepting: true }, "Cache-Control": "no-store" });
  await api.head("/livez").expect(200);
  await api.admin.get("/livez").expect(200);
  await api.admin.get("/readyz").expect(200);
  await api.post("/livez", {}).expect(405);

  const orphan = await serve(t, { url: "postgresql://app@/nothing?host=/nowhere", app: SHOP_APP, ready: false });
  await eventually(async () => (await orphan.get("/livez")).status === 200);
  await orphan.get("/readyz").expect(503, { status: "not_ready", "checks.database": false });
  await orphan.get("/v1/customer").expect(503, { error_code: "database.unavailable", "Retry-After": /^\d+$/ });
  await orphan.get("/openapi.json").expect(200);
});

test("metrics pass promtool in both formats, and are on the admin door only", async (t) => {
  const api = await shop(t);
  for (const path of ["/v1/customer", "/v1/customer/1", "/v1/customer/99", "/v1/customer?x=eq.1", "/nowhere"]) await api.get(path);
  await api.post("/v1/customer", { name: "x", email: "x@y" }).expect(201);
  await api.get("/metrics").expect(404);
  await api.admin.get("/v1/customer").expect(404);
  const text = (await api.admin.get("/metrics").expect(200, { "Content-Type": /^text\/plain; version=0\.0\.4/ })).text;
  await promtool(text);
  const open = await api.admin.get("/metrics", { Accept: "application/openmetrics-text; version=1.0.0" }).expect(200, { "Content-Type": /^application\/openmetrics-text/ });
  assert.match(open.text, /\n# EOF\n$/);

  const value = await api.metrics();
  assert.equal(value("lintel_http_responses_total", { route: "/v1/customer/{id}", method: "GET", status: "2xx" }), 1);
  assert.equal(value("lintel_http_responses_total", { route: "/v1/customer/{id}", method: "GET", status: "4xx" }), 1);
  assert.equal(value("lintel_http_request_duration_seconds_count", { route: "/v1/customer/{id}" }), 2);
  assert.equal(value("lintel_http_responses_total", { route: "/v1/customer", method: "POST" }), 1);
  for (const name of ["lintel_http_connections_open", "lintel_http_requests_in_flight", "lintel_http_read_bytes_total", "lintel_http_written_bytes_total",
    "lintel_core_busy_seconds_total", "lintel_core_turn_longest_seconds", "lintel_pools_lanes", "lintel_pools_wait_seconds_count", "lintel_pools_hold_seconds_count",
    "lintel_http_request_database_seconds_count", "lintel_http_response_body_bytes_total", "process_resident_memory_bytes", "process_open_fds"]) {
    assert.ok(value.samples.some((sample) => sample.name === name), name);
  }
  assert.doesNotMatch(text, /Ann|example\.org|99"/, "no values");
});

test("every log line is JSON; a failed request's line carries the id that its client saw", async (t) => {
  const api = await shop(t, { config: { observe: { access_log: "all" } } });
  const id = "conversation-0001";
  await api.get("/v1/customer/1", { "X-Request-Id": id }).expect(200, { "X-Request-Id": id });
  const line = await api.logged((entry) => entry.correlation_id === id && entry.event === "request");
  assert.equal(line.status, 200);
  assert.match(line.route, /\/v1\/customer\/\{id\}/);
  assert.ok(line.duration_ms >= 0 && line.time && line.level);
  const made = await api.get("/nowhere").expect(404);
  assert.equal(made.header("x-request-id"), made.json.correlation_id);
  await api.logged({ correlation_id: made.json.correlation_id });
  for (const unsound of ["short", 'quote"quote', "x".repeat(200), "späces"]) {
    const reply = await api.get("/v1/customer/1", { "X-Request-Id": Buffer.from(unsound).toString("latin1") });
    assert.notEqual(reply.header("x-request-id"), unsound);
    assert.match(reply.header("x-request-id"), /^[\w.-]{8,128}$/);
  }
  for (const entry of api.lines) assert.ok(!("text" in entry), `not JSON: ${entry.text}`);
});

test("the root cause stands in the log under the correlation id, and never leaves", async (t) => {
  const api = await shop(t, { sql: `${SHOP} REVOKE ALL ON category FROM app; CREATE VIEW broken AS SELECT id, 1 / (id - 2) AS quotient FROM customer;`, grant: true,
    app: { ...SHOP_APP, "resources/broken.yaml": "table: public.broken\naccess: public\nkey: [id]\n" } });
  const reply = await api.get("/v1/broken");
  assert.ok(reply.status >= 400, reply.text);
  assert.doesNotMatch(reply.text, /division|SQLSTATE|22012|select|broken\b.*customer/i);
  const line = await api.logged((entry) => entry.correlation_id === reply.json.correlation_id && entry.cause);
  assert.match(line.cause, /22012/);
});

test("no secret, body or value reaches the log", async (t) => {
  const postgres = await startPostgres();
  const api = await shop(t, { postgres, config: { log_level: "debug", observe: { access_log: "all" } } });
  const canary = "canary-7f3a";
  await api.get(`/v1/customer?name=eq.${canary}`).expect(200);
  await api.get(`/v1/customer?email=in.(${canary},x)&or=(name.eq.${canary},name.eq.y)`).expect(200);
  await api.get(`/v1/article?price=eq.${canary}`).expect(400);
  await api.post("/v1/customer", { name: canary, email: canary }).expect(422);
  await api.post("/v1/customer", { name: canary, email: `${canary}@example.org` }).expect(201);
  await api.post("/v1/customer", { name: canary, email: `${canary}@example.org` }).expect(409);
  await api.post("/v1/article", `{"name":"${canary}`).expect(400);
  await api.get("/v1/customer", { Authorization: `Bearer ${canary}`, Cookie: canary }).expect(200);
  await api.get("/livez");
  assert.ok(!api.log.includes(canary), api.lines.map((line) => JSON.stringify(line)).find((line) => line.includes(canary)));
});

test("a slow request is counted and logged; it says how the time was spent", async (t) => {
  const api = await shop(t, { sql: `${SHOP} CREATE VIEW slow AS SELECT c.id, pg_sleep(0.15)::text AS nap FROM customer c WHERE c.id = 1;`, config: { observe: { slow: "100ms" } },
    app: { ...SHOP_APP, "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n" } });
  await api.get("/v1/slow?limit=1").expect(200);
  const line = await api.logged({ event: "request_slow" });
  assert.ok(line.db_ms >= 100 && line.duration_ms >= line.db_ms, JSON.stringify(line));
  assert.ok((await api.metrics())("lintel_http_requests_slow_total") >= 1);
});

test("the log can be read by people", async (t) => {
  const api = await shop(t, { config: { log_format: "human" } });
  await api.logged((entry) => /server_ready/.test(entry.text ?? ""));
});

test("a traceparent goes into the answer's log line; a broken one is ignored", async (t) => {
  const api = await shop(t, { config: { observe: { access_log: "all" } } });
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const reply = await api.get("/v1/customer/1", { traceparent: `00-${trace}-00f067aa0ba902b7-01` }).expect(200);
  assert.match(reply.header("traceparent") ?? `00-${trace}-`, new RegExp(trace));
  await api.get("/v1/customer/1", { traceparent: "00-zz-zz-01" }).expect(200);
});
