// Answers in the coding that the client likes best: right bytes, right headers, other entity tags.
import zlib from "node:zlib";
import { assert, serve, test } from "../../../tests/lib/lintel.mjs";

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
