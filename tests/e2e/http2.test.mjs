// HTTP/2: the same answers as over HTTP/1, many at once on one connection; flow control both ways; leaving without a loss; and clients
// that mean harm, frame by frame. (The conversations of rest-read and rest-write over HTTP/2: http2-replay.test.mjs.)
import { execFile } from "node:child_process";
import http2 from "node:http2";
import net from "node:net";
import tls from "node:tls";
import { promisify } from "node:util";
import { Client, Frames, SLOWNESS, assert, eventually, folder, freePort, hpack, serve, sleep, test } from "../lib/lintel.mjs";
import { CODES } from "../lib/h2.mjs";
import { Load } from "../lib/load.mjs";
import { usualCertificate } from "../lib/tls.mjs";

const run = promisify(execFile);
const SQL = `CREATE TABLE entry (id bigint PRIMARY KEY, note text NOT NULL); INSERT INTO entry SELECT n, repeat('note ' || n || ' ', 20) FROM generate_series(1, 20000) n;
  CREATE FUNCTION nap(seconds float) RETURNS text LANGUAGE plpgsql VOLATILE AS 'BEGIN PERFORM pg_sleep(seconds); RETURN ''woke''; END';
  CREATE VIEW slow AS SELECT id, nap(0.5) AS nap FROM entry WHERE id = 1; CREATE VIEW slower AS SELECT id, nap(25) AS nap FROM entry WHERE id = 1;
  CREATE FUNCTION trap(n bigint) RETURNS text LANGUAGE plpgsql STABLE COST 10000 AS 'BEGIN RETURN repeat(''x'', 200) || 1 / (n - 15000); END'; CREATE VIEW broken AS SELECT id, trap(id) AS value FROM entry;`;
const APP = {
  "resources/entry.yaml": "table: public.entry\naccess: public\noperations: [list, get, create, update, delete]\nlimits: {page_max: 20000}\n",
  "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n",
  "resources/slower.yaml": "table: public.slower\naccess: public\nkey: [id]\n",
  "resources/broken.yaml": "table: public.broken\naccess: public\nkey: [id]\nlimits: {page_max: 20000}\n",
};
const house = (t, http = {}, options = {}) => serve(t, { sql: SQL, app: APP, protocol: 2, config: { http, ...options.config }, ...options });
const BIG = "/v1/entry?order=id&limit=20000"; // 4 MB
const napping = (api) => api.sql("SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%slower%' AND pid <> pg_backend_pid()").then(([row]) => row.n);
const alpnOf = (port, ALPNProtocols, trust) => new Promise((ok, bad) => {
  const socket = tls.connect({ port, host: "127.0.0.1", ALPNProtocols, ...trust }, () => { ok(socket.alpnProtocol); socket.destroy(); });
  socket.on("error", bad);
});
const metric = async (api, name) => (await api.metrics())(`lintel_http_${name}`);
// requests_in_flight is 1 at rest: the question itself
const note = (size) => JSON.stringify({ id: 1e6 + size, note: "n".repeat(size) });

test("a conversation is the same as over HTTP/1, and its fields are HTTP/2's", async (t) => {
  const api = await house(t);
  const one = new Client(api.base);
  const both = async (method, path, headers) => [await api.request(method, path, { headers }), await one.request(method, path, { headers })];
  for (const [method, path, headers] of [
    ["GET", "/v1/entry/7"], ["HEAD", "/v1/entry/7"], ["GET", "/v1/entry?limit=3"], ["GET", "/v1/entry/0"], ["DELETE", "/v1/entry"], ["OPTIONS", "/v1/entry"], ["GET", "/nowhere"],
    ["GET", "/v1/entry/7", { "If-None-Match": (await one.get("/v1/entry/7")).header("etag") }], ["GET", "/v1/entry?nonsense=eq.1", { Accept: "application/problem+json" }],
  ]) {
    const [two, old] = await both(method, path, { "X-Request-Id": "the-same-for-both", ...headers });
    assert.equal(two.status, old.status, `${method} ${path}`);
    const sameBody = (reply) => reply.text.replace(/"timestamp":"[^"]*"/, "");
    if (!path.includes("?limit")) assert.equal(sameBody(two), sameBody(old), `${method} ${path}`);
    const fields = ({ headers: h }) => Object.fromEntries(Object.entries(h).filter(([name]) => !["date", "connection", "keep-alive", "transfer-encoding", "link"].includes(name)));
    if (!path.includes("?limit")) assert.deepEqual(fields(two), fields(old), `${method} ${path}`);
    for (const name of ["connection", "keep-alive", "transfer-encoding"]) assert.equal(two.header(name), undefined);
    assert.match(two.header("date"), /GMT$/);
  }
  await api.post("/v1/entry", { id: 50000, note: "new" }).expect(201, { note: "new", Location: /50000/ });
  await api.patch("/v1/entry/50000", { note: "newer" }).expect(200, { note: "newer" });
  await api.delete("/v1/entry/50000").expect(204);
  one.close();
  const metrics = await api.metrics();
  assert.ok(metrics("lintel_http_h2_connections_total") >= 1, "it was HTTP/2");
});

