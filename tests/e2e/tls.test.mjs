// HTTPS from outside: node's TLS, openssl's, and bytes that no client would send. What holds of plain HTTP holds here too.
import { renameSync, writeFileSync, chmodSync, readFileSync, readdirSync, utimesSync, statSync } from "node:fs";
import net from "node:net";
import https from "node:https";
import { join } from "node:path";
import { Client, SLOWNESS, Wire, assert, eventually, folder, freePort, lintel, parseResponses, serve, sleep, startPostgres, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";
import { SHOP, SHOP_APP } from "../lib/databases.mjs";
import { certify, connect, sClient, usualCertificate } from "../lib/tls.mjs";

const GET = "GET /v1/article/1 HTTP/1.1\r\nHost: localhost\r\n";

async function shop(t, { tls = {}, config = {}, ...options } = {}) {
  const dir = folder(t);
  const usual = await usualCertificate(dir, tls);
  const api = await serve(t, { sql: SHOP, app: SHOP_APP, config: { ...config, tls: usual.config }, tls: usual.client, ...options });
  api.certificates = dir;
  api.trust = usual.client;
  return api;
}
const alive = (api) => api.get("/v1/article/1").expect(200, { id: 1 });
const descriptors = (api) => readdirSync(`/proc/${api.pid}/fd`).length;
const failed = async (api, reason) => (await api.metrics())("lintel_tls_handshake_failures_total", { reason });

test("a request over TLS is a request", async (t) => {
  const api = await shop(t);
  await api.get("/v1/article/1").expect(200, { id: 1, "X-Content-Type-Options": "nosniff" });
  await api.post("/v1/article", { id: 900, name: "over TLS", price: 1 }).expect(201);
  await api.get("/v1/article/900").expect(200, { name: "over TLS" });
  await api.get("/v1/nothing").expect(404, { error_code: "not_found" });
  const metrics = await api.metrics();
  assert.ok(metrics("lintel_tls_handshakes_total") >= 1);
  const left = metrics("lintel_tls_certificate_expires_seconds") - Date.now() / 1000;
  assert.ok(left > 88 * 86400 && left < 91 * 86400, `${left} s`);
  assert.equal((await api.logged({ event: "server_ready" })).tls, true);
});

test("versions, ciphers and protocols: what is offered, and what is not", async (t) => {
  const api = await shop(t);
  const ask = (...words) => sClient(api.port, words);
  assert.match((await ask("-tls1_3")).text, /TLSv1\.3, Cipher is TLS_AES_128_GCM_SHA256/);
  assert.match((await ask("-tls1_2")).text, /TLSv1\.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256/);
  assert.match((await ask("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")).text, /Cipher is ECDHE-ECDSA-AES128-GCM/, "the server's order");
  assert.match((await ask("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256")).text, /Cipher is ECDHE-ECDSA-CHACHA20/, "a client without AES hardware");
  assert.notEqual((await ask("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA@SECLEVEL=0")).code, 0, "CBC");
  assert.notEqual((await ask("-tls1_1", "-cipher", "ALL@SECLEVEL=0")).code, 0, "TLS 1.1");
  assert.match((await ask("-alpn", "http/1.1")).text, /ALPN protocol: http\/1\.1/);
  assert.match((await ask("-alpn", "acme-tls/1")).text, /no application protocol/);
  assert.match((await ask()).text, /No ALPN negotiated/);
  assert.match((await ask("-groups", "P-256")).text, /Server Temp Key: ECDH, prime256v1/);
  assert.notEqual((await ask("-groups", "secp521r1")).code, 0);
  assert.match((await ask("-tls1_2")).text, /Compression: NONE/);
  await eventually(async () => (await failed(api, "version")) >= 1 && (await failed(api, "cipher")) >= 1 && (await failed(api, "protocol")) === 1);
  await alive(api);
});

test("min_version: 1.3 refuses 1.2", async (t) => {
  const api = await shop(t, { tls: { min_version: "1.3" } });
  assert.equal((await sClient(api.port, ["-tls1_3"])).code, 0);
  assert.notEqual((await sClient(api.port, ["-tls1_2"])).code, 0);
});

test("renegotiation is refused", async (t) => {
  const api = await shop(t);
  const { text } = await sClient(api.port, ["-tls1_2"], "R\n");
  assert.match(text, /no renegotiation/i);
  await alive(api);
});

for (const version of ["TLSv1.2", "TLSv1.3"]) {
  test(`a session is resumed, ${version}: on any core, and not without its key`, async (t) => {
    const api = await shop(t, { words: ["--cores", "2"] });
    const visit = async (session) => {
      const wire = await connect(api.port, { minVersion: version, maxVersion: version, session });
      let ticket = wire.socket.getSession();
      wire.socket.on("session", (s) => { ticket = s; });
      wire.socket.write(`${GET}Connection: close\r\n\r\n`);
      await eventually(() => wire.ended);
      assert.match(wire.received.toString(), /^HTTP\/1\.1 200 /);
      const reused = wire.socket.isSessionReused();
      wire.socket.destroy();
      return { ticket, reused };
    };
    let { ticket, reused } = await visit();
    assert.equal(reused, false);
    for (let i = 0; i < 6; i++) ({ ticket, reused } = await visit(ticket).then((v) => { assert.ok(v.reused, `visit ${i}`); return v; }));
    assert.ok((await api.metrics())("lintel_tls_resumptions_total") >= 6);
    const other = await shop(t); // a process with a key of its own
    const wire = await connect(other.port, { minVersion: version, maxVersion: version, session: ticket });
    assert.equal(wire.socket.isSessionReused(), false);
    wire.socket.destroy();
  });
}

test("ticket_keys: nodes resume each other's sessions, also with the key before the last; a file that others may read is refused", async (t) => {
  const dir = folder(t);
  const key = (n) => String(n).repeat(160) + "\n";
  writeFileSync(join(dir, "old"), key(1), { mode: 0o600 });
  writeFileSync(join(dir, "new"), key(2) + key(1), { mode: 0o600 });
  const one = await shop(t, { tls: { ticket_keys: join(dir, "old") } });
  const two = await shop(t, { tls: { ticket_keys: join(dir, "new") } });
  const first = await connect(one.port);
  const ticket = await new Promise((ok) => first.socket.once("session", ok));
  first.socket.destroy();
  const second = await connect(two.port, { session: ticket });
  assert.equal(second.socket.isSessionReused(), true);
  second.socket.destroy();
  chmodSync(join(dir, "old"), 0o604);
  const lines = one.lines.length;
  one.signal("SIGHUP");
  await one.logged((line) => line.event === "certificate_refused" && /ticket_keys.*chmod 600/.test(line.message));
  assert.ok(one.lines.length > lines);
  await alive(one);
});

test("the server's name chooses the certificate", async (t) => {
  const dir = folder(t);
  const a = await certify(dir, "a", { hosts: ["a.test", "www.a.test"] });
  const b = await certify(dir, "b", { hosts: ["*.b.test"], kind: "rsa" });
  const api = await serve(t, { sql: SHOP, app: SHOP_APP, tls: { ca: a.pem, servername: "a.test" }, config: { tls: { certificate: [a.certificate, b.certificate], key: [a.key, b.key] } } });
  const named = async (servername) => {
    const wire = await connect(api.port, { servername });
    const name = wire.socket.getPeerCertificate().subject.CN;
    wire.socket.destroy();
    return name;
  };
  assert.equal(await named("www.a.test"), "a.test");
  assert.equal(await named("x.b.test"), "*.b.test");
  assert.equal(await named("x.y.b.test"), "a.test", "a star is one label");
  assert.equal(await named("unknown.test"), "a.test", "the first is for everybody else");
  assert.equal(await named(""), "a.test");
});

test("an OCSP answer is stapled to who asks, and exchanged with its file", async (t) => {
  const dir = folder(t);
  const { execFileSync } = await import("node:child_process");
  const openssl = (...words) => execFileSync("openssl", words, { cwd: dir, stdio: "pipe" });
  await certify(dir, "ca", { hosts: ["authority.test"] });
  const leaf = await certify(dir, "leaf", { hosts: ["localhost"], ca: "ca" });
  writeFileSync(join(dir, "index.txt"), `V\t${"331231235959Z"}\t\t${openssl("x509", "-in", "leaf.pem", "-noout", "-serial").toString().trim().split("=")[1]}\tunknown\t/CN=localhost\n`);
  openssl("ocsp", "-issuer", "ca.pem", "-cert", "leaf.pem", "-reqout", "ask.der");
  openssl("ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem", "-reqin", "ask.der", "-respout", "answer.der", "-ndays", "7");
  const api = await serve(t, { sql: SHOP, app: SHOP_APP, tls: { rejectUnauthorized: false }, config: { tls: { certificate: leaf.certificate, key: leaf.key, ocsp: join(dir, "answer.der"), reload: "100ms" } } });
  assert.match((await sClient(api.port, ["-status", "-tls1_2"])).text, /OCSP Response Status: successful[\s\S]*Cert Status: good/);
  assert.match((await sClient(api.port, ["-status", "-tls1_3"])).text, /OCSP Response Status: successful/);
  assert.doesNotMatch((await sClient(api.port, [])).text, /OCSP Response Status/);
  writeFileSync(join(dir, "answer.der"), "no DER");
  await api.logged((line) => line.event === "certificate_refused" && /ocsp/.test(line.message));
  assert.match((await sClient(api.port, ["-status"])).text, /OCSP Response Status: successful/, "the old one stays");
});

test("client_ca: only who brings a certificate of that authority is heard, and is named in the access log", async (t) => {
  const dir = folder(t);
  const ca = await certify(dir, "ca", { hosts: ["authority.test"] });
  const friend = await certify(dir, "friend", { hosts: ["friend"], ca: "ca", cn: "friend 7" });
  const stranger = await certify(dir, "stranger", { hosts: ["stranger"] });
  const api = await shop(t, { tls: { client_ca: ca.certificate }, config: { observe: { access_log: "all" } }, ready: false });
  const as = (who) => new Client(api.base, { agent: new https.Agent({ ...api.trust, ...(who ? { cert: readFileSync(who.certificate), key: readFileSync(who.key) } : {}) }) });
  await eventually(async () => (await as(friend).get("/v1/article/1")).status === 200);
  await api.logged((line) => line.event === "request" && line.client === "CN=friend 7");
  await assert.rejects(as(null).get("/v1/article/1").then((r) => r));
  await assert.rejects(as(stranger).get("/v1/article/1").then((r) => r));
  await eventually(async () => (await failed(api, "client_certificate")) === 2);
});

test("plain HTTP on the TLS port gets an answer that says so", async (t) => {
  const api = await shop(t);
  for (const method of ["GET", "DELETE", "PATCH"]) {
    const text = await api.raw(`${method} /v1/article/1 HTTP/1.1\r\nHost: x\r\n\r\n`);
    const [answer] = parseResponses(Buffer.from(text, "latin1"));
    assert.equal(answer.status, 400);
    assert.match(answer.json.message, /speaks HTTPS/);
    assert.equal(answer.headers.connection, "close");
    assert.equal(answer.json.correlation_id, answer.headers["x-request-id"]);
  }
  const wire = await api.wire();
  await wire.send("POST /v1/article HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  await wire.send("x".repeat(100000));
  assert.match(await wire.rest(5000 * SLOWNESS), /^HTTP\/1\.1 400 /);
  wire.close();
  assert.equal(await failed(api, "plaintext"), 4);
  await alive(api);
});

test("redirect: the plain listener sends everybody to HTTPS, and nobody elsewhere", async (t) => {
  const port = await freePort();
  const api = await shop(t, { tls: { redirect: `127.0.0.1:${port}` } });
  const plain = new Client(`http://127.0.0.1:${port}`);
  t.after(() => plain.close());
  await plain.get("/v1/article/1?select=id", { Host: `shop.test:${port}` }).expect(308, { Location: `https://shop.test:${api.port}/v1/article/1?select=id`, "X-Request-Id": /./ });
  await plain.post("/v1/article", { id: 1 }, { Host: "shop.test" }).expect(308, { Location: `https://shop.test:${api.port}/v1/article` });
  await plain.get("/", { Host: "[::1]:80" }).expect(308, { Location: `https://[::1]:${api.port}/` });
  const raw = async (bytes) => { const wire = await Wire.open(port); await wire.send(bytes); const text = await wire.rest(5000 * SLOWNESS); wire.close(); return text; };
  assert.match(await raw("GET http://abs.test/x?y=1 HTTP/1.1\r\nHost: abs.test\r\n\r\n"), new RegExp(`^HTTP/1\\.1 308 [\\s\\S]*Location: https://abs\\.test:${api.port}/x\\?y=1\r\n`));
  for (const host of ["a@b.test", "a b", "a%2fb", "", "x".repeat(256)]) assert.match(await raw(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`), /^HTTP\/1\.1 400 /, host);
  assert.match(await raw(`GET / HTTP/1.1\r\nHost: ${"x".repeat(255)}\r\n\r\n`), /^HTTP\/1\.1 308 /);
  assert.match(await raw("GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.[01] 400 /);
  assert.match(await raw("nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
  await alive(api);
});

test("redirect_port and hsts", async (t) => {
  const port = await freePort();
  const api = await shop(t, { tls: { redirect: `127.0.0.1:${port}`, redirect_port: 443, hsts: "365d", hsts_subdomains: true } });
  const plain = new Client(`http://127.0.0.1:${port}`);
  t.after(() => plain.close());
  await plain.get("/x", { Host: "shop.test" }).expect(308, { Location: "https://shop.test/x", "Strict-Transport-Security": null });
  await api.get("/v1/article/1").expect(200, { "Strict-Transport-Security": "max-age=31536000; includeSubDomains" });
  await api.get("/v1/nothing").expect(404, { "Strict-Transport-Security": /max-age/ });
  await (await shop(t)).get("/v1/article/1").expect(200, { "Strict-Transport-Security": null });
});

test("a renewed certificate is taken without a restart; a broken one leaves the old in force and is said", async (t) => {
  const api = await shop(t, { tls: { reload: "100ms" } });
  const path = (name) => join(api.certificates, name);
  const shown = async () => { const wire = await connect(api.port); const print = wire.socket.getPeerCertificate().fingerprint; wire.socket.destroy(); return print; };
  const lasting = await connect(api.port); // keeps its session through all of it
  const first = await shown();

  const put = (from) => { renameSync(path(`${from}.key`), path("server.key")); renameSync(path(`${from}.pem`), path("server.pem")); };
  await certify(api.certificates, "next");
  put("next");
  await eventually(async () => (await shown()) !== first);
  const second = await shown();

  const refusals = () => api.lines.filter((line) => line.event === "certificate_refused");
  const broken = async (pattern) => {
    const before = (await api.metrics())("lintel_tls_reload_failures_total");
    await eventually(async () => (await api.metrics())("lintel_tls_reload_failures_total") > before || refusals().some((line) => pattern.test(line.message)));
    await eventually(() => refusals().some((line) => pattern.test(line.message)));
    assert.equal(await shown(), second);
  };
  const good = { pem: readFileSync(path("server.pem")), key: readFileSync(path("server.key")) };
  const spoil = (name, bytes) => { writeFileSync(path("spoilt"), bytes, { mode: 0o600 }); renameSync(path("spoilt"), path(name)); };
  spoil("server.pem", "-----BEGIN CERTIFICATE-----\nno base64\n-----END CERTIFICATE-----\n");
  await broken(/tls\.certificate/);
  await certify(api.certificates, "other");
  spoil("server.pem", readFileSync(path("other.pem")));
  await broken(/is not the key of/);
  spoil("server.pem", good.pem);
  chmodSync(path("server.key"), 0o644);
  await broken(/chmod 600/);
  await certify(api.certificates, "gone", { days: -1 }).catch(() => null); // openssl 3.0 takes negative days
  chmodSync(path("server.key"), 0o600);
  await eventually(async () => (await api.metrics())("lintel_tls_reloads_total") >= 1);

  lasting.socket.write(`${GET}Connection: close\r\n\r\n`);
  await eventually(() => lasting.ended);
  assert.match(lasting.received.toString(), /^HTTP\/1\.1 200 /);
  lasting.socket.destroy();
});

test("SIGHUP looks at once", async (t) => {
  const api = await shop(t, { tls: { reload: "1h" } });
  const before = (await api.metrics())("lintel_tls_reloads_total");
  api.signal("SIGHUP");
  await eventually(async () => (await api.metrics())("lintel_tls_reloads_total") === before + 1);
});

test("lintel check and the start say what is wrong with certificates", async (t) => {
  const api = await shop(t); // for its database
  const url = { LINTEL_DATABASE_URL: api.postgres.url(api.database) };
  const judge = async (tls, files = async () => {}) => {
    const dir = folder(t, SHOP_APP);
    await files(dir);
    writeFileSync(join(dir, "lintel.yaml"), JSON.stringify({ listen: "127.0.0.1:0", admin: "", tls }));
    return { dir, ...(await lintel(["check", dir], { env: url })) };
  };
  const pair = { certificate: "c.pem", key: "c.key" };
  const fine = await judge(pair, (dir) => certify(dir, "c"));
  assert.equal(fine.code, 0, fine.stdout);
  assert.match(fine.stdout, /0 errors, 0 warnings/);
  const soon = await judge(pair, (dir) => certify(dir, "c", { days: 13 }));
  assert.equal(soon.code, 0);
  assert.match(soon.stdout, /lintel\.yaml: warning: .*localhost expires in 1[23] days/);
  const enough = await judge(pair, (dir) => certify(dir, "c", { days: 15 }));
  assert.match(enough.stdout, /0 warnings/);
  const none = await judge(pair);
  assert.equal(none.code, 1);
  assert.match(none.stdout, /tls\.certificate: c\.pem: No such file/);
  const mixed = await judge(pair, async (dir) => { await certify(dir, "c"); await certify(dir, "d"); renameSync(join(dir, "d.key"), join(dir, "c.key")); });
  assert.match(mixed.stdout, /c\.key is not the key of c\.pem/);
  const kinds = await judge(pair, async (dir) => { await certify(dir, "c"); await certify(dir, "d", { kind: "rsa" }); renameSync(join(dir, "d.key"), join(dir, "c.key")); });
  assert.match(kinds.stdout, /c\.key is not the key of c\.pem/);
  const open = await judge(pair, async (dir) => { await certify(dir, "c"); chmodSync(join(dir, "c.key"), 0o644); });
  assert.match(open.stdout, /chmod 600/);
  const list = await judge({ certificate: ["c.pem", ["x"]], key: "c.key" });
  assert.match(list.stderr, /certificate: a list of values, not of a list/);
  const lone = await judge({ redirect: "127.0.0.1:0" });
  const started = await lintel(["serve", lone.dir], { env: url });
  assert.equal(started.code, 3);
  assert.match(started.stderr, /tls\.redirect: there is no HTTPS/);
  const refused = await lintel(["serve", mixed.dir], { env: url });
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /start_failed.*is not the key of/);
});

test("an answer is byte for byte the plain one: large pages, streams, large bodies, slow readers", async (t) => {
  const sql = `${SHOP} INSERT INTO article SELECT n, repeat('x', n % 300 + 1), 1, NULL, '{}', '{}', NULL, 0 FROM generate_series(1000, 10999) n;`;
  const app = { ...SHOP_APP, "resources/article.yaml": "table: public.article\naccess: public\noperations: [list, get, create, update, delete]\nfields: {hide: [search]}\nlimits: {page_max: 100000}\n" };
  const api = await shop(t, { sql, app, config: { http: { body_bytes_max: "8MiB" } } });
  const plain = await serve(t, { app, database: api.database, postgres: api.postgres, config: { http: { body_bytes_max: "8MiB" } } });
  for (const path of ["/v1/article?limit=100000&order=id", "/v1/article/1000", "/openapi.json"]) {
    const [ours, theirs] = [await api.get(path).expect(200), await plain.get(path).expect(200)];
    assert.ok(ours.bytes.equals(theirs.bytes), `${path}: ${ours.bytes.length} and ${theirs.bytes.length} bytes`);
  }
  const name = "ü".repeat(2_000_000);
  await api.post("/v1/article", { id: 901, name, price: 1 }).expect(201);
  assert.equal((await plain.get("/v1/article/901").expect(200)).json.name, name);
  assert.equal((await api.get("/v1/article/901").expect(200)).json.name, name);

  const wire = await connect(api.port);
  wire.socket.pause();
  wire.socket.write("GET /v1/article?limit=100000&order=id HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  await sleep(200);
  for (let i = 0; i < 10; i++) { wire.socket.resume(); await sleep(5); wire.socket.pause(); await sleep(5); }
  wire.socket.resume();
  await eventually(() => wire.ended, { withinMs: 20000 });
  wire.socket.destroy();
  const [slow] = parseResponses(wire.received);
  assert.ok(slow.body.equals((await plain.get("/v1/article?limit=100000&order=id").expect(200)).bytes));
});

test("requests that share a record, and one that comes in crumbs, are all answered", async (t) => {
  const api = await shop(t);
  const wire = await connect(api.port);
  wire.socket.setNoDelay(true);
  wire.socket.write(Array.from({ length: 50 }, () => `${GET}\r\n`).join("")); // one record: all but the first wait inside OpenSSL
  await eventually(() => parseResponses(wire.received).length === 50);
  const long = `GET /v1/article/1 HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"y".repeat(14000)}\r\n\r\n`; // more than one buffer, one record
  wire.socket.write(long);
  await eventually(() => parseResponses(wire.received).length === 51);
  for (const c of `${GET}Connection: close\r\n\r\n`) { wire.socket.write(c); await sleep(0); }
  await eventually(() => wire.ended);
  const answers = parseResponses(wire.received);
  assert.equal(answers.length, 52);
  assert.ok(answers.every((a) => a.status === 200));
  wire.socket.destroy();
});

test("handshakes that stall are ended at header_timeout, and count as connections until then", async (t) => {
  const api = await shop(t, { config: { http: { header_timeout: "300ms" } } });
  const open = async () => (await api.metrics())("lintel_http_connections_open");
  const before = await open();
  const wires = await Promise.all(Array.from({ length: 5 }, () => api.wire()));
  await wires[1].send("\x16\x03\x01\x02\x00\x01\x00"); // a hello's beginning
  assert.ok((await open()) >= before + 5);
  for (const wire of wires) { await wire.rest(5000 * SLOWNESS); wire.close(); }
  assert.equal(await failed(api, "timeout"), 5);
  await eventually(async () => (await open()) <= before);
  await alive(api);
});

test("garbage, and handshakes cut at every byte, leave nothing behind", { timeoutMs: 120000 }, async (t) => {
  const api = await shop(t);
  await alive(api);
  api.close();
  const fibers = async () => (await api.metrics())("lintel_core_fibers");
  await eventually(async () => (await api.metrics())("lintel_http_connections_open") === 1); // the one that asks
  const [before, fibersBefore, openBefore] = [descriptors(api), await fibers(), 1];
  for (const bytes of ["\0", "\x16", "\x16\x03\x01\xff\xff", `\x16\x03\x01\x00\x05hello`, "\x80\x2e\x01\x00\x02", "\x15\x03\x01\x00\x02\x02\x28", "\xff".repeat(5000), "\x16\x03\x03\x40\x01" + "\0".repeat(0x4001)]) {
    const wire = await api.wire();
    await wire.send(bytes).catch(() => {});
    wire.halfClose();
    await wire.rest(5000 * SLOWNESS);
    wire.close();
  }
  // A real client behind a proxy that cuts what it says after n bytes, cleanly or with a reset.
  let cut = 0, reset = false, passed = 0;
  const proxy = net.createServer((near) => {
    const far = net.connect(api.port, "127.0.0.1");
    let left = cut;
    near.on("data", (part) => {
      passed = Math.max(passed, cut - left + part.length);
      far.write(part.subarray(0, left));
      left -= part.length;
      if (left <= 0) setImmediate(() => { reset ? far.resetAndDestroy() : far.destroy(); near.destroy(); });
    });
    far.on("data", (part) => near.write(part));
    for (const s of [near, far]) s.on("error", () => {}).on("close", () => { near.destroy(); far.destroy(); });
  });
  await new Promise((ok) => proxy.listen(0, "127.0.0.1", ok));
  t.after(() => proxy.close());
  const attempt = async () => {
    const wire = await connect(proxy.address().port, { servername: "localhost" }).catch(() => null);
    if (!wire) return;
    wire.socket.write(`${GET}Connection: close\r\n\r\n`);
    await new Promise((ok) => { wire.socket.once("end", ok).once("close", ok); if (wire.ended) ok(); });
    wire.raw.destroy();
  };
  for (cut = 0; cut < 900; cut += 1) {
    reset = cut % 2 === 1;
    await attempt();
  }
  assert.ok(passed > 350, `the handshake and a request had ${passed} bytes`);
  await eventually(async () => (await api.metrics())("lintel_http_connections_open") <= openBefore);
  assert.ok(descriptors(api) <= before + 8, `${before} descriptors before, ${descriptors(api)} after`); // connections to PostgreSQL may have been added
  await eventually(async () => (await fibers()) <= fibersBefore);
  await alive(api);
});

test("a client that leaves cancels its query, with close_notify and without", async (t) => {
  const sql = `CREATE FUNCTION nap(seconds float) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN PERFORM pg_sleep(seconds); RETURN ''woke''; END';
    CREATE VIEW slower AS SELECT 1::bigint AS id, nap(20) AS nap`;
  const api = await shop(t, { sql, app: { "resources/slower.yaml": "table: public.slower\naccess: public\nkey: [id]\n" }, config: { http: { half_close_grace: "100ms" } } });
  const napping = async () => Number((await api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%slower%' AND pid <> pg_backend_pid()"))[0].n);
  for (const leave of [(w) => w.socket.end(), (w) => w.raw.destroy(), (w) => w.raw.resetAndDestroy()]) {
    const wire = await connect(api.port);
    wire.socket.write("GET /v1/slower/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await eventually(async () => (await napping()) === 1);
    leave(wire);
    await eventually(async () => (await napping()) === 0);
    wire.socket.destroy();
  }
});

test("a drain ends handshakes, lets a request finish, and says goodbye", async (t) => {
  const sql = `CREATE FUNCTION nap(seconds float) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN PERFORM pg_sleep(seconds); RETURN ''woke''; END';
    CREATE VIEW slow AS SELECT 1::bigint AS id, nap(0.7) AS nap`;
  const api = await shop(t, { sql, app: { "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n" } });
  const half = await api.wire();
  await half.send("\x16\x03\x01\x02\x00\x01\x00");
  const idle = await connect(api.port);
  const busy = await connect(api.port);
  busy.socket.write("GET /v1/slow/1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await eventually(async () => (await api.metrics())("lintel_http_requests_in_flight") >= 2); // and /metrics itself
  api.signal("SIGTERM");
  await half.rest(10000 * SLOWNESS);
  await eventually(() => idle.ended && busy.ended, { withinMs: 10000 });
  const [answer] = parseResponses(busy.received);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.connection, "close");
  for (const wire of [idle, busy]) { assert.equal(wire.error, null); wire.socket.destroy(); }
  half.close();
  assert.equal((await api.ended()).code, 0);
});

test("memory that cannot be had for a session, and a handshake that fails inside, end that connection alone", async (t) => {
  for (const name of ["tls.session", "tls.handshake"]) {
    const api = await shop(t, { env: { LINTEL_INJECT: `${name}:3` } });
    let refused = 0;
    for (let i = 0; i < 6; i++) await connect(api.port).then((wire) => wire.socket.destroy(), () => { refused++; });
    assert.ok(refused <= 1, `${name}: ${refused}`);
    await alive(api);
  }
});

test("PostgreSQL killed under load over TLS: every request is answered, then all is well again, and nothing is left", async (t) => {
  const postgres = await startPostgres({ own: true, t });
  const api = await shop(t, { postgres });
  const load = new Load(t, api, (client, number) => (number % 3 ? client.get("/v1/article/1") : client.post("/v1/article", { id: 100000 + number, name: `n${number}`, price: 1 })), { fresh: true });
  await load.well(30);
  await postgres.kill();
  await sleep(500);
  await postgres.start(postgres.settings);
  await eventually(async () => (await api.get("/readyz")).status === 200, { withinMs: 10000 });
  await load.well(30);
  await load.stop();
  for (const record of load.records) assert.ok(!record.error && (record.status < 300 || ["database.unavailable", "outcome_unknown"].includes(record.code)), `${record.number}: ${record.error?.message ?? record.reply.text}`);
  assert.ok(load.outcomes["503 database.unavailable"] > 0, JSON.stringify(load.outcomes));
  await eventually(async () => (await api.metrics())("lintel_http_requests_in_flight") <= 1 && (await api.metrics())("lintel_http_connections_open") <= 3);
});

test("past connections_max a TLS connection is closed without a handshake", async (t) => {
  const api = await shop(t, { config: { http: { connections_max: 3 } } });
  api.close();
  await eventually(async () => (await api.metrics())("lintel_http_connections_open") === 1); // the admin one counts, and is never refused
  const wires = [await connect(api.port), await connect(api.port)];
  await assert.rejects(connect(api.port));
  assert.ok((await api.metrics())("lintel_http_refused_full_total") >= 1);
  wires.pop().socket.destroy();
  await eventually(() => connect(api.port).then((wire) => wires.push(wire)));
  for (const wire of wires) wire.socket.destroy();
});
