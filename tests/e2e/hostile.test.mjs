// Bytes no friend would send. Each is answered with a clear error or a closed connection, and the server is alive afterwards.
import { SLOWNESS, assert, eventually, parseResponses, serve, sleep, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP } from "../lib/databases.mjs";

const shop = (t, options = {}) => serve(t, { sql: SHOP, app: SHOP_APP, ...options });
const GET = "GET /v1/article/1 HTTP/1.1\r\nHost: x\r\n";
const POST = "POST /v1/article HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
const alive = (api) => api.get("/v1/article/1").expect(200, { id: 1 });

/** The one answer that comes before the connection is closed, or null where it was closed without. */
async function lastWord(api, bytes, options) {
  const text = await api.raw(bytes, options);
  const answers = parseResponses(Buffer.from(text, "latin1"));
  assert.ok(answers.length > 0 || text === "", `neither an answer nor silence: ${text.slice(0, 200)}`);
  return answers.at(-1) ?? null;
}

test("framing attacks are refused with the envelope and a closed connection", async (t) => {
  const api = await shop(t);
  const body = '{"id":900,"name":"smuggled","price":1}';
  const attacks = {
    "two lengths that differ": `${POST}Content-Length: 3\r\nContent-Length: 40\r\n\r\n${body}`,
    "two lengths alike": `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\n${body}`,
    "a list of lengths": `${POST}Content-Length: 38, 38\r\n\r\n${body}`,
    "length and chunked": `${POST}Content-Length: 38\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "chunked twice": `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "chunked, not last": `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
    "an unknown coding": `${POST}Transfer-Encoding: cchunked\r\n\r\n0\r\n\r\n`,
    "coding behind vertical tab": `${POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n`,
    "chunked on HTTP/1.0": `POST /v1/article HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    "negative length": `${POST}Content-Length: -1\r\n\r\n`,
    "signed length": `${POST}Content-Length: +38\r\n\r\n${body}`,
    "hexadecimal length": `${POST}Content-Length: 0x26\r\n\r\n${body}`,
    "a length past 64 bits": `${POST}Content-Length: 99999999999999999999999999\r\n\r\n`,
    "empty length": `${POST}Content-Length:\r\n\r\n${body}`,
    "space before colon": `GET /v1/article/1 HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n`,
    "folded line": `${GET}X: a\r\n b\r\n\r\n`,
    "fold in the first header": `GET /v1/article/1 HTTP/1.1\r\n Host: x\r\n\r\n`,
    "bare LF": "GET /v1/article/1 HTTP/1.1\nHost: x\n\n",
    "bare CR in a value": `${GET}X: a\rb\r\n\r\n`,
    "NUL in a value": `${GET}X: a\0b\r\n\r\n`,
    "NUL in the target": "GET /v1/art\0icle HTTP/1.1\r\nHost: x\r\n\r\n",
    "no host": "GET /v1/article/1 HTTP/1.1\r\n\r\n",
    "two hosts": `${GET}Host: y\r\n\r\n`,
    "a host with a path": "GET /v1/article/1 HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "a name with a bracket": `${GET}X(y): z\r\n\r\n`,
    "an empty name": `${GET}: z\r\n\r\n`,
    "no colon": `${GET}nonsense\r\n\r\n`,
    "no version": "GET /v1/article/1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": "GET /v1/article/1\r\n",
    "HTTP/2.0 in clear text": "GET /v1/article/1 HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/1.12": "GET /v1/article/1 HTTP/1.12\r\nHost: x\r\n\r\n",
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two spaces": "GET  /v1/article/1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tab between": "GET\t/v1/article/1\tHTTP/1.1\r\nHost: x\r\n\r\n",
    "a target that is no path": "GET v1/article/1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method with odd letters": "GE(T /v1/article/1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a foreign protocol": "SOURCE /v1/article/1 ICE/1.0\r\nHost: x\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "chunk size too large": `${POST}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n`,
    "chunk size with a sign": `${POST}Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n`,
    "chunk size is no number": `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`,
    "chunk without its end": `${POST}Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n`,
    "chunk ended by LF": `${POST}Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n`,
    "an endless chunk extension": `${POST}Transfer-Encoding: chunked\r\n\r\n2;${"x".repeat(100000)}\r\n`,
    "an endless trailer": `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n${"X: y\r\n".repeat(20000)}`,
    "a length in the trailer": `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\nnonsense\r\n\r\n`,
  };
  for (const [name, bytes] of Object.entries(attacks)) {
    const follow = `${bytes}GET /v1/customer/1 HTTP/1.1\r\nHost: x\r\n\r\n`;
    const text = await api.raw(follow).catch((error) => { throw new Error(`${name}: ${error.message}`); });
    const answers = parseResponses(Buffer.from(text, "latin1"));
    assert.ok(!text.includes("ann@example.org"), `${name}: what was smuggled behind it was answered`);
    if (answers.length === 0) continue; // closed
    const last = answers.at(-1);
    assert.ok(last.status >= 400 && last.status < 600 && last.status !== 500, `${name}: ${last.status} ${last.text}`);
    if (last.text) assert.ok(last.json.error_code && last.json.correlation_id, `${name}: ${last.text}`);
    assert.match(last.headers.connection ?? "close", /close/i, name);
  }
  assert.equal((await api.sql("SELECT count(*)::int AS n FROM article WHERE id = 900"))[0].n, 0);
  await alive(api);
});

test("sizes past their limits: 414, 431, 413", async (t) => {
  const api = await shop(t);
  for (const [bytes, status] of [
    [`GET /v1/article?x=${"y".repeat(20000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414], [`GET /${"y".repeat(200000)} HTTP/1.1\r\nHost: x\r\n\r\n`, [414, 431]],
    [`${GET}X: ${"y".repeat(40000)}\r\n\r\n`, 431], [`${GET}${"X: y\r\n".repeat(200)}\r\n`, 431], [`${GET}${"x".repeat(50000)}`, 431],
    [`${POST}Content-Length: 1073741824\r\n\r\n{`, 413], [`${POST}Content-Length: 1048577\r\n\r\n{`, 413],
    [`${POST}Expect: 100-continue\r\nContent-Length: 1073741824\r\n\r\n`, [413, 417]],
    [`${POST}Transfer-Encoding: chunked\r\n\r\n40000000\r\n{`, 413],
  ]) {
    const answer = await lastWord(api, bytes);
    assert.ok([status].flat().includes(answer?.status), `${bytes.slice(0, 60)}: ${answer?.status} ${answer?.text}`);
    assert.ok(answer.json.error_code);
  }
  await alive(api);
});

test("at each limit it is still served", async (t) => {
  const api = await shop(t, { config: { http: { headers_max: 10, target_bytes_max: 256, body_bytes_max: 100 } } });
  const headers = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`X-H${i}`, "v"]));
  const send = async (n) => (await api.raw(`GET /v1/article/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${Object.keys(headers(n)).map((h) => `${h}: v\r\n`).join("")}\r\n`)).slice(9, 12);
  assert.equal(await send(8), "200");
  assert.equal(await send(9), "431");
  const target = (n) => `/v1/article/1?select=${"n".repeat(n - 21)}`;
  assert.equal((await api.get(target(256))).status, 400, "the field does not exist, but the target is taken");
  assert.equal((await api.get(target(257))).status, 414);
  const body = (n) => `{"id":910,"name":"","price":1}`.replace('""', `"${"x".repeat(n - 30)}"`);
  assert.equal(body(100).length, 100);
  await api.post("/v1/article", body(100)).expect(201);
  await api.post("/v1/article", body(101)).expect(413);
});

test("slow clients: a head, a body, a reader that creep are ended with 408 or cut", async (t) => {
  const api = await shop(t, { config: { http: { header_timeout: "300ms", body_timeout: "300ms", idle_timeout: "300ms" } } });
  const creep = async (start, pieces) => {
    const wire = await api.wire();
    await wire.send(start);
    const drip = (async () => { for (const piece of pieces) { await sleep(100); if (wire.ended) return; await wire.send(piece).catch(() => {}); } })();
    const text = await wire.rest(3000 * SLOWNESS);
    wire.close();
    await drip;
    return text;
  };
  const slow = Array.from({ length: 30 }, () => "X: y\r\n");
  const answers = await Promise.all([
    creep("GET / HT", [..."TP/1.1\r\nHost: x\r\n", ...slow]),
    creep("", []), // connects and says nothing
    creep(`${POST}Content-Length: 1000\r\n\r\n{`, []),
    creep(`${POST}Content-Length: 1000\r\n\r\n{`, Array(30).fill(" ")),
    creep(`${POST}Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n`, []),
    creep(`${GET}\r\n`, []), // answered, then idle
  ]);
  for (const i of [0, 2, 3, 4]) assert.ok(answers[i] === "" || /^HTTP\/1\.1 408 /.test(answers[i]), `${i}: ${answers[i].slice(0, 300)}`);
  assert.equal(answers[1], "");
  assert.match(answers[5], /^HTTP\/1\.1 200 /);
  assert.ok((await api.metrics())("lintel_http_timeouts_total") >= 3);
  await alive(api);
});

test("a reader that stops reading holds no memory and no connection for long", async (t) => {
  const sql = `${SHOP} INSERT INTO article SELECT n, repeat('x', 1000), 1, NULL, '{}', '{}', NULL, 0 FROM generate_series(1000, 30999) n;`;
  const api = await shop(t, { sql, config: { http: { write_timeout: "500ms" } }, app: { ...SHOP_APP, "resources/article.yaml": "table: public.article\naccess: public\nfields: {hide: [search]}\nlimits: {page_max: 100000}\n" } });
  const before = api.rss();
  const wires = await Promise.all(Array.from({ length: 4 }, () => api.wire()));
  for (const wire of wires) { wire.socket.pause(); await wire.send("GET /v1/article?limit=100000&select=id,name HTTP/1.1\r\nHost: x\r\n\r\n"); }
  await sleep(300);
  assert.ok(api.rss() - before < 64 << 20, `${(api.rss() - before) >> 20} MiB`);
  await eventually(async () => (await api.metrics())("lintel_http_requests_in_flight") <= 1, { withinMs: 5000 });
  for (const wire of wires) wire.close();
  await alive(api);
});

test("half-closed, reset and early-closed sockets", async (t) => {
  const api = await shop(t);
  assert.match(await api.raw(`${GET}\r\n`, { end: true }), /^HTTP\/1\.1 200 /, "a client may say that it sends no more and still read");
  assert.equal(await api.raw("", { end: true }), "");
  const half = await lastWord(api, "GET /v1/art", { end: true });
  assert.ok(half === null || half.status === 400);
  const short = await lastWord(api, `${POST}Content-Length: 100\r\n\r\n{"id":`, { end: true });
  assert.ok(short === null || short.status === 400, short?.text);
  for (let i = 0; i < 50; i++) {
    const wire = await api.wire();
    await wire.send([`${GET}\r\n`, `${GET}`, `${POST}Content-Length: 100\r\n\r\n{`, `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\n{`, "GET /v1/article?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n"][i % 5]);
    i % 2 ? wire.reset() : wire.close();
  }
  assert.equal((await api.sql("SELECT count(*)::int AS n FROM article"))[0].n, 6);
  await eventually(async () => (await api.metrics())("lintel_http_connections_open") <= 2);
  await alive(api);
});

test("pipelined requests are answered in order; a broken one ends the line", async (t) => {
  const api = await shop(t);
  const wire = await api.wire();
  await wire.send(Array.from({ length: 50 }, (_, i) => `GET /v1/article/${1 + (i % 6)} HTTP/1.1\r\nHost: x\r\n\r\n`).join(""));
  const answers = await wire.responses(50);
  assert.deepEqual(answers.map((answer) => answer.json.id), Array.from({ length: 50 }, (_, i) => 1 + (i % 6)));
  await wire.send(`${GET}\r\nGARBAGE\r\n\r\n${GET}\r\n`);
  await wire.rest();
  const all = parseResponses(wire.received);
  assert.equal(all.length, 52);
  assert.equal(all[50].status, 200);
  assert.equal(all[51].status, 400);
  const split = await api.wire();
  await split.drip(`${POST}Content-Length: 38\r\n\r\n{"id":920,"name":"drip_fed","price":1}${GET}\r\n`, 0);
  const two = await split.responses(2);
  assert.deepEqual(two.map((answer) => answer.status), [201, 200]);
  split.close();
});

test("JSON as deep as a well and as wide as the sea", async (t) => {
  const api = await shop(t);
  const post = (body) => api.post("/v1/article", body);
  await post("[".repeat(100000)).expect(400);
  await post(`${"[".repeat(100000)}${"]".repeat(100000)}`).expect(400);
  await post(`${'{"a":'.repeat(100000)}1${"}".repeat(100000)}`).expect(400);
  await post(`{"id":930,"name":"x","price":1,"attributes":${"[".repeat(60)}${"]".repeat(60)}}`).expect(201);
  await post(`{"id":931,"name":"x","price":1,"attributes":${"[".repeat(70)}${"]".repeat(70)}}`).expect(400);
  await post(`{"id":932,"name":"x","price":${"9".repeat(500000)}}`).expect(422);
  await post(`{"id":932,"name":"x","price":1e${"9".repeat(1000)}}`).expect([400, 422]);
  await post(`{${Array.from({ length: 50000 }, (_, i) => `"k${i}":1`).join(",")}}`).expect([413, 422]);
  await post(`[${"{},".repeat(200000)}{}]`).expect([413, 422]);
  await post(`{"${"k".repeat(500000)}":1}`).expect(422);
  await post(`[${"1,".repeat(400000)}1]`).expect([413, 422]);
  await post(`{"id":933,"name":"${"\\u0041".repeat(100000)}","price":1}`).expect(201);
  await alive(api);
});

test("invalid UTF-8 everywhere", async (t) => {
  const api = await shop(t);
  for (const bad of ["\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"]) {
    const encoded = [...bad].map((c) => `%${c.charCodeAt(0).toString(16)}`).join("");
    for (const path of [`/v1/${encoded}`, `/v1/article/${encoded}`, `/v1/article?name=eq.${encoded}`, `/v1/article?${encoded}=eq.1`, `/v1/article?select=${encoded}`, `/v1/article?order=${encoded}`, `/v1/article?or=(name.eq.${encoded})`]) {
      const reply = await api.get(path);
      assert.ok([400, 404].includes(reply.status), `${path}: ${reply.status} ${reply.text}`);
      assert.equal(Buffer.from(reply.bytes.toString("utf8"), "utf8").compare(reply.bytes), 0, "the answer is UTF-8");
    }
    assert.equal((await lastWord(api, `GET /v1/article?name=eq.${bad} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).status, 400);
    await api.post("/v1/article", Buffer.from(`{"id":940,"name":"${bad}","price":1}`, "latin1")).expect(400);
    await api.get("/v1/article/1", { "X-Request-Id": bad }).expect([200, 400]);
    await api.get("/v1/article/1", { Accept: bad, Prefer: bad, "If-None-Match": bad, traceparent: bad }).expect([200, 400]);
  }
  await alive(api);
});

test("queries of every wrong shape and size", async (t) => {
  const api = await shop(t);
  const many = (n, make) => Array.from({ length: n }, (_, i) => make(i)).join(",");
  const wrong = [
    `or=(${many(300, (i) => `id.eq.${i}`)})`, `${"and=(".replace("=", "=")}${"or(".repeat(20)}id.eq.1${")".repeat(21)}`, `id=in.(${many(2000, (i) => i)})`,
    `select=${many(600, () => "id")}`, `order=${many(40, () => "id")}`, `select=${"orders(".repeat(20)}id${")".repeat(20)}`, `attributes${"->a".repeat(30)}=eq.1`,
    "or=(", "or=)", "or=(()", "or=(id.eq.1", 'or=(id.eq."1', "select=((", "select=id)", "select=a(b", "order=id.", "order=.asc", "=", "=eq.1", "id=", "id=eq", "id=.", "id=eq.",
    "id=not.", "id=not.not.not", "limit=9223372036854775808", "limit=-9223372036854775808", "offset=9223372036854775807", "page=9223372036854775807", "after=", `after=${"A".repeat(5000)}`, `before=${"_".repeat(100)}`,
    "name=like(any).{", "name=wfts(nolang).x", "name=wfts(pg_catalog.english).x", "tags=cs.{{1},{2,3}}", "tags=cs.{\"", "sold=ov.[", "attributes=cs.{", "id=eq(any).{}x", "select=*,*", "select=...", "select=...customer", "select=a:b:c", "order=id&order=id",
  ];
  for (const part of wrong) {
    const reply = await api.get(`/v1/article?${part.replaceAll('"', "%22").replaceAll("{", "%7b").replaceAll("}", "%7d").replaceAll("[", "%5b")}`);
    assert.ok(reply.status === 400 || reply.status === 200, `${part.slice(0, 80)}: ${reply.status} ${reply.text.slice(0, 300)}`);
    if (reply.status === 400) assert.match(reply.json.error_code, /^query\.|^bad_request/, part.slice(0, 80));
  }
  const pairs = Array.from({ length: 1000 }, () => "id=gt.0").join("&");
  await api.get(`/v1/article?${pairs}`).expect([200, 400, 414]);
  await api.get(`/v1/article${"/x".repeat(4000)}`).expect([400, 404]);
  await api.get(`/v1/article${"/..".repeat(100)}/etc/passwd`).expect([400, 404]);
  for (const path of ["/v1/article/%2e%2e/customer/1", "/v1/article/../customer/1", "/v1/./article/1", "/v1//article/1", "//v1/article/1", "/v1/article%2f1", "/v1/article/1/", "/v1/article/1;x=y"]) {
    const text = await api.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`); // not tidied up by a client
    assert.match(text, /^HTTP\/1\.1 (400|404) /, path);
  }
  await alive(api);
});

test("SQL in every name and value is only ever a name or a value", async (t) => {
  const api = await shop(t);
  const fingerprint = async () => JSON.stringify(await api.sql("SELECT (SELECT count(*) FROM article)::int a, (SELECT count(*) FROM customer)::int c, (SELECT count(*) FROM secret)::int s, (SELECT count(*) FROM pg_class)::int k"));
  const before = await fingerprint();
  const attacks = ["'; DROP TABLE article; --", "' OR '1'='1", '" OR 1=1 --', "1); DELETE FROM article; --", "\\'; SELECT pg_sleep(5); --", "$$; DROP TABLE secret; $$", "x' UNION SELECT note FROM secret --", "1 OR (SELECT 1 FROM pg_sleep(5)) IS NOT NULL",
    "id) FROM secret; --", "(SELECT note FROM secret)", "pg_sleep(5)", "%27%3b DROP TABLE article", "\u02bc OR 1=1", "E'\\x27'", "{}'::text; --", "/*", "a\"b", "x::text; select 1", "public.secret", "pg_catalog.pg_authid", "\u0000' OR 1=1"];
  const started = Date.now();
  let asked = 0;
  for (const attack of attacks) {
    const e = encodeURIComponent(attack), quoted = encodeURIComponent(`"${attack.replace(/["\\]/g, "\\$&")}"`);
    const paths = [`/v1/${e}`, `/v1/article/${e}`, `/v1/order_line/1/${e}`, `/v1/article?name=eq.${e}`, `/v1/article?id=eq.${e}`, `/v1/article?name=in.(${quoted})`, `/v1/article?name=like.${e}`, `/v1/article?name=match.${e}`,
      `/v1/article?tags=cs.{${quoted}}`, `/v1/article?${e}=eq.1`, `/v1/article?${quoted}=eq.1`, `/v1/article?select=${e}`, `/v1/article?select=${quoted}`, `/v1/article?select=x:${quoted}`, `/v1/article?select=${quoted}:id`, `/v1/article?select=id::${quoted}`,
      `/v1/article?select=attributes->${quoted}`, `/v1/article?attributes->>${quoted}=eq.1`, `/v1/article?order=${e}`, `/v1/article?order=${quoted}.desc`, `/v1/article?order=attributes->>${quoted}`, `/v1/orders?select=customer!${quoted}(id)`,
      `/v1/article?limit=${e}`, `/v1/article?offset=${e}`, `/v1/article?after=${e}`, `/v1/article?count=${e}`, `/v1/article?name=wfts(${e}).x`, `/v1/article?name=wfts.${e}`, `/v1/article?name=is.${e}`, `/v1/article?sold=ov.${e}`, `/v1/article?or=(name.eq.${quoted})`];
    for (const path of paths) {
      const reply = await api.get(path);
      asked++;
      assert.ok([200, 400, 404].includes(reply.status), `${decodeURIComponent(path)}: ${reply.status} ${reply.text.slice(0, 300)}`);
      assert.ok(!reply.text.includes("never shown"), decodeURIComponent(path));
      if (reply.status === 200 && reply.json.data && /name=eq|in\.|\/v1\/article\?id=eq/.test(path)) assert.deepEqual(reply.json.data, [], decodeURIComponent(path));
    }
    for (const body of [{ id: 950, name: attack, price: 1 }, { id: 950, name: "x", price: 1, [attack]: 1 }, { id: attack, name: "x", price: 1 }, { id: 950, name: "x", price: 1, tags: [attack], attributes: { [attack]: attack } }]) {
      const reply = await api.post("/v1/article", body);
      assert.ok([201, 422].includes(reply.status), `${JSON.stringify(body)}: ${reply.status} ${reply.text}`);
      if (reply.status === 201) {
        assert.equal(reply.json.name, body.name);
        if (body.tags) assert.deepEqual([reply.json.tags, reply.json.attributes], [body.tags, body.attributes]);
        await api.delete("/v1/article/950").expect(204);
      }
    }
    await api.patch(`/v1/article/${e}`, { name: "x" }).expect([404, 400]);
    await api.delete(`/v1/article/${e}`).expect([404, 400]);
    await api.get("/v1/customer/1", { "If-None-Match": `"${attack.replace(/[^\x20-\x7e]/g, "")}"` }).expect([200, 400]);
    await api.patch("/v1/customer/1", { credit: 1 }, { "If-Match": `"${attack.replace(/[^\x21-\x7e]/g, "").replaceAll('"', "")}.00000000"` }).expect([412, 400]);
  }
  assert.ok(Date.now() - started < 20000 * SLOWNESS, `${asked} attacks in ${Date.now() - started} ms: none slept`);
  assert.equal(await fingerprint(), before);
  await alive(api);
});

test("patterns that would never end are stopped by the deadline", async (t) => {
  const sql = `${SHOP} INSERT INTO article SELECT n, repeat('a', 5000), 1, NULL, '{}', '{}', NULL, 0 FROM generate_series(2000, 2100) n;`;
  const api = await shop(t, { sql, config: { http: { request_timeout: "500ms" } } });
  const started = Date.now();
  await api.get(`/v1/article?name=match.${encodeURIComponent("(a*)*(a*)*(a*)*b\\1")}`).expect([504, 200, 400]);
  assert.ok(Date.now() - started < 3000 * SLOWNESS);
  await alive(api);
});

test("more connections than allowed: the next is told so, the others stay", async (t) => {
  const api = await shop(t, { config: { http: { connections_max: 20 } } });
  const wires = [];
  for (let i = 0; i < 30; i++) wires.push(await api.wire());
  await sleep(100);
  const refused = wires.filter((wire) => wire.ended);
  assert.ok(refused.length >= 9, `${refused.length} refused`);
  for (const wire of refused) assert.ok(wire.text === "" || /^HTTP\/1\.1 503 /.test(wire.text), wire.text);
  const open = wires.find((wire) => !wire.ended);
  await open.send(`${GET}\r\n`);
  assert.equal((await open.responses(1))[0].status, 200);
  for (const wire of wires) wire.close();
  await eventually(() => alive(api).then(() => true), { withinMs: 3000 });
});

test("random bytes, thousands of them, on many connections", async (t) => {
  const api = await shop(t);
  let seed = 20240131;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
  const pieces = ["GET ", "POST ", "/v1/article", " HTTP/1.1", "\r\n", "\n", "\r", "Host: x", "Content-Length: ", "Transfer-Encoding: chunked", ": ", "0", "99", "\r\n\r\n", "{", "}", "\0", "\xff", "?id=eq.1", "%", "%00", "5\r\nabcde\r\n", "0\r\n\r\n", ";", "Expect: 100-continue\r\n", "Connection: keep-alive, upgrade\r\n", "Upgrade: h2c\r\n"];
  await Promise.all(Array.from({ length: 300 }, async () => {
    const bytes = Array.from({ length: 1 + Math.floor(random() * 40) }, () => pieces[Math.floor(random() * pieces.length)]).join("");
    const wire = await api.wire().catch(() => null);
    if (!wire) return;
    await wire.send(random() < 0.5 ? `${GET}\r\n${bytes}` : bytes);
    wire.halfClose();
    await wire.rest(3000 * SLOWNESS);
    wire.close();
  }));
  await alive(api);
  await eventually(async () => (await api.metrics())("lintel_http_connections_open") <= 2, { withinMs: 3000 });
});