test("curl speaks it by prior knowledge", async (t) => {
  const api = await house(t);
  const { stdout } = await run("curl", ["-sS", "--max-time", "20", "--http2-prior-knowledge", "-w", "\n%{http_version} %{http_code}", `${api.base}/v1/entry/7`, "-d", "", "-X", "GET"]);
  assert.match(stdout, /"id":7[\s\S]*\n2 200$/);
});

test("a thousand requests at once on one connection, a hundred at a time", async (t) => {
  const api = await house(t);
  const replies = await Promise.all(Array.from({ length: 1000 }, (_, i) => api.get(`/v1/entry/${i + 1}`).expect(200)));
  replies.forEach((reply, i) => assert.equal(reply.json.id, i + 1));
  assert.equal(await metric(api, "h2_refused_total"), 0);
});

test("large answers equal HTTP/1's byte for byte, several at once and to a slow reader", async (t) => {
  const api = await house(t);
  const one = new Client(api.base);
  const want = (await one.get(BIG).expect(200)).bytes;
  one.close();
  assert.ok(want.length > 2e6);
  const got = await Promise.all([1, 2, 3, 4].map(() => api.get(BIG).expect(200)));
  for (const reply of got) assert.ok(reply.bytes.equals(want));
  // a reader that stops: the server holds a bounded piece, not the answer
  const session = http2.connect(api.base);
  const stream = session.request({ ":path": BIG });
  const parts = [];
  stream.pause();
  stream.on("data", (part) => parts.push(part));
  await sleep(200);
  const small = await api.get("/v1/entry/1").expect(200);
  assert.equal(small.json.id, 1);
  stream.resume();
  await new Promise((ok) => stream.on("end", ok));
  assert.ok(Buffer.concat(parts).equals(want));
  session.close();
});

test("a small answer does not wait behind large ones of its connection", async (t) => {
  const api = await house(t);
  const order = [];
  const large = [1, 2, 3].map(() => api.get(BIG).expect(200).then(() => order.push("large")));
  await sleep(20);
  await api.get("/v1/entry/1").expect(200).then(() => order.push("small"));
  await Promise.all(large);
  assert.notEqual(order.at(-1), "small", order.join());
});

