// deploy/ says what the server needs, and `lintel check --manifests` finds it when the two drift apart.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { TOP, assert, folder, lintel, test } from "../lib/lintel.mjs";

const MANIFEST = join(TOP, "deploy/kubernetes/lintel.yaml"), UNIT = join(TOP, "deploy/systemd/lintel.service");
const documents = (path) => parseAllDocuments(readFileSync(path, "utf8"), { strict: true, uniqueKeys: true }).map((doc) => { assert.deepEqual(doc.errors, []); return doc.toJS(); });
const check = (t, config, ...files) => lintel(["check", folder(t, { "lintel.yaml": { pools: { nodes: 9 }, ...config } }), "--json", ...files.flatMap((file) => ["--manifests", file])]);

test("what ships is sound YAML, and fits the presets", async (t) => {
  const [deployment, service, budget, scaler] = documents(MANIFEST);
  assert.deepEqual([deployment.kind, service.kind, budget.kind, scaler.kind], ["Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"]);
  documents(join(TOP, "deploy/kubernetes/adapter.yaml"));
  const [container] = deployment.spec.template.spec.containers;
  assert.ok(container.startupProbe && container.livenessProbe && container.readinessProbe && container.lifecycle.preStop);
  assert.ok(container.resources.requests.cpu && container.resources.limits.memory);
  assert.equal(scaler.spec.scaleTargetRef.name, deployment.metadata.name);
  assert.equal(deployment.spec.replicas, undefined, "the autoscaler owns the number");
  assert.deepEqual(deployment.spec.strategy, { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
  assert.ok(deployment.spec.minReadySeconds > 0 && deployment.spec.progressDeadlineSeconds > 0);
  assert.ok(scaler.spec.minReplicas > budget.spec.minAvailable, "a node can be emptied");
  for (const selector of [service.spec.selector, budget.spec.selector.matchLabels]) assert.deepEqual(selector, deployment.spec.template.metadata.labels);
  const found = await check(t, {}, MANIFEST, UNIT);
  assert.deepEqual(JSON.parse(found.stdout), { errors: 0, warnings: 0, findings: [] });
  assert.equal(found.code, 0);
});

test("a drain that outgrows the grace is an error, with the number that would do", async (t) => {
  const found = await check(t, { http: { drain_delay: "10s", drain_timeout: "60s" } }, MANIFEST, UNIT);
  assert.equal(found.code, 1);
  const { findings } = JSON.parse(found.stdout);
  assert.deepEqual(findings.map((f) => f.fix), ["terminationGracePeriodSeconds: 80", "TimeoutStopSec=75s"]);
  const line = readFileSync(MANIFEST, "utf8").split("\n").findIndex((l) => l.includes("terminationGracePeriodSeconds:")) + 1;
  assert.equal(findings[0].line, line);
  // the boundary: 5 + 35 + 5
  assert.equal((await check(t, { http: { drain_timeout: "35s" } }, MANIFEST)).code, 0);
  assert.equal((await check(t, { http: { drain_timeout: "36s" } }, MANIFEST)).code, 1);
});

test("probes that ask the wrong thing are errors; what is forgotten is said", async (t) => {
  const text = readFileSync(MANIFEST, "utf8");
  const drift = async (from, to) => {
    assert.ok(text.includes(from));
    const dir = folder(t, { "m.yaml": text.replace(from, to) });
    return JSON.parse((await check(t, {}, join(dir, "m.yaml"))).stdout);
  };
  let found = await drift("livenessProbe: { httpGet: { path: /livez", "livenessProbe: { httpGet: { path: /readyz");
  assert.equal(found.errors, 1);
  assert.match(found.findings[0].message, /restarts every server/);
  found = await drift("readinessProbe:", "ignoredProbe:");
  assert.match(found.findings[0].message, /no readinessProbe/);
  found = await drift("startupProbe:", "ignoredProbe:");
  assert.equal(found.errors, 1);
  found = await drift('lifecycle: { preStop: { exec: { command: [sleep, "5"] } } }', "");
  assert.deepEqual([found.errors, found.warnings], [0, 1]);
  found = await drift('{ exec: { command: [sleep, "5"] } }', "{ sleep: { seconds: 20 } }");
  assert.match(found.findings[0].message, /preStop \(20 s\)/);
  found = await drift("terminationGracePeriodSeconds: 45", "priority: 0");
  assert.match(found.findings[0].message, /is 30/);
});

test("a rollout that takes servers away, never ends, or is called failed too early is found", async (t) => {
  const text = readFileSync(MANIFEST, "utf8");
  const drift = async (from, to, config = {}) => {
    assert.ok(text.includes(from), from);
    const dir = folder(t, { "m.yaml": text.replace(from, to) });
    const found = JSON.parse((await check(t, config, join(dir, "m.yaml"))).stdout);
    return found.findings.map((f) => `${f.severity}: ${f.message}`);
  };
  const rolling = "strategy: { type: RollingUpdate, rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } }";
  const one = (found, wanted) => { assert.equal(found.length, 1, found.join("\n")); assert.match(found[0], wanted); };
  one(await drift(rolling, "paused: false", { pools: { nodes: 10 } }), /warning: a rollout may take servers away/);
  one(await drift("maxUnavailable: 0, maxSurge: 1", 'maxUnavailable: "25%", maxSurge: 1'), /warning: a rollout may take servers away/);
  one(await drift("maxUnavailable: 0", 'maxUnavailable: "0%"').then((found) => [...found, ""]), /^$/);
  one(await drift("maxSurge: 1", "maxSurge: 0"), /error: no pod may be missing and none too many/);
  one(await drift(rolling, "strategy: { type: Recreate }"), /warning: with Recreate/);
  one(await drift("minReadySeconds: 5", "minReadySeconds: 0"), /warning: a server that was ready for a moment/);
  // the boundary: 30 + 5 + 45
  assert.deepEqual(await drift("progressDeadlineSeconds: 120", "progressDeadlineSeconds: 80"), []);
  one(await drift("progressDeadlineSeconds: 120", "progressDeadlineSeconds: 79"), /error: progressDeadlineSeconds is 79/);
  assert.deepEqual(await drift("progressDeadlineSeconds: 120", "paused: false"), [], "600 s where none is written");
  // how long the probes wait
  assert.deepEqual(await drift("periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 30", "periodSeconds: 2, failureThreshold: 10"), []);
  one(await drift("periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 30", "periodSeconds: 1, failureThreshold: 19"), /warning: startupProbe gives up after 19 s/);
  one(await drift("periodSeconds: 10, timeoutSeconds: 3, failureThreshold: 3", "periodSeconds: 5, failureThreshold: 3"), /warning: livenessProbe ends the pod after 15 s: before process\.stall \(30 s\)/);
  assert.deepEqual(await drift("periodSeconds: 10, timeoutSeconds: 3, failureThreshold: 3", "periodSeconds: 5, failureThreshold: 3", { process: { stall: "15s" } }), []);
});

test("replicas, pools.nodes and the disruption budget agree, or it is said", async (t) => {
  const text = readFileSync(MANIFEST, "utf8");
  const drift = async (from, to, nodes = 9) => {
    assert.ok(text.includes(from), from);
    const dir = folder(t, { "m.yaml": text.replace(from, to) });
    return JSON.parse((await check(t, { pools: { nodes } }, join(dir, "m.yaml"))).stdout).findings;
  };
  const [many] = await drift("maxReplicas: 8", "maxReplicas: 9");
  assert.match(many.message, /up to 10 pods .* pools\.nodes is 9/);
  assert.equal(many.fix, "in lintel.yaml: pools: { nodes: 10 }");
  assert.equal(many.line, text.split("\n").findIndex((line) => line.includes("maxReplicas:")) + 1);
  assert.equal((await drift("maxReplicas: 8", "maxReplicas: 8", 8)).length, 1);
  assert.equal((await drift("maxSurge: 1", 'maxSurge: "25%"'))[0].fix, "in lintel.yaml: pools: { nodes: 10 }");
  assert.deepEqual(await drift("scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: lintel }", "scaleTargetRef: { name: other }", 2).then((all) => all.map((f) => f.severity)),
    ["error"], "without its autoscaler it is one pod, which the budget keeps");
  const kept = await drift("minAvailable: 1", "minAvailable: 2");
  assert.match(kept[0].message, /with 2 pods the budget lets none go/);
  assert.equal((await drift("minAvailable: 1", 'minAvailable: "51%"'))[0].severity, "error");
  assert.deepEqual(await drift("minAvailable: 1", "maxUnavailable: 1"), []);
  assert.equal((await drift("minAvailable: 1", "maxUnavailable: 0"))[0].severity, "error");
  assert.match((await drift("kind: PodDisruptionBudget", "kind: Nothing"))[0].message, /no PodDisruptionBudget selects these pods/);
});

test("a file that is not there, or no manifest, or broken, is told", async (t) => {
  const dir = folder(t, { "list.yaml": "- 1\n", "broken.yaml": "a: [\n", "empty.service": "" });
  for (const [name, message] of [["missing.yaml", /./], ["list.yaml", /no workload/], ["broken.yaml", /./]]) {
    const found = await check(t, {}, join(dir, name));
    assert.equal(found.code, 1, name);
    assert.match(JSON.parse(found.stdout).findings[0].message, message);
  }
  const found = JSON.parse((await check(t, {}, join(dir, "empty.service"))).stdout);
  assert.deepEqual([found.errors, found.warnings], [0, 1]); // systemd's own 90 s are enough; it does not hear of readiness
});

test("systemd reads the units", async (t) => {
  let tool;
  try { tool = execFileSync("systemd-analyze", ["--version"], { encoding: "utf8" }); } catch { return t.skip("no systemd here"); }
  assert.ok(tool);
  for (const unit of ["lintel.service", "lintel.socket"]) {
    let said = "";
    try { execFileSync("systemd-analyze", ["verify", join(TOP, "deploy/systemd", unit)], { encoding: "utf8", stdio: "pipe" }); } catch (error) { said = error.stderr; }
    const lines = said.split("\n").filter((line) => line.includes("lintel.s") && !/not executable|Failed to (prepare|create)/.test(line));
    assert.deepEqual(lines, []);
  }
});

test("the image's libraries are those that the binary wants", async () => {
  const dockerfile = readFileSync(join(TOP, "deploy/Dockerfile"), "utf8");
  const { LINTEL } = await import("../lib/lintel.mjs");
  const wanted = execFileSync("readelf", ["-dW", LINTEL], { encoding: "utf8", maxBuffer: 64 << 20 }).match(/Shared library: \[[^\]]+\]/g).map((line) => line.slice(17, -1));
  const packages = { "libuv.so.1": "libuv1", "libpq.so.5": "libpq5", "libcrypto.so.3": "libssl3", "libssl.so.3": "libssl3", "libfyaml.so.0": "libfyaml0", "libpcre2-8.so.0": "libpcre2-8-0", "libbrotlienc.so.1": "libbrotli1", "libbrotlidec.so.1": "libbrotli1", "libbrotlicommon.so.1": "libbrotli1", "libzstd.so.1": "libzstd1", "libz.so.1": "zlib1g", "libseccomp.so.2": "libseccomp2", "libnghttp2.so.14": "libnghttp2-14", "libunwind.so.8": "libunwind8", "libxxhash.so.0": "libxxhash0" };
  const system = /^(ld-linux.*|libc|libm|libpthread|libdl|librt|libgcc_s|libstdc\+\+|libresolv|lib(asan|ubsan|tsan))\.so/;
  for (const library of wanted.filter((name) => !system.test(name))) {
    assert.ok(packages[library], `${library}: name its Debian package here and in deploy/Dockerfile`);
    assert.match(dockerfile, new RegExp(`\\b${packages[library].replace(/[-.]/g, "\\$&")}\\b`), library);
  }
});
