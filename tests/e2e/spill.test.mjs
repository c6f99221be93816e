// What a slow reader has not fetched waits in a file (scenario 17), whatever carries it: TLS, HTTP/2, a coding, lines of JSON, HTTP/1.0.
import { mkdirSync, readdirSync, readlinkSync } from "node:fs";
import zlib from "node:zlib";
import { Client, Frames, SLOWNESS, assert, eventually, folder, lintel, serve, test } from "../lib/lintel.mjs";
import { Slow } from "../lib/slow.mjs";
import { usualCertificate } from "../lib/tls.mjs";

const ROWS = 12000; // 24 MB
const SQL = `CREATE TABLE big (id int PRIMARY KEY, filler text NOT NULL); INSERT INTO big SELECT n, (SELECT string_agg(md5(n::text || m), '') FROM generate_series(1, 61) m) FROM generate_series(1, ${ROWS}) n`;
const APP = {
  "resources/big.yaml": `table: public.big\naccess: public\nlimits: {page_max: ${ROWS}}\n`,
  "queries/lines.sql": "/* access: public\n   stream: true */ select id, filler from public.big order by id",
};
const EXPORT = `/v1/big?order=id&limit=${ROWS}`;
const house = (t, { http = {}, ...more } = {}) => serve(t, { sql: SQL, app: APP, words: ["--cores", "1"], ...more, config: { pools: { max: 4 }, ...more.config, http: { spill_after: "100ms", ...http } } });
const now = async (api, name, labels) => (await api.metrics())(`lintel_http_${name}`, labels);
const spilled = (api, count = 1) => eventually(async () => (await now(api, "spills")) === count, { withinMs: 20000 });
const gone = (api) => eventually(async () => (await now(api, "spills")) === 0 && (await now(api, "spill_held_bytes")) === 0, { withinMs: 10000 });
/** Whether PostgreSQL is done with the request: its handler has ended. */
const made = (api, count = 1) => eventually(async () => {
  const { stdout } = await lintel(["ctl", "--app", api.dir, "--json", "queries"]);
  return JSON.parse(stdout).requests.filter((one) => one.waits_for === "client.spill").length === count;
}, { withinMs: 20000 });

test("over TLS", { timeoutMs: 120000 }, async (t) => {
  const usual = await usualCertificate(folder(t));
  const api = await house(t, { tls: usual.client, config: { tls: usual.config } });
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  const slow = await Slow.get(api, EXPORT);
  await made(api);
  const { body, complete } = await slow.rest();
  assert.ok(complete && body.equals(whole), `${body.length} of ${whole.length} bytes`);
  await gone(api);
});

test("in a coding", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t);
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  for (const [coding, back] of [["gzip", zlib.gunzipSync], ["br", zlib.brotliDecompressSync]]) {
    const slow = await Slow.get(api, EXPORT, { headers: { "Accept-Encoding": coding } });
    await made(api);
    const { head, body, complete } = await slow.rest();
    assert.match(head, new RegExp(`^content-encoding: ${coding}$`, "im"));
    assert.ok(complete && back(body).equals(whole), coding);
    await gone(api);
  }
});

test("as lines, and over HTTP/1.0, where the connection's end is the answer's", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t);
  const lines = { Accept: "application/x-ndjson" };
  const whole = (await api.get("/v1/lines", lines).expect(200)).bytes;
  assert.equal(whole.toString().split("\n").length, ROWS + 1);
  for (const version of ["1.1", "1.0"]) {
    const slow = await Slow.get(api, "/v1/lines", { headers: lines, version });
    await made(api);
    const { head, body, complete } = await slow.rest();
    assert.equal(/^transfer-encoding/im.test(head), version === "1.1");
    assert.ok(complete && body.equals(whole), `${version}: ${body.length} of ${whole.length} bytes`);
    await gone(api);
  }
});

test("over HTTP/2, where a stream's window is as good as a full socket, and its neighbours go on", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t);
  const path = `${EXPORT}&id=lte.2000`; // 4 MB
  const whole = (await api.get(path).expect(200)).bytes;
  const frames = await Frames.open(api.port);
  await frames.window(0, 1 << 30);
  await frames.request(1, path);
  await made(api);
  await frames.request(3, "/v1/big/7");
  await frames.until((f) => f.ended(3));
  assert.equal(frames.body(1).length, 65535);
  for (let i = 0; i < 20; i++) await frames.window(1, 300);
  await frames.until((f) => f.body(1).length === 65535 + 20 * 300);
  await frames.window(1, 1 << 30);
  await frames.until((f) => f.ended(1), 20000 * SLOWNESS);
  assert.ok(frames.body(1).equals(whole));
  await gone(api);
  await frames.request(5, path); // and one that is taken back
  await made(api);
  await frames.rst(5);
  await gone(api);
  await frames.request(7, path); // and a connection that ends
  await made(api);
  frames.close();
  await gone(api);
  assert.equal((await now(api, "spill_answers_total")), 3);
});