test("bodies: at the limit and one past it, in pieces, with trailers, and not as long as they say", async (t) => {
  const api = await house(t, { body_bytes_max: "100KiB" });
  const at = 102400 - note(0).length - 5; // id 1e6 + size has seven digits either way
  const exact = note(at), size = Buffer.byteLength(exact);
  const filled = exact + " ".repeat(102400 - size);
  await api.post("/v1/entry", filled).expect(201);
  await api.post("/v1/entry", `${filled} `).expect(413, { error_code: "body_too_large" });
  const pieces = async function* (text, step) { for (let i = 0; i < text.length; i += step) yield text.slice(i, i + step); };
  await api.post("/v1/entry", pieces(note(90000), 777)).expect(201);
  await api.post("/v1/entry", pieces("x".repeat(300000), 5000)).expect(413); // its length is not said
  const frames = await Frames.open(api.port);
  const headers = { "content-type": "application/json" }, body = JSON.stringify({ id: 77777, note: "trailing" });
  await frames.request(1, "/v1/entry", { method: "POST", end: false, headers });
  await frames.data(1, body);
  await frames.send("HEADERS", 5, 1, hpack([["x-checksum", "abc"]]));
  await frames.until((f) => f.ended(1));
  assert.equal(frames.status(1), 201);
  for (const [id, said, sent] of [[3, 5, "1234"], [5, 5, "123456"], [7, 0, "1"]]) {
    await frames.request(id, "/v1/entry", { method: "POST", end: false, headers: { ...headers, "content-length": said } });
    await frames.data(id, sent, true);
    await frames.until((f) => f.reset(id) !== null);
    assert.equal(frames.reset(id), CODES.PROTOCOL_ERROR);
  }
  await frames.request(9, "/v1/entry/7");
  await frames.until((f) => f.ended(9));
  assert.equal(frames.status(9), 200, "the connection goes on");
  frames.close();
});

test("Expect: 100-continue is answered when the body is wanted, and only then", async (t) => {
  const api = await house(t);
  const frames = await Frames.open(api.port);
  const headers = { expect: "100-continue", "content-type": "application/json" };
  await frames.request(1, "/v1/entry", { method: "POST", end: false, headers });
  await frames.until((f) => f.of("HEADERS", 1).length === 1);
  assert.equal(frames.status(1), 100);
  await frames.data(1, JSON.stringify({ id: 88888, note: "asked first" }), true);
  await frames.until((f) => f.ended(1));
  assert.equal(frames.status(1), 201);
  await frames.request(3, "/nowhere", { method: "POST", end: false, headers });
  await frames.until((f) => f.reset(3) !== null);
  assert.deepEqual(frames.statuses(3), [404]);
  assert.equal(frames.reset(3), CODES.NO_ERROR, "no more of it, please (RFC 9113, 8.1)");
  await frames.request(5, "/v1/entry", { headers: { expect: "miracles" } });
  await frames.until((f) => f.ended(5));
  assert.equal(frames.status(5), 417);
  frames.close();
});

test("limits of a head: at them and one past", async (t) => {
  const api = await house(t, { headers_max: 20, target_bytes_max: 300, header_bytes_max: "4KiB" });
  const many = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`x-${i}`, "v"]));
  let body;
  const ask = async (path, options) => { // twice on a connection: it goes on
    const frames = await Frames.open(api.port);
    await frames.request(1, path, options);
    await frames.request(3, "/v1/entry/1");
    await frames.until((f) => (f.ended(1) || f.reset(1) !== null) && f.ended(3));
    assert.equal(frames.status(3), 200);
    body = frames.body(1).toString();
    frames.close();
    return frames.status(1);
  };
  assert.equal(await ask("/v1/entry/1", { headers: many(20) }), 200);
  assert.equal(await ask("/v1/entry/1", { headers: many(21) }), 431);
  assert.equal(JSON.parse(body).error_code, "headers_too_large");
  assert.equal(await ask(`/${"p".repeat(299)}`), 404);
  assert.equal(await ask(`/${"p".repeat(300)}`), 414);
  // RFC 9113, 6.5.2: 32 for each field; the four of a request with this path make 42 + 43 + 48 + 51
  const rest = 4096 - (42 + 43 + 48 + 51) - 32 - 1;
  assert.equal(await ask("/v1/entry/1", { headers: { x: "v".repeat(rest) } }), 200);
  assert.equal(await ask("/v1/entry/1", { headers: { x: "v".repeat(rest + 1) } }), 431);
  assert.equal(await ask("/v1/entry/1", { method: "BREW" }), 501);
  assert.equal(await ask(null, { method: "CONNECT", pseudo: { ":scheme": null, ":authority": "elsewhere:443" } }), 501);
});

