// Answers in the coding that the client likes best: right bytes, right headers, other entity tags.
import { execFileSync } from "node:child_process";
import zlib from "node:zlib";
import { SLOWNESS, assert, serve, test } from "../../../tests/lib/lintel.mjs";

const SQL = "create table note (id int primary key, body text not null, version int not null default 1); insert into note select i, repeat('lorem ipsum ' || i, 40) from generate_series(1, 400) i";
const APP = { "resources/note.yaml": "table: public.note\naccess: public\noperations: [list, get, update]\nversion: version\n" };

test("the body comes back the same from every coding, and says which it is", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP });
  const plain = await api.get("/v1/note?limit=100").expect(200, { Vary: /Accept-Encoding/ });
  assert.equal(plain.header("Content-Encoding"), undefined);
  const back = { gzip: zlib.gunzipSync, br: zlib.brotliDecompressSync, zstd: zlib.zstdDecompressSync };
  for (const coding of ["gzip", "br", "zstd"]) {
    const reply = await api.get("/v1/note?limit=100", { "Accept-Encoding": coding }).expect(200, { "Content-Encoding": coding, Vary: /Accept-Encoding/ });
    assert.ok(reply.bytes.length < plain.bytes.length / 4, `${coding}: ${reply.bytes.length} of ${plain.bytes.length}`);
    if (back[coding]) assert.deepEqual(JSON.parse(back[coding](reply.bytes)).data, plain.json.data);
  }
  await api.get("/v1/note?limit=100", { "Accept-Encoding": "gzip;q=0.2, br;q=0.9, identity;q=0.1" }).expect(200, { "Content-Encoding": "br" });
  assert.equal((await api.get("/v1/note?limit=100", { "Accept-Encoding": "gzip;q=0" })).header("Content-Encoding"), undefined);
  assert.equal((await api.get("/v1/note/1?select=id", { "Accept-Encoding": "gzip" })).header("Content-Encoding"), undefined, "small ones stay as they are");
  const large = await api.get("/v1/note?limit=400", { "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": "gzip" });
  assert.equal(JSON.parse(zlib.gunzipSync(large.bytes)).data.length, 400);
});

test("another coding is another entity tag, and conditions still hold", async (t) => {
  const api = await serve(t, { sql: SQL.replace("40)", "200)"), app: APP });
  const plain = (await api.get("/v1/note/1").expect(200)).header("ETag");
  const coded = (await api.get("/v1/note/1", { "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": "gzip" })).header("ETag");
  assert.notEqual(plain, coded);
  await api.get("/v1/note/1", { "Accept-Encoding": "gzip", "If-None-Match": coded }).expect(304);
  await api.get("/v1/note/1", { "If-None-Match": plain }).expect(304);
  await api.patch("/v1/note/1", { body: "new" }, { "If-Match": coded }).expect(200);
  await api.patch("/v1/note/1", { body: "newer" }, { "If-Match": coded }).expect(412);
});

// ---- streams: what is longer than a flush leaves in pieces ----

const MANY = SQL.replace("400)", "6000)");
const STREAMED = { "resources/note.yaml": "table: public.note\naccess: public\noperations: [list, get]\nlimits: {page_max: 10000}\n" };
const BACK = { gzip: zlib.gunzipSync, br: zlib.brotliDecompressSync, zstd: zlib.zstdDecompressSync ?? ((bytes) => execFileSync("zstd", ["-dc"], { input: bytes, maxBuffer: 1 << 28 })) };
const LONG = "/v1/note?limit=6000&order=id";

test("a stream comes back the same from every coding, smaller, in pieces", async (t) => {
  const api = await serve(t, { sql: MANY, app: STREAMED });
  const plain = await api.get(LONG).expect(200, { Vary: /Accept-Encoding/, "Transfer-Encoding": "chunked", "Content-Encoding": null });
  assert.equal(plain.json.data.length, 6000);
  for (const coding of ["gzip", "br", "zstd"]) {
    const reply = await api.get(LONG, { "Accept-Encoding": coding }).expect(200, { "Content-Encoding": coding, Vary: /Accept-Encoding/, "Transfer-Encoding": "chunked" });
    assert.ok(reply.bytes.length < plain.bytes.length / 10, `${coding}: ${reply.bytes.length} of ${plain.bytes.length}`);
    assert.ok(BACK[coding](reply.bytes).equals(plain.bytes), coding);
  }
  const head = await api.head(LONG, { "Accept-Encoding": "br" }).expect(200, { "Content-Encoding": "br", Vary: /Accept-Encoding/ });
  assert.equal(head.bytes.length, 0);
  assert.equal((await api.get(LONG, { "Accept-Encoding": "gzip;q=0" }).expect(200)).header("Content-Encoding"), undefined);
  assert.ok((await api.metrics())("lintel_compress_saved_bytes_total") > 2.5 * plain.bytes.length);
});

