// The binary is replaced while clients ask: nobody notices.
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import net from "node:net";
import { assert, eventually, folder, lintel, LINTEL, parseResponses, serve, SLOWNESS, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { afterTest } from "../lib/scope.mjs";
import { certify, connect, usualCertificate } from "../lib/tls.mjs";

const sql = "CREATE TABLE thing (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO thing SELECT n, 'lamp ' || n FROM generate_series(1, 100) n";
const app = { "resources/thing.yaml": "table: public.thing\naccess: public\noperations: [get, create]\n" };
const upgrade = (api, ...words) => lintel(["ctl", "--app", api.dir, "--json", "upgrade", ...words], { timeoutMs: 100000 });

/** A binary of one's own, which may be replaced. */
function binary(t) {
  const dir = mkdtempSync(join(tmpdir(), "lintel-binary-"));
  afterTest(t, () => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, "lintel");
  copyFileSync(LINTEL, path);
  return path;
}
const upgrades = (api) => api.lines.filter((line) => line.event === "supervisor_replaced").length;

test("an upgrade under load fails no request, breaks no connection, and keeps the main pid", async (t) => {
  const path = binary(t);
  const api = await serve(t, { sql, app, binary: path });
  const kept = new Load(t, api, (client, n) => client.get(`/v1/thing/${1 + (n % 100)}`).expect(200));
  const fresh = new Load(t, api, (client, n) => client.get(`/v1/thing/${1 + (n % 100)}`).expect(200), { clients: 2, fresh: true });
  await kept.well(50);
  const [main, first] = [api.child.pid, api.pid];
  for (let round = 1; round <= 3; round++) {
    copyFileSync(LINTEL, `${path}.new`);
    renameSync(`${path}.new`, path); // as a package manager would
    api.signal("SIGUSR2");
    await eventually(() => upgrades(api) === round, { withinMs: 20000 });
    await eventually(() => api.lines.filter((line) => line.event === "server_retired").length === round, { withinMs: 20000 });
    await kept.well(50);
  }
  await kept.stop();
  await fresh.stop();
  assert.deepEqual(Object.keys(kept.outcomes), ["200"], JSON.stringify(kept.outcomes));
  assert.deepEqual(Object.keys(fresh.outcomes), ["200"], JSON.stringify(fresh.outcomes));
  assert.equal(api.child.pid, main);
  assert.ok(api.running);
  assert.notEqual(api.pid, first);
  const metrics = await api.metrics();
  assert.equal(metrics("lintel_server_upgrades_total"), 3);
  assert.ok(metrics("lintel_http_inherited_total") > 0, "connections came from the server before");
  for (const line of api.lines.filter((l) => l.event === "server_retired")) assert.equal(line.status, 0);
});

// TLS and HTTP/2 connections are not handed over: their clients are told to come again. What they had sent by then is answered, or known not
// to be served: each insert has a key of its own, so that one that was served and is sent again would be a 409.
for (const [name, tls, protocol] of [["HTTP/1.1 over TLS", true, 1], ["HTTP/2 over TLS", true, 2], ["HTTP/2 by prior knowledge", false, 2]])
  test(`${name}: an upgrade under load leaves no request unanswered, and serves none twice`, async (t) => {
    const usual = tls ? await usualCertificate(folder(t)) : {};
    const api = await serve(t, { sql, app, protocol, tls: usual.client, config: usual.config ? { tls: usual.config } : {} });
    const ask = (from) => (client, n) => (n % 3 ? client.get(`/v1/thing/${1 + (n % 100)}`) : client.post("/v1/thing", { id: from + n, name: "made" }));
    const kept = new Load(t, api, ask(1e6), { share: protocol === 2 ? 4 : 1 });
    const fresh = new Load(t, api, ask(2e8), { clients: 2, fresh: true });
    await kept.well(50);
    for (let round = 1; round <= 3; round++) {
      api.signal("SIGUSR2");
      await eventually(() => upgrades(api) === round, { withinMs: 20000 });
      await eventually(() => api.lines.filter((line) => line.event === "server_retired").length === round, { withinMs: 20000 });
      await kept.well(50);
    }
    await kept.stop();
    await fresh.stop();
    t.diagnostic(`${kept.records.length} and ${fresh.records.length} requests, ${kept.sentAgain + fresh.sentAgain} of them sent again`);
    assert.deepEqual(Object.keys(kept.outcomes), ["200", "201"], JSON.stringify(kept.outcomes));
    assert.deepEqual(Object.keys(fresh.outcomes), ["200", "201"], JSON.stringify(fresh.outcomes));
    const [{ n }] = await api.sql("SELECT count(*)::int AS n FROM thing WHERE id >= 1000000");
    assert.equal(n, kept.outcomes["201"] + fresh.outcomes["201"]);
    for (const line of api.lines.filter((l) => l.event === "server_retired")) assert.equal(line.status, 0);
  });

/** A port in front of another: what the client sends after the first piece (its ClientHello) waits until release() is called. */
async function gate(t, port) {
  const held = [];
  let open = false, pieces = 0;
  const server = net.createServer((near) => {
    const far = net.connect(port, "127.0.0.1");
    far.on("data", (part) => near.write(part)).on("error", () => near.destroy()).on("close", () => near.destroy());
    near.on("error", () => far.destroy()).on("close", () => far.destroy());
    near.on("data", (part) => (open || pieces++ === 0 ? far.write(part) : held.push([far, part])));
  });
  afterTest(t, () => server.close());
  await new Promise((ok) => server.listen(0, "127.0.0.1", ok));
  return { port: server.address().port, held, release: () => { open = true; for (const [far, part] of held.splice(0)) far.write(part); } };
}

test("a handshake that the upgrade meets half way is finished, and the request that came with its end is answered", async (t) => {
  const { certificate, key } = await certify(folder(t), "server");
  const api = await serve(t, { sql, app, tls: { rejectUnauthorized: false }, config: { tls: { certificate, key } } });
  const between = await gate(t, api.port);
  const wire = await connect(between.port); // TLS 1.3: for the client it is done with the server's part, before its own has arrived
  afterTest(t, () => wire.raw.destroy());
  wire.socket.write("GET /v1/thing/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await eventually(() => between.held.length > 0);
  const silent = await api.wire(); // one more, which has said nothing: it is closed, and keeps nobody
  await sleep(100 * SLOWNESS);
  const from = api.pid;
  api.signal("SIGUSR2");
  await api.logged({ event: "upgraded" }, { withinMs: 20000 });
  await silent.rest(10000 * SLOWNESS);
  assert.equal(api.lines.filter((line) => line.event === "server_retired").length, 0, "the old server stays for the handshake");
  between.release();
  await eventually(() => parseResponses(wire.received).length === 1 && wire.ended);
  const [answer] = parseResponses(wire.received);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.connection, "close");
  await api.logged({ event: "server_retired", status: 0 }, { withinMs: 20000 });
  assert.notEqual(api.pid, from);
});

test("a connection that rests is the same connection afterwards, and a request half sent is answered", async (t) => {
  const api = await serve(t, { sql, app });
  const resting = await api.wire(), halfway = await api.wire();
  await resting.send("GET /v1/thing/1 HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await resting.responses(1))[0].status, 200);
  await halfway.send("GET /v1/thing/2 HTTP/1.1\r\nHost: x\r\n"); // its head is not complete: it stays where it is
  await sleep(50 * SLOWNESS);
  api.signal("SIGUSR2");
  await api.logged({ event: "supervisor_replaced" }, { withinMs: 20000 });
  await halfway.send("\r\n");
  assert.equal((await halfway.responses(1))[0].status, 200);
  await api.logged({ event: "server_retired" }, { withinMs: 20000 });
  await resting.send("GET /v1/thing/3 HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await resting.responses(2))[1].status, 200);
  resting.close();
  halfway.close();
});

test("many resting connections change processes, more than the kernel queues at once", async (t) => {
  // Four hundred questions in one moment are a flood, which is another test's concern.
  const api = await serve(t, { sql, app, config: { admit: { adapt: false } } });
  const wires = [];
  for (let i = 0; i < 400; i += 50) wires.push(...await Promise.all(Array.from({ length: 50 }, () => api.wire())));
  const ask = (n) => Promise.all(wires.map(async (wire) => {
    await wire.send("GET /v1/thing/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    return (await wire.responses(n, 20000 * SLOWNESS))[n - 1].status;
  }));
  assert.ok((await ask(1)).every((status) => status === 200));
  api.signal("SIGUSR2");
  await api.logged({ event: "server_retired" }, { withinMs: 30000 });
  assert.ok((await ask(2)).every((status) => status === 200));
  assert.ok((await api.metrics())("lintel_http_inherited_total") >= 400);
  for (const wire of wires) wire.close();
});

test("a binary that cannot serve is told, and the old one goes on", async (t) => {
  const path = binary(t);
  const api = await serve(t, { sql, app, binary: path, config: { process: { upgrade_timeout: "2s" } } });
  const pid = api.pid;
  const failed = async (text, mode = 0o755) => {
    rmSync(path, { force: true });
    if (text !== null) writeFileSync(path, text), chmodSync(path, mode);
    const before = api.lines.filter((l) => l.event === "upgrade_failed" || l.event === "upgrade_refused").length;
    api.signal("SIGUSR2");
    return await eventually(() => api.lines.filter((l) => l.event === "upgrade_failed" || l.event === "upgrade_refused")[before], { withinMs: 20000 });
  };
  assert.match((await failed(null)).message, /no program/);
  assert.match((await failed("nonsense", 0o644)).message, /no program/);
  assert.match((await failed("\x7fELF broken")).message, /cannot be executed/);
  assert.match((await failed("#!/bin/sh\nexit 0\n")).message, /exit code 0 before it was ready/);
  assert.match((await failed("#!/bin/sh\nkill -SEGV $$\n")).message, /signal 11/);
  assert.match((await failed("#!/bin/sh\nexec sleep 60\n")).message, /not ready in time/);
  await api.get("/v1/thing/1").expect(200);
  await eventually(() => api.pid === pid); // the one that was too late has gone
  rmSync(path, { force: true });
  copyFileSync(LINTEL, path); // and then it is well again
  api.signal("SIGUSR2");
  await api.logged({ event: "supervisor_replaced" }, { withinMs: 20000 });
  await eventually(() => api.pid !== pid);
  await api.get("/v1/thing/1").expect(200);
});

test("a server that crashes after an upgrade is restarted by the new supervisor", async (t) => {
  const api = await serve(t, { sql, app });
  api.signal("SIGUSR2");
  await api.logged({ event: "server_retired" }, { withinMs: 20000 });
  const pid = api.pid;
  process.kill(pid, "SIGKILL");
  api.close(); // its connections died with that server
  await eventually(() => api.pid !== pid && api.pid !== api.supervisorPid);
  await api.get("/v1/thing/1").expect(200);
  api.admin.close();
  await eventually(async () => (await api.metrics())("lintel_server_restarts_total", { reason: "killed" }) === 1);
  assert.equal((await api.metrics())("lintel_server_upgrades_total"), 1);
});

test("during an upgrade both servers together stay below max_connections", async (t) => {
  const postgres = await startPostgres({ own: true, t, settings: { max_connections: "14", superuser_reserved_connections: "3", log_connections: "off" } });
  const api = await serve(t, { sql, app, postgres, config: { pools: { max: 10, reserve: 1 } }, words: ["--cores", "1"] });
  const load = new Load(t, api, (client, n) => client.get(`/v1/thing/${1 + (n % 100)}`).expect(200), { clients: 24 });
  await load.well(100);
  for (let round = 1; round <= 2; round++) {
    api.signal("SIGUSR2");
    await eventually(() => api.lines.filter((line) => line.event === "server_retired").length === round, { withinMs: 20000 });
  }
  await load.stop();
  assert.deepEqual(Object.keys(load.outcomes), ["200"], JSON.stringify(load.outcomes));
  assert.doesNotMatch(readFileSync(join(postgres.dir, "log"), "utf8"), /too many clients|remaining connection slots/);
});