test("what RFC 9113 calls malformed resets its stream alone", async (t) => {
  const api = await house(t);
  const frames = await Frames.open(api.port);
  const bad = {
    "a connection field": { headers: { connection: "close" } }, "transfer-encoding": { headers: { "transfer-encoding": "chunked" } }, "an upper-case name": { headers: { "X-Upper": "1" } },
    "te other than trailers": { headers: { te: "gzip" } }, "no path": { pseudo: { ":path": null } }, "an empty path": { pseudo: { ":path": "" } }, "no method": { pseudo: { ":method": null } },
    "no scheme": { pseudo: { ":scheme": null } }, "no authority, no host": { pseudo: { ":authority": null } }, "a host that is not the authority": { headers: { host: "other" } },
    "an unknown pseudo-field": { pseudo: { ":proto": "x" } }, "a response's": { pseudo: { ":status": "200" } }, "a line end in a value": { headers: { x: "a\r\nb: c" } }, "a path without a slash": { pseudo: { ":path": "v1" } },
  };
  let id = -1;
  for (const [name, options] of Object.entries(bad)) {
    id += 2;
    await frames.request(id, "/v1/entry/1", options);
    await frames.until((f) => f.reset(id) !== null || f.ended(id) || f.goaway).catch((e) => { throw new Error(`${name}: ${e.message}`); });
    assert.equal(frames.reset(id), CODES.PROTOCOL_ERROR, `${name}: status ${frames.status(id)}`);
    assert.equal(frames.of("RST_STREAM", id).length, 1, name);
  }
  await frames.request(id + 2, "/v1/entry/1", { headers: { host: "localhost", te: "trailers" } });
  await frames.until((f) => f.ended(id + 2));
  assert.equal(frames.status(id + 2), 200);
  assert.equal(await metric(api, "malformed_total"), Object.keys(bad).length);
  frames.close();
});

test("streams past h2_streams_max are refused, unprocessed", async (t) => {
  const api = await house(t, { h2_streams_max: 4 });
  const frames = await Frames.open(api.port);
  for (const id of [1, 3, 5, 7, 9]) await frames.request(id, "/v1/slow/1");
  await frames.until((f) => f.reset(9) !== null);
  assert.equal(frames.reset(9), CODES.REFUSED_STREAM);
  await frames.until((f) => [1, 3, 5, 7].every((id) => f.ended(id)));
  for (const id of [1, 3, 5, 7]) assert.equal(frames.status(id), 200);
  await frames.request(11, "/v1/entry/1");
  await frames.until((f) => f.ended(11));
  frames.close();
});

test("a stream that is taken back, or whose connection goes, is cancelled in PostgreSQL too", async (t) => {
  const api = await house(t);
  const frames = await Frames.open(api.port);
  await frames.request(1, "/v1/slower/1");
  await eventually(async () => (await napping(api)) === 1);
  await frames.rst(1);
  await eventually(async () => (await napping(api)) === 0);
  await frames.request(3, "/v1/slower/1");
  await eventually(async () => (await napping(api)) === 1);
  frames.wire.reset();
  await eventually(async () => (await napping(api)) === 0);
  const other = await Frames.open(api.port);
  await other.request(1, "/v1/slower/1");
  await eventually(async () => (await napping(api)) === 1);
  other.close();
  await eventually(async () => (await napping(api)) === 0);
  assert.equal(await metric(api, "h2_resets_total"), 1);
  await eventually(async () => (await metric(api, "requests_in_flight")) === 1);
});

test("a failure behind the first byte resets the stream: never a well-formed half", async (t) => {
  const api = await house(t, { stream_flush: "4KiB" });
  await assert.rejects(api.get("/v1/broken?order=id&limit=20000").expect(200), (error) => error.code === "CUT" && error.status === 200 && error.rstCode === CODES.INTERNAL_ERROR);
  await api.get("/v1/entry/1").expect(200);
});

test("a body that comes too slowly, or not at all, is answered 408; a head that does not end is not waited for", async (t) => {
  const api = await house(t, { body_timeout: "300ms", header_timeout: "300ms" });
  const frames = await Frames.open(api.port);
  await frames.request(1, "/v1/entry", { method: "POST", end: false, headers: { "content-type": "application/json", "content-length": 100 } });
  await frames.data(1, "{");
  await frames.until((f) => f.status(1));
  assert.equal(frames.status(1), 408);
  await frames.until((f) => f.reset(1) !== null);
  await frames.request(3, "/v1/entry/1");
  await frames.until((f) => f.ended(3));
  await frames.send("HEADERS", 1, 5, Frames.head("/v1/entry/1")); // and no CONTINUATION
  await frames.closed();
  assert.ok(frames.goaway);
  assert.ok((await metric(api, "timeouts_total")) >= 2);
});