test("an HTTP/2 connection whose socket is full", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t);
  const plain = new Client(api.base);
  const whole = (await plain.get(EXPORT).expect(200)).bytes;
  plain.close();
  const frames = await Frames.open(api.port, { settings: { 4: 0x7fffffff } });
  await frames.window(0, 1 << 30);
  frames.wire.socket.pause();
  await frames.request(1, EXPORT);
  await made(api);
  const parts = [];
  frames.wire.socket.removeAllListeners("data").on("data", (part) => parts.push(part)).resume();
  await eventually(() => parts.reduce((sum, part) => sum + part.length, 0) > whole.length, { withinMs: 20000 });
  await gone(api);
  frames.wire.received = Buffer.concat(parts);
  assert.ok(frames.body(1).equals(whole));
  frames.close();
});

test("many of them need little memory, and what they may have together is bounded", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t, { config: { pools: { max: 8 } }, http: { spill_after: "100ms", spill_total_max: "40MiB" } });
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  const before = api.rss();
  const slow = [];
  for (let i = 0; i < 6; i++) slow.push(await Slow.get(api, EXPORT));
  await eventually(async () => (await now(api, "spill_refused_total", { cause: "total_max" })) >= 1, { withinMs: 20000 });
  assert.ok((await now(api, "spill_held_bytes")) <= 40 << 20);
  const rss = api.rss() - before;
  t.diagnostic(`six slow readers of ${whole.length >> 20} MiB: ${rss >> 10} KiB resident`);
  if (SLOWNESS === 1) assert.ok(rss < 24 << 20, `${rss >> 20} MiB`);
  for (const { body, complete } of await Promise.all(slow.map((one) => one.rest()))) assert.ok(complete && body.equals(whole), `${body.length} of ${whole.length} bytes`);
  await gone(api);
});

test("the file is where it is told to be, and has no name there", { timeoutMs: 120000 }, async (t) => {
  const place = folder(t);
  mkdirSync(`${place}/spill`);
  const api = await house(t, { http: { spill_after: "100ms", spill_folder: `${place}/spill` } });
  const slow = await Slow.get(api, EXPORT);
  await spilled(api);
  const links = readdirSync(`/proc/${api.pid}/fd`).map((fd) => { try { return readlinkSync(`/proc/${api.pid}/fd/${fd}`); } catch { return ""; } });
  assert.ok(links.some((link) => link.startsWith(`${place}/spill/`) && link.endsWith(" (deleted)")), links.join());
  assert.deepEqual(readdirSync(`${place}/spill`), []);
  slow.close();
  await gone(api);
});

test("a folder that is not there is told, and nothing else happens", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t, { http: { spill_after: "100ms", spill_folder: "/nowhere/at/all" } });
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  const slow = await Slow.get(api, EXPORT);
  const line = await api.logged({ event: "spill_refused" }, { withinMs: 20000 });
  assert.equal(line.cause, "folder");
  assert.match(line.message, /No such file/);
  const { body, complete } = await slow.rest();
  assert.ok(complete && body.equals(whole));
});

test("with spill_after: 0 nothing spills", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t, { http: { spill_after: "0s" } });
  const whole = (await api.get(EXPORT).expect(200)).bytes;
  const slow = await Slow.get(api, EXPORT);
  await eventually(async () => (await lintel(["ctl", "--app", api.dir, "--json", "queries"])).stdout.includes("client.write"), { withinMs: 20000 });
  const { body, complete } = await slow.rest();
  assert.ok(complete && body.equals(whole));
  assert.equal(await now(api, "spill_answers_total"), 0);
});

test("a server that stops ends what is left of them at drain_timeout", { timeoutMs: 120000 }, async (t) => {
  const api = await house(t, { http: { spill_after: "100ms", drain_timeout: "500ms" } });
  const slow = await Slow.get(api, EXPORT);
  await made(api);
  await api.stop(); // exit code 0, and in time
  assert.equal((await slow.rest()).complete, false);
});
