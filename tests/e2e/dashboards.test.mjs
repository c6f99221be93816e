// What is shipped for Prometheus and Grafana names metrics that exist, and each alert fires on its planted trouble.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TOP, assert, folder, serve, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP } from "../lib/databases.mjs";

const ALERTS = join(TOP, "deploy/prometheus/lintel-alerts.yaml");
const DASHBOARD = join(TOP, "deploy/grafana/lintel.json");
// Served once there is something to tell: a refusal, a certificate.
const SOMETIMES = new Set(["lintel_admit_shed_total", "lintel_tls_certificate_expires_seconds"]);

/** Names of metrics in an expression: not the recorded rules, whose names have a colon. */
const metricsIn = (text) => [...new Set([...text.matchAll(/(?<![\w:])(?:lintel|process)_\w+(?!\w*:)/g)].map((match) => match[0]))];

async function served(t) {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP });
  await api.get("/v1/customer").expect(200);
  await api.get("/v1/customer/999").expect(404);
  const value = await api.metrics();
  return new Set(value.samples.map((sample) => sample.name));
}

test("the alerts pass their tests", () => {
  execFileSync("promtool", ["check", "rules", ALERTS], { stdio: "pipe" });
  const out = execFileSync("promtool", ["test", "rules", "lintel-alerts.test.yaml"], { cwd: join(TOP, "deploy/prometheus"), encoding: "utf8", stdio: "pipe" });
  assert.match(out, /SUCCESS/);
});

test("every alert has a test that sees it fire", () => {
  const alerts = [...readFileSync(ALERTS, "utf8").matchAll(/- alert: (\w+)/g)].map((match) => match[1]);
  const tested = readFileSync(join(TOP, "deploy/prometheus/lintel-alerts.test.yaml"), "utf8");
  assert.ok(alerts.length >= 15);
  for (const alert of alerts) assert.match(tested, new RegExp(`alertname: ${alert}\\n\\s+exp_alerts:\\n`), alert);
});

test("every metric of the alerts and of the dashboard is one that the server serves", async (t) => {
  const names = await served(t);
  const expressions = readFileSync(ALERTS, "utf8").split("\n").filter((line) => !/summary:|description:|- (alert|name|record):/.test(line)).join("\n");
  const dashboard = JSON.parse(readFileSync(DASHBOARD, "utf8"));
  const panels = dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr));
  assert.ok(panels.length >= 30);
  const wanted = [...metricsIn(expressions), ...metricsIn(panels.join("\n")), ...metricsIn(JSON.stringify(dashboard.templating))];
  for (const name of wanted) assert.ok(names.has(name) || SOMETIMES.has(name), `${name} is not served`);
});

test("the dashboard shows p99 beside the database's time and the wait for it", () => {
  const { panels } = JSON.parse(readFileSync(DASHBOARD, "utf8"));
  const beside = panels.find((panel) => /p99/.test(panel.title) && /wait/.test(panel.title)).targets.map((target) => target.expr).join("\n");
  for (const metric of ["lintel_http_request_duration_seconds_bucket", "lintel_http_request_database_seconds_bucket", "lintel_pools_wait_seconds_bucket"]) assert.ok(beside.includes(metric), metric);
  const places = new Set(panels.map((panel) => `${panel.gridPos.x},${panel.gridPos.y}`));
  assert.equal(places.size, panels.length, "no two in one place");
});

test("the expressions of the dashboard are PromQL", (t) => {
  const { panels } = JSON.parse(readFileSync(DASHBOARD, "utf8"));
  const rules = panels.flatMap((panel) => panel.targets).map((target, i) => ({ record: `panel:${i}`, expr: target.expr.replaceAll("$__rate_interval", "5m").replaceAll("$job", ".+").replaceAll("$instance", ".+") }));
  const dir = folder(t, { "panels.yaml": { groups: [{ name: "panels", rules }] } });
  execFileSync("promtool", ["check", "rules", join(dir, "panels.yaml")], { stdio: "pipe" });
});