test("a window that never opens ends the stream at write_timeout, and a client that does not read its connection", async (t) => {
  const api = await house(t, { write_timeout: "500ms" });
  const frames = await Frames.open(api.port, { settings: { 4: 10 } }); // INITIAL_WINDOW_SIZE
  await frames.request(1, "/v1/entry/1"); // buffered
  await frames.request(3, BIG); // streamed
  await frames.until((f) => f.reset(1) !== null && f.reset(3) !== null);
  assert.equal(frames.body(1).length, 10);
  await frames.window(0, 100000);
  await frames.request(5, "/v1/entry/1", { method: "HEAD" });
  await frames.until((f) => f.ended(5));
  frames.close();
  // dribbling: a byte at a time is no progress
  const slow = await Frames.open(api.port, { settings: { 4: 1 } });
  await slow.request(1, BIG);
  const started = Date.now();
  while (slow.reset(1) === null && Date.now() - started < 8000 * SLOWNESS && !slow.wire.ended) { await slow.window(1, 1); await sleep(20); }
  assert.equal(slow.reset(1), CODES.CANCEL);
  slow.close();
  // one that does not read at all: its streams go, and what it holds is no more than the kernel's buffers
  const deaf = await Frames.open(api.port, { settings: { 4: 0x7fffffff } });
  await deaf.window(0, 0x7fff0000 - 65535);
  deaf.wire.socket.pause();
  for (const id of [1, 3, 5, 7]) await deaf.request(id, BIG);
  await eventually(async () => (await metric(api, "requests_in_flight")) === 5);
  await eventually(async () => (await metric(api, "requests_in_flight")) === 1);
  deaf.close();
});

test("a client that does not fetch the answers to its PINGs is not read from, and cut at write_timeout", async (t) => {
  const api = await house(t, { write_timeout: "500ms", h2_control_burst: 1000000 });
  const before = await metric(api, "connections_open");
  const deaf = await Frames.open(api.port);
  deaf.wire.socket.pause();
  deaf.wire.socket.on("error", () => {});
  const pings = Buffer.concat(Array.from({ length: 20000 }, () => Frames.frame("PING", 0, 0, "12345678")));
  for (let i = 0; i < 45 && !deaf.wire.ended; i++) deaf.wire.socket.write(pings);
  await eventually(async () => (await metric(api, "connections_open")) === before, { withinMs: 10000 });
  assert.equal(await metric(api, "h2_calmed_total"), 0);
  assert.ok((await metric(api, "timeouts_total")) >= 1);
  deaf.close();
});

test("a body that its handler does not read stops at the window", async (t) => {
  const api = await house(t, { h2_stream_window: "8KiB" });
  const session = http2.connect(api.base);
  await new Promise((ok) => session.once("remoteSettings", ok));
  assert.equal(session.remoteSettings.initialWindowSize, 8192);
  const stream = session.request({ ":path": "/v1/slow/1", ":method": "GET" }, { endStream: false });
  stream.on("error", () => {});
  stream.write(Buffer.alloc(500000));
  await sleep(200);
  assert.ok(session.state.outboundQueueSize !== undefined && stream.state.localWindowSize !== undefined);
  const status = await new Promise((ok) => stream.once("response", (h) => ok(h[":status"])));
  assert.equal(status, 200);
  session.destroy();
});

/** Sends such frames until the server has had enough, or so many. */
async function flood(api, most, make, open = async () => {}) {
  const frames = await Frames.open(api.port);
  frames.wire.socket.on("error", () => {});
  await open(frames);
  for (let sent = 0; sent < most && !frames.wire.ended && !frames.goaway; sent += 100) {
    await frames.wire.send(Buffer.concat(Array.from({ length: 100 }, (_, i) => make(sent + i))));
    await new Promise((go) => setImmediate(go));
  }
  await frames.until((f) => f.goaway);
  return frames;
}