test("lines of JSON are compressed, too", async (t) => {
  const api = await serve(t, { sql: MANY, app: { ...STREAMED, "queries/all.sql": "/* access: public\n   stream: true */ select id, body from public.note order by id" } });
  const lines = { Accept: "application/x-ndjson" };
  const plain = await api.get("/v1/all", lines).expect(200, { Vary: /Accept-Encoding/ });
  const coded = await api.get("/v1/all", { ...lines, "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": "gzip", Vary: /Accept-Encoding/ });
  assert.ok(zlib.gunzipSync(coded.bytes).equals(plain.bytes));
});

test("what was flushed can be read at once, before the stream's end", async (t) => {
  const sql = `${MANY}; CREATE FUNCTION nap(i int) RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN IF i = 5000 THEN PERFORM pg_sleep(5); END IF; RETURN i; END';
    CREATE VIEW slow AS SELECT id, body, nap(id) AS nap FROM note ORDER BY id`;
  const api = await serve(t, { sql, app: { "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\noperations: [list]\nlimits: {page_max: 10000}\n" } });
  const wire = await api.wire();
  await wire.send("GET /v1/slow?limit=6000&order=id HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
  await wire.until((w) => w.text.includes("\r\n\r\n") && w.received.length > 2000, 10000 * SLOWNESS);
  const body = dechunk(wire.received.subarray(wire.received.indexOf("\r\n\r\n") + 4));
  const soFar = zlib.gunzipSync(body, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString();
  assert.ok(soFar.startsWith('{"data":[{"id":1,') && soFar.length > 30000, `${soFar.length} characters`);
  wire.close();
});

test("a compressed stream that fails half way is visibly broken", async (t) => {
  const sql = `${MANY}; CREATE VIEW failing AS SELECT id, body, 1 / (5500 - id) AS ratio FROM note`;
  const api = await serve(t, { sql, app: { "resources/failing.yaml": "table: public.failing\naccess: public\nkey: [id]\noperations: [list]\nlimits: {page_max: 10000}\n" } });
  for (const coding of ["gzip", "br", "zstd"]) await assert.rejects(api.get("/v1/failing?limit=6000&order=id", { "Accept-Encoding": coding }).then((r) => r), (error) => error.code === "CUT" || error.code === "ECONNRESET", coding);
  await api.get("/livez").expect(200);
});

test("streams past streams_max, or without an encoder, go as they are; what an encoder held comes back", async (t) => {
  const none = await serve(t, { sql: MANY, app: STREAMED, config: { compress: { streams_max: 0 } } });
  await none.get(LONG, { "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": null, Vary: /Accept-Encoding/, "data.5999.id": 6000 });
  const one = await serve(t, { sql: MANY, app: STREAMED, config: { compress: { streams_max: 1 } }, env: { LINTEL_INJECT: "compress.stream:2" } });
  await one.get(LONG, { "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": "gzip" });
  await one.get(LONG, { "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": null, "data.5999.id": 6000 });
  for (let i = 0; i < 5; i++) await one.get(LONG, { "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": "gzip" }); // the count came back each time
});

test("a stream that begins small stays as it is", async (t) => {
  const api = await serve(t, { sql: MANY, app: STREAMED, config: { compress: { bytes_min: "1MiB" } } });
  await api.get(LONG, { "Accept-Encoding": "gzip" }).expect(200, { "Content-Encoding": null, Vary: null });
});

function dechunk(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length;) {
    const eol = bytes.indexOf("\r\n", at);
    const size = eol < 0 ? 0 : parseInt(bytes.toString("latin1", at, eol), 16);
    if (!size || bytes.length < eol + 2 + size) break;
    parts.push(bytes.subarray(eol + 2, eol + 2 + size));
    at = eol + 2 + size + 2;
  }
  return Buffer.concat(parts);
}