test("floods are told to calm down, each by name in the log, and others do not notice", async (t) => {
  const api = await house(t, { h2_control_burst: 500, h2_reset_burst: 50 });
  const number = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
  const bomb = Buffer.concat([Frames.head("/"), Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, "v")]);
  const floods = {
    "PING": [() => Frames.frame("PING", 0, 0, "12345678")],
    "SETTINGS": [() => Frames.frame("SETTINGS", 0, 0)],
    "PRIORITY": [() => Frames.frame("PRIORITY", 0, 1, "\0\0\0\0\x01")],
    "WINDOW_UPDATE": [() => Frames.frame("WINDOW_UPDATE", 0, 0, "\0\0\0\x01")],
    "empty DATA": [() => Frames.frame("DATA", 0, 1), (f) => f.request(1, "/v1/entry", { method: "POST", end: false })],
    "CONTINUATION": [() => Frames.frame("CONTINUATION", 0, 1), (f) => f.send("HEADERS", 1, 1, Frames.head("/"))],
    "rapid reset": [(i) => Buffer.concat([Frames.frame("HEADERS", 5, 1 + 2 * i, Frames.head("/v1/slower/1")), Frames.frame("RST_STREAM", 0, 1 + 2 * i, number(8))])],
    "malformed requests": [(i) => Frames.frame("HEADERS", 5, 1 + 2 * i, Frames.head("/", { headers: { connection: "close" } }))],
    "an HPACK bomb": [() => Buffer.concat([Frames.frame("HEADERS", 1, 1, bomb), ...Array.from({ length: 2 }, () => Frames.frame("CONTINUATION", 0, 1, Buffer.alloc(16000, 0xbe)))])],
  };
  const other = new Load(t, api, (client) => client.get("/v1/entry/1"), { clients: 2 });
  for (const [name, [make, open]] of Object.entries(floods)) {
    const frames = await flood(api, 30000, make, open).catch((error) => { throw new Error(`${name}: ${error.message}`); });
    assert.equal(frames.goaway.code, CODES.ENHANCE_YOUR_CALM, `${name}: ${frames.goaway.code}`);
    frames.close();
  }
  await other.stop();
  assert.deepEqual(Object.keys(other.outcomes), ["200"]);
  assert.equal(await metric(api, "h2_calmed_total"), Object.keys(floods).length);
  assert.equal(api.lines.filter((line) => line.event === "h2_calmed").length, Object.keys(floods).length);
  await eventually(async () => (await napping(api)) === 0);
  await eventually(async () => (await metric(api, "requests_in_flight")) === 1);
});

test("what is no HTTP/2 behind the preface, and the preface in pieces", async (t) => {
  const api = await house(t);
  const frames = await Frames.open(api.port, { preface: false });
  await frames.wire.drip("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".split(""));
  await frames.send("SETTINGS", 0, 0);
  await frames.request(1, "/v1/entry/1");
  await frames.until((f) => f.ended(1));
  assert.equal(frames.status(1), 200);
  frames.close();
  const wrong = await Frames.open(api.port);
  await wrong.send("HEADERS", 5, 2, Frames.head("/")); // an even stream
  await wrong.closed();
  assert.equal(wrong.goaway.code, CODES.PROTOCOL_ERROR);
  assert.match(await api.raw("PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n\r\n"), /^HTTP\/1.1 (400|505)/);
  const off = await serve(t, { sql: SQL, app: APP, config: { http: { h2: false } } });
  assert.match(await off.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), /^HTTP\/1.1 505/);
});

test("an idle connection is told to go, PINGs or not; after requests_per_connection, too", async (t) => {
  const api = await house(t, { idle_timeout: "500ms", requests_per_connection: 3 });
  const frames = await Frames.open(api.port);
  await frames.send("PING", 0, 0, "12345678");
  await frames.until((f) => f.of("PING").some((p) => p.flags & 1));
  assert.equal(frames.of("PING")[0].payload.toString(), "12345678");
  await frames.until((f) => f.goaway);
  assert.deepEqual(frames.goaway, { last: 0x7fffffff, code: 0 });
  await frames.until((f) => f.goaway.last === 0); // without our answer to its PING, after a second
  await frames.closed();
  for (let i = 0; i < 10; i++) await api.get("/v1/entry/1").expect(200);
  assert.ok((await metric(api, "h2_connections_total")) >= 4);
});

test("SIGTERM: first a hint, then, behind a PING, the last word; what came before is answered", async (t) => {
  const api = await house(t);
  const frames = await Frames.open(api.port);
  await frames.request(1, "/v1/slow/1");
  await sleep(50);
  api.signal("SIGTERM");
  await frames.until((f) => f.goaway);
  assert.deepEqual(frames.goaway, { last: 0x7fffffff, code: CODES.NO_ERROR });
  await frames.request(3, "/v1/entry/1"); // it was on its way
  await frames.until((f) => f.of("PING").length > 0);
  await frames.send("PING", 1, 0, frames.of("PING")[0].payload);
  await frames.until((f) => f.goaway.last === 3);
  await frames.request(5, "/v1/entry/1"); // after the last word: not taken, and may go elsewhere
  await frames.until((f) => f.ended(1) && f.ended(3));
  assert.equal(frames.status(1), 200);
  assert.equal(frames.status(3), 200);
  assert.equal(frames.status(5), undefined);
  await frames.closed();
  frames.close();
  assert.equal((await api.ended()).code, 0);
});

test("a request behind the answer to the PING, in one segment with it: not below the last word, so it has no effect", async (t) => {
  const api = await house(t);
  const frames = await Frames.open(api.port);
  await frames.request(1, "/v1/slow/1");
  await sleep(50);
  api.signal("SIGTERM");
  await frames.until((f) => f.goaway && f.of("PING").length > 0);
  const body = JSON.stringify({ id: 1e6, note: "twice?" });
  const headers = { "content-type": "application/json", "content-length": body.length };
  await frames.wire.send(Buffer.concat([
    Frames.frame("PING", 1, 0, frames.of("PING")[0].payload),
    Frames.frame("HEADERS", 4, 3, Frames.head("/v1/entry", { method: "POST", headers })), Frames.frame("DATA", 1, 3, body),
  ]));
  await frames.until((f) => f.goaway.last !== 0x7fffffff);
  assert.equal(frames.goaway.last, 1);
  await frames.closed();
  frames.close();
  assert.equal(frames.status(1), 200);
  assert.equal((await api.ended()).code, 0);
  assert.deepEqual(await api.sql("SELECT id FROM entry WHERE id = 1000000"), [], "the client may send it elsewhere");
});

test("a rolling restart under load over HTTP/2: no request fails", async (t) => {
  const api = await house(t, { drain_delay: "3s" });
  const load = new Load(t, api, (client, n) => (n % 3 ? client.get(`/v1/entry/${1 + (n % 1000)}`) : client.post("/v1/entry", { id: 100000 + n, note: `n${n}` })), { clients: 16, pauseMs: 0 });
  const slow = new Load(t, api, (client) => client.get("/v1/slow/1"), { clients: 4 });
  await load.well(200);
  api.signal("SIGTERM");
  await eventually(async () => (await api.get("/readyz")).status === 503, { withinMs: 2000, everyMs: 5 });
  await Promise.all([load.stop(), slow.stop()]);
  for (const record of [...load.records, ...slow.records]) assert.ok(!record.error && record.status < 300, `${record.number}: ${record.error?.message ?? record.reply.text}`);
  assert.equal((await api.ended()).code, 0);
});

test("drain_timeout cuts what does not finish", async (t) => {
  const api = await house(t, { drain_timeout: "300ms" }, { expectExit: null });
  const frames = await Frames.open(api.port);
  await frames.request(1, "/v1/slower/1");
  await eventually(async () => (await napping(api)) === 1);
  const started = Date.now();
  api.signal("SIGTERM");
  await api.ended();
  assert.ok(Date.now() - started < 4000 * SLOWNESS, `${Date.now() - started} ms`);
  frames.close();
});

test("h2load runs clean", async (t) => {
  const api = await house(t);
  const { stdout } = await run("h2load", ["-n", String(Math.ceil(4000 / SLOWNESS)), "-c8", "-m8", `${api.base}/v1/entry/7`]);
  assert.match(stdout, / 0 failed, 0 errored, 0 timeout/);
  assert.match(stdout, / 0 3xx, 0 4xx, 0 5xx/);
});

test("an idle connection costs little", { skip: SLOWNESS > 1 && "memory is the sanitizer's" }, async (t) => {
  const api = await house(t);
  const open = async (count) => {
    const all = [];
    for (let i = 0; i < count; i += 50) all.push(...await Promise.all(Array.from({ length: 50 }, () => Frames.open(api.port))));
    for (const frames of all) await frames.request(1, "/livez");
    for (const frames of all) await frames.until((f) => f.ended(1));
    return all;
  };
  const few = await open(50); // pools are filled, memory is touched
  const before = api.rss();
  const many = await open(1000);
  const each = (api.rss() - before) / 1000;
  t.diagnostic(`${Math.round(each)} bytes`);
  assert.ok(each < 20480, `${Math.round(each)} bytes`);
  for (const frames of [...few, ...many]) frames.close();
});

test("over TLS, agreed upon by ALPN: the same, whole and large, and refused where h2 is off", async (t) => {
  const usual = await usualCertificate(folder(t));
  const api = await serve(t, { sql: SQL, app: APP, protocol: 2, tls: usual.client, config: { tls: usual.config } });
  const one = new Client(api.base, { tls: usual.client });
  await api.get("/v1/entry/7").expect(200, { id: 7 });
  assert.ok((await metric(api, "h2_connections_total")) >= 1);
  const want = (await one.get(BIG).expect(200)).bytes;
  one.close();
  const got = await Promise.all([api.get(BIG), api.get(BIG), api.get("/v1/entry/1"), api.get(BIG)]);
  for (const index of [0, 1, 3]) assert.ok(got[index].bytes.equals(want));
  await api.post("/v1/entry", { id: 60000, note: "n".repeat(500000) }).expect(201);
  const load = new Load(t, api, (client, n) => client.get(`/v1/entry/${1 + n}`), { clients: 8 });
  await load.well(200, 10000 * SLOWNESS);
  await load.stop();
  assert.deepEqual(Object.keys(load.outcomes), ["200"]);
  const { stdout } = await run("h2load", ["-n", "1000", "-c4", "-m8", `${api.base}/v1/entry/7`]);
  assert.match(stdout, / 0 failed, 0 errored, 0 timeout/);
  assert.match(stdout, /Application protocol: h2/);
  const off = await serve(t, { sql: SQL, app: APP, tls: usual.client, config: { tls: usual.config, http: { h2: false } } });
  assert.equal(await alpnOf(off.port, ["h2", "http/1.1"], usual.client), "http/1.1");
  assert.equal(await alpnOf(api.port, ["h2", "http/1.1"], usual.client), "h2");
});

test("prior knowledge opens no other door: not TLS without ALPN, not the one that only redirects", async (t) => {
  const usual = await usualCertificate(folder(t));
  const redirect = await freePort();
  const api = await serve(t, { sql: SQL, app: APP, tls: usual.client, config: { tls: { ...usual.config, redirect: `127.0.0.1:${redirect}` } } });
  const preface = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Frames.frame("SETTINGS", 0, 0), Frames.frame("HEADERS", 5, 1, Frames.head("/v1/entry/1"))]);
  const said = (socket) => new Promise((ok) => { let text = ""; socket.on("data", (part) => { text += part.toString("latin1"); }).on("close", () => ok(text)).on("error", () => {}); socket.write(preface); });
  assert.match(await said(tls.connect({ port: api.port, host: "127.0.0.1", ...usual.client })), /^HTTP\/1.1 505/);
  assert.match(await said(net.connect(redirect, "127.0.0.1")), /^HTTP\/1.1 (505|400)/);
  assert.match(await said(net.connect(api.port, "127.0.0.1")), /^HTTP\/1.1 (505|400)/);
  assert.equal(await metric(api, "h2_connections_total"), 0);
});
