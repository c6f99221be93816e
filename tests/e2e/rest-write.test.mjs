// Writing over REST: what is refused and how it is said, what is written and what comes back. Nothing is written when refused.
import { assert, serve, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP } from "../lib/databases.mjs";

const shop = (t, options = {}) => serve(t, { sql: SHOP, app: SHOP_APP, ...options });
const count = async (api, table) => (await api.sql(`SELECT count(*)::int AS n FROM ${table}`))[0].n;
const pointers = (reply) => [...new Set(reply.json.details.map((detail) => detail.pointer))].sort();
const merge = { "Content-Type": "application/merge-patch+json" };

test("create one: 201, Location, the row as it is now", async (t) => {
  const api = await shop(t);
  const made = await api.post("/v1/customer", { name: "Cy", email: "cy@example.org", credit: 10.10 })
    .expect(201, { Location: /^\/v1\/customer\/\d+$/, ETag: /^"/, name: "Cy", country: null, active: true, version: 1, created_at: /^2024/ });
  assert.match(made.text, /"credit":10\.10/);
  await api.get(made.header("location")).expect(200).expectBody(made.json);
  await api.post("/v1/order_line", { order_id: 4, line: 7, article_id: 1, quantity: 1 }).expect(201, { Location: "/v1/order_line/4/7" });
  await api.post("/v1/customer", { name: "Dee", email: "dee@example.org" }, { Prefer: "return=minimal" })
    .expect(201, { Location: /^\/v1\/customer\/\d+$/, "Preference-Applied": "return=minimal" }).expectBody("");
  await api.post("/v1/customer?select=name", { name: "Eve", email: "eve@example.org" }).expect(201).expectBody({ name: "Eve" });
  await api.post("/v1/orders?select=state,customer(name)", { customer_id: 2 }).expect(201).expectBody({ state: "new", customer: { name: "Bob" } });
});

test("create many: all or none", async (t) => {
  const api = await shop(t);
  const many = await api.post("/v1/article", [{ id: 50, name: "a", price: 1 }, { id: 51, name: "b", price: 2, tags: ["x", "y,z", null] }]).expect(201, { "data.1.tags": ["x", "y,z", null] });
  assert.deepEqual(many.json.data.map((row) => row.id), [50, 51]);
  const before = await count(api, "article");
  const wrong = await api.post("/v1/article", [{ id: 60, name: "c", price: 1 }, { id: 61, price: 0 }, { id: "x", name: "d", price: 1, nope: 1 }])
    .expect(422, { error_code: "validation.failed" });
  assert.deepEqual(pointers(wrong), ["/1/name", "/1/price", "/2/id", "/2/nope"]);
  await api.post("/v1/article", [{ id: 60, name: "c", price: 1 }, { id: 50, name: "again", price: 1 }]).expect(409, { error_code: "conflict.unique" });
  assert.equal(await count(api, "article"), before);
  await api.post("/v1/article", []).expect([201, 422]);
  assert.equal(await count(api, "article"), before);
});

test("every violation at once, with its pointer, before the database is asked", async (t) => {
  const api = await shop(t);
  const before = await count(api, "customer");
  const wrong = await api.post("/v1/customer", { name: "", email: null, country: "AUT", mood: "grumpy", credit: 123456789.123, active: "yes", version: 1.5, created_at: "2024-01-01T00:00:00Z", "a/b~c": 1 })
    .expect(422, { error_code: "validation.failed", message: /\d/ });
  assert.deepEqual(pointers(wrong), ["/active", "/a~1b~0c", "/country", "/created_at", "/credit", "/email", "/mood", "/name", "/version"]);
  for (const detail of wrong.json.details) assert.ok(detail.code && detail.message, JSON.stringify(detail));
  await api.post("/v1/customer", {}).expect(422, { details: (all) => all.length === 2 && all.every((d) => d.code === "required") });
  await api.post("/v1/customer", { nmae: "x", email: "x@y" }).expect(422, { details: (all) => all.some((d) => d.pointer === "/nmae" && /name/.test(d.message)) });
  for (const [field, value] of [["price", "12"], ["price", true], ["price", 1e9], ["price", 0], ["id", 2147483648], ["id", 1.5], ["id", "1"], ["id", null], ["weight", "heavy"], ["tags", "x"], ["tags", [1]], ["tags", { a: 1 }],
    ["sold", "2024"], ["sold", { lower: "2024-13-01" }], ["name", 5], ["name", ["x"]], ["search", "x"], ["order", null]]) {
    const body = { id: 90, name: "n", price: 1, [field]: value };
    const reply = await api.post("/v1/article", body);
    assert.equal(reply.status, 422, `${field}: ${JSON.stringify(value)} gave ${reply.status} ${reply.text}`);
    assert.ok(reply.json.details.some((detail) => detail.pointer.startsWith(`/${field}`)), `${field}: ${reply.text}`);
  }
  await api.post("/v1/customer", { name: "n", email: "no-at-sign" }).expect(422, { "details.0.pointer": "/email" }); // a pattern: only PostgreSQL judges it
  await api.post("/v1/orders", { customer_id: 1, state: "lost" }).expect(422, { "details.0.pointer": "/state" });
  for (const body of [null, 5, "x", true]) await api.post("/v1/customer", JSON.stringify(body)).expect(422);
  await api.post("/v1/customer", [5]).expect(422, { "details.0.pointer": "/0" });
  assert.equal(await count(api, "customer"), before);
  assert.equal(await count(api, "article"), 6);
});

test("what only the database can judge names the field too", async (t) => {
  const api = await shop(t);
  const taken = await api.post("/v1/customer", { name: "Ann", email: "ann@example.org" }).expect(409, { error_code: "conflict.unique", "details.0.pointer": "/email" });
  for (const inside of ["customer_email_key", "constraint", "INSERT", "public", "ann@example.org"]) assert.ok(!taken.text.includes(inside), `${inside} is not sent: ${taken.text}`);
  await api.post("/v1/orders", { customer_id: 999 }).expect(409, { error_code: "conflict.foreign_key", "details.0.pointer": "/customer_id" });
  await api.post("/v1/order_line", { order_id: 1, line: 1, article_id: 1, quantity: 1 }).expect(409, { error_code: "conflict.unique", details: (all) => all.map((d) => d.pointer).includes("/order_id") });
  await api.delete("/v1/customer/1").expect(409, { error_code: "conflict.foreign_key" });
  await api.patch("/v1/customer/2", { email: "ann@example.org" }).expect(409, { "details.0.pointer": "/email" });
  await api.patch("/v1/order_line/1/1", { article_id: 77 }).expect(409, { "details.0.pointer": "/article_id" });
  assert.equal(await count(api, "customer"), 3);
});

test("merge patch: absent fields stay, null is NULL, an empty patch changes nothing", async (t) => {
  const api = await shop(t);
  await api.patch("/v1/customer/1", { country: "CH", mood: null }, merge).expect(200, { id: 1, name: "Ann", country: "CH", mood: null, credit: 100.5 });
  await api.patch("/v1/customer/1", { country: "AT" }).expect(200, { country: "AT" }); // application/json is fine too
  await api.patch("/v1/customer/1", {}).expect(200, { name: "Ann" });
  await api.patch("/v1/customer/1", { name: null }).expect(422, { "details.0.pointer": "/name" });
  await api.patch("/v1/customer/1", { credit: -1 }).expect(422, { "details.0.pointer": "/credit" });
  await api.patch("/v1/customer/1", { created_at: "2020-01-01T00:00:00Z" }).expect(422, { "details.0.pointer": "/created_at" });
  await api.patch("/v1/customer/77", { name: "x" }).expect(404, { error_code: "not_found" });
  await api.patch("/v1/customer/x", { name: "x" }).expect(404);
  await api.patch("/v1/customer/1", [{ name: "x" }]).expect(422);
  await api.patch("/v1/customer", { name: "x" }).expect(405);
  await api.patch("/v1/order_line/1/2", { quantity: 3 }).expect(200, { order_id: 1, line: 2, quantity: 3 });
  await api.patch("/v1/article/1", { attributes: { deep: { er: [1, 2.50, null, "x"] } } }).expect(200, { attributes: { deep: { er: [1, 2.5, null, "x"] } } });
  await api.patch("/v1/article/1?select=id", { sold: { lower: "2024-02-01", upper: null, bounds: "[)" } }, { Prefer: "return=representation" })
    .expect(200, { "Preference-Applied": "return=representation" }).expectBody({ id: 1 });
  await api.get("/v1/article/1?select=sold").expect(200).expectBody({ sold: { lower: "2024-02-01", upper: null, bounds: "[)" } });
  await api.patch("/v1/article/1", { name: "x" }, { Prefer: "return=minimal" }).expect(204);
});

test("put replaces the whole row, or creates it where upsert is allowed", async (t) => {
  const api = await serve(t, {
    sql: SHOP,
    app: { ...SHOP_APP, "resources/category.yaml": "table: public.category\naccess: public\noperations: [list, get, replace]\n" },
  });
  await api.put("/v1/article/1", { name: "lamp", price: 5 }).expect(200, { id: 1, name: "lamp", price: 5, weight: null, tags: [], attributes: {}, order: 0 });
  await api.put("/v1/article/70", { name: "new", price: 6 }).expect(201, { id: 70, name: "new" });
  await api.put("/v1/article/70", { id: 70, name: "same", price: 6 }).expect(200, { name: "same" });
  await api.put("/v1/article/70", { id: 71, name: "other", price: 6 }).expect(422, { "details.0.pointer": "/id" });
  await api.put("/v1/article/1", { price: 5 }).expect(422, { "details.0.pointer": "/name" });
  await api.put("/v1/category/99", { name: "x" }).expect(404);
  await api.put("/v1/category/2", { name: "lights" }).expect(200, { id: 2, parent_id: null, name: "lights" });
  await api.put("/v1/order_line/4/1", { article_id: 1, quantity: 9 }).expect(201, { order_id: 4, line: 1, quantity: 9 });
});

test("post upserts by key when preferred and allowed", async (t) => {
  const api = await serve(t, { sql: SHOP, app: { ...SHOP_APP, "resources/category.yaml": "table: public.category\naccess: public\noperations: [list, get, create]\n" } });
  const mergeDuplicates = { Prefer: "resolution=merge-duplicates" };
  await api.post("/v1/article", { id: 1, name: "lamp", price: 3 }, mergeDuplicates).expect([200, 201], { id: 1, name: "lamp" });
  await api.post("/v1/article", [{ id: 1, name: "lamp 2", price: 4 }, { id: 80, name: "n", price: 4 }], mergeDuplicates).expect([200, 201]);
  assert.equal(await count(api, "article"), 7);
  await api.get("/v1/article/1").expect(200, { name: "lamp 2", price: 4 });
  await api.post("/v1/article", [{ id: 1, name: "ignored", price: 4 }, { id: 81, name: "n", price: 4 }], { Prefer: "resolution=ignore-duplicates" }).expect([200, 201]);
  await api.get("/v1/article/1").expect(200, { name: "lamp 2" });
  await api.get("/v1/article/81").expect(200);
  await api.post("/v1/article", { id: 1, name: "ignored", price: 4 }, { Prefer: "resolution=ignore-duplicates" }).expect([200, 204]);
  await api.post("/v1/category", { id: 1, name: "x" }, mergeDuplicates).expect(405);
});

test("delete: 204, then 404; a cascade goes with it", async (t) => {
  const api = await shop(t);
  await api.delete("/v1/orders/1").expect(204).expectBody("");
  await api.delete("/v1/orders/1").expect(404);
  assert.equal(await count(api, "order_line WHERE order_id = 1"), 0);
  await api.delete("/v1/order_line/2/1", { Prefer: "return=representation" }).expect(200, { order_id: 2, line: 1 });
  await api.delete("/v1/orders").expect(405);
});

test("versions: a change under a condition is made once, and 412 says that somebody was faster", async (t) => {
  const api = await serve(t, {
    sql: `${SHOP} CREATE FUNCTION bump() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.version := old.version + 1; RETURN new; END';
          CREATE TRIGGER bump BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION bump();`,
    app: { ...SHOP_APP, "resources/strict.yaml": "table: public.customer\naccess: public\noperations: [get, update, delete]\nversion: {column: version, required: true}\n" },
  });
  const first = await api.get("/v1/customer/1").expect(200, { ETag: /^"[^"]+"$/ });
  const tag = first.header("etag");
  await api.get("/v1/customer/1", { "If-None-Match": tag }).expect(304, { ETag: tag }).expectBody("");
  await api.get("/v1/customer/1", { "If-None-Match": `"other", W/${tag}` }).expect(304);
  await api.get("/v1/customer/1", { "If-None-Match": "*" }).expect(304);
  await api.get("/v1/customer/1", { "If-None-Match": '"other"' }).expect(200);
  assert.notEqual((await api.get("/v1/customer/1?select=id")).header("etag"), tag, "another representation, another tag");
  const second = await api.patch("/v1/customer/1", { credit: 1 }, { "If-Match": tag }).expect(200, { version: 2, ETag: (etag) => etag !== tag });
  await api.patch("/v1/customer/1", { credit: 2 }, { "If-Match": tag }).expect(412, { error_code: "precondition.failed" });
  await api.put("/v1/customer/1", { name: "Ann", email: "ann@example.org" }, { "If-Match": tag }).expect(412);
  await api.delete("/v1/customer/1", { "If-Match": tag }).expect(412);
  await api.patch("/v1/customer/1", { credit: 2 }, { "If-Match": `W/${second.header("etag")}` }).expect(412); // If-Match is strong
  await api.get("/v1/customer/1").expect(200, { credit: 1, version: 2, ETag: second.header("etag") });
  await api.patch("/v1/customer/1", { credit: 2 }, { "If-Match": second.header("etag") }).expect(200, { version: 3 });
  await api.patch("/v1/customer/1", { credit: 3 }, { "If-Match": "*" }).expect(200, { version: 4 });
  await api.patch("/v1/customer/99", { credit: 3 }, { "If-Match": tag }).expect([404, 412]);
  await api.patch("/v1/customer/99", { credit: 3 }, { "If-Match": "*" }).expect([404, 412]);

  await api.patch("/v1/strict/1", { credit: 5 }).expect(428, { error_code: "precondition.required" });
  await api.delete("/v1/strict/2").expect(428);
  const now = (await api.get("/v1/strict/1").expect(200)).header("etag");
  await api.patch("/v1/strict/1", { credit: 5 }, { "If-Match": now }).expect(200, { credit: 5 });
  await api.patch("/v1/strict/1", { credit: 6 }, { "If-Match": "rubbish" }).expect([400, 412]);

  const racers = (await api.get("/v1/customer/2").expect(200)).header("etag");
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => api.patch("/v1/customer/2", { credit: i }, { "If-Match": racers })));
  assert.deepEqual(outcomes.map((reply) => reply.status).sort(), [200, ...Array(19).fill(412)]);
});

test("bodies that are not what they should be", async (t) => {
  const api = await shop(t, { config: { http: { body_bytes_max: 4096 } } });
  const post = (body, headers) => api.post("/v1/article", body, headers);
  for (const [body, message] of [["", /./], ["{", /line 1/], ['{"id":1,}', /line 1/], ["{'id':1}", /./], ['{"id":01}', /./], ['{"id":1} x', /./], ["\ufeff{}", /./], ["nul", /./],
    [Buffer.from('{"name":"\xff"}', "latin1"), /./], ['{"name":"\\ud800"}', /./], ['{"id":1,"id":2}', /twice/], ['{"id":1,"\\u0069d":2}', /twice/], [`${"[".repeat(100)}${"]".repeat(100)}`, /inside each other/]]) {
    await post(body).expect(400, { error_code: "bad_request", message });
  }
  await post('{"id":200,"name":"a\\u0000b","price":1}').expect(422, { "details.0.pointer": "/name" }); // PostgreSQL cannot hold NUL
  await post('{"id":200,"name":"n","price":1,"attributes":{"k":"\\u0000"}}').expect(422, { details: (all) => all.some((d) => d.pointer.startsWith("/attributes")) });
  await post("id=1", { "Content-Type": "application/x-www-form-urlencoded" }).expect(415, { error_code: "media_type" });
  await post('{"id":1}', { "Content-Type": null }).expect(415);
  await post('{"id":201,"name":"x","price":1}', { "Content-Type": "application/json; charset=utf-8" }).expect(201);
  await post('{"id":202,"name":"x","price":1}', { "Content-Type": "APPLICATION/JSON" }).expect(201);
  await post('{"id":1}', { "Content-Type": "application/merge-patch+json" }).expect(415);
  await api.patch("/v1/article/1", "x", { "Content-Type": "text/plain" }).expect(415, { "Accept-Patch": /merge-patch/ });
  await post({ id: 203, name: "x".repeat(5000), price: 1 }).expect(413, { error_code: "body_too_large" });
  await post((async function* () { for (let i = 0; i < 100; i++) yield " ".repeat(100); })()).expect(413);
  await post({ id: 204, name: "x".repeat(3900), price: 1 }).expect(201);
  await api.post("/v1/article?price=eq.1", { id: 205, name: "x", price: 1 }).expect(400, { message: /price/ });
  await post({ id: 206, name: "x", price: 1 }, { Prefer: "handling=strict, teleport=now" }).expect(400, { message: /teleport/ });
  await post({ id: 206, name: "x", price: 1 }, { Prefer: "teleport=now" }).expect(201);
  const rows = (await api.sql("SELECT id FROM article WHERE id >= 200 ORDER BY id")).map((row) => row.id);
  assert.deepEqual(rows, [201, 202, 204, 206], "what was refused was not written");
});

test("triggers and functions find what their schema holds, as they do for any client of the database", async (t) => {
  const sql = `${SHOP} CREATE TABLE journal (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO journal (what) VALUES (TG_OP || '' '' || new.name); RETURN new; END';
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON category FOR EACH ROW EXECUTE FUNCTION note();
    CREATE FUNCTION noted(text) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM journal WHERE what LIKE ''%'' || $1); END';
    CREATE VIEW categories AS SELECT id, name, noted(name) AS times FROM category;`;
  const api = await shop(t, { sql, app: { ...SHOP_APP, "resources/categories.yaml": "table: public.categories\naccess: public\nkey: [id]\n" } });
  await api.post("/v1/category", { id: 9, name: "new" }).expect(201);
  await api.patch("/v1/category/9", { name: "newer" }).expect(200);
  assert.deepEqual((await api.sql("SELECT what FROM journal ORDER BY id")).map((row) => row.what), ["INSERT new", "UPDATE newer"]);
  await api.get("/v1/categories/9").expect(200, { name: "newer", times: 1 });
});

test("bulk has its limit, and one past it", async (t) => {
  const api = await serve(t, { sql: SHOP, app: { ...SHOP_APP, "resources/article.yaml": "table: public.article\naccess: public\noperations: [create]\nlimits: {bulk: 3}\n" } });
  const rows = (n, from) => Array.from({ length: n }, (_, i) => ({ id: from + i, name: "n", price: 1 }));
  await api.post("/v1/article", rows(3, 300)).expect(201);
  await api.post("/v1/article", rows(4, 310)).expect(422, { "details.0": { pointer: "", code: "too_many", message: /3/ } });
  assert.equal(await count(api, "article WHERE id >= 300"), 3);
});

test("every kind of value goes in and comes out as it was", async (t) => {
  const columns = {
    a_bool: ["boolean", true], a_int2: ["smallint", -32768], a_int8: ["bigint", 9007199254740991], a_numeric: ["numeric", 1.5], a_text: ["text", "ü\n\"\\\u2028😀"], a_char: ["char(3)", "abc"],
    a_real: ["real", 1.5], a_double: ["double precision", "-Infinity"], a_bytea: ["bytea", "AP8Q"], a_date: ["date", "2024-02-29"], a_time: ["time", "23:59:59.5"],
    a_ts: ["timestamp", "2024-02-29T23:59:59.000001"], a_tstz: ["timestamptz", "2024-02-29T22:59:59+00:00"], a_interval: ["interval", "P1Y2M3DT4H5M6.5S"],
    a_uuid: ["uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], a_inet: ["inet", "10.0.0.1"], a_json: ["json", { a: [1, { b: null }] }], a_jsonb: ["jsonb", [true, "x"]],
    a_ints: ["integer[]", [[1, 2], [3, null]]], a_texts: ["text[]", ["a,b", 'q"', "\\", "NULL", null, ""]], a_range: ["int4range", { lower: 1, upper: 5, bounds: "[)" }],
    a_empty: ["daterange", { empty: true }], a_multi: ["nummultirange", [{ lower: 1, upper: 2, bounds: "[)" }]], a_pair: ["pair", { x: 1, y: "two (2)" }], a_pairs: ["pair[]", [{ x: null, y: "a" }]],
    a_enum: ["mood", "sad"], a_domain: ["email", "a@b"], a_bits: ["bit(3)", "101"], a_point: ["point", "(1,2)"],
  };
  const sql = `CREATE TYPE pair AS (x integer, y text); CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN email AS text CHECK (value LIKE '%@%');
    CREATE TABLE kinds (id integer PRIMARY KEY, ${Object.entries(columns).map(([name, [type]]) => `${name} ${type}`).join(", ")});`;
  const api = await serve(t, { sql, app: { "resources/kinds.yaml": "table: public.kinds\naccess: public\noperations: [list, get, create, update, replace]\n" } });
  const body = Object.fromEntries(Object.entries(columns).map(([name, [, value]]) => [name, value]));
  await api.post("/v1/kinds", { id: 1, ...body }).expect(201).expectBody({ id: 1, ...body });
  await api.get("/v1/kinds/1").expect(200).expectBody({ id: 1, ...body });
  await api.post("/v1/kinds", { id: 2 }).expect(201);
  await api.patch("/v1/kinds/2", body).expect(200).expectBody({ id: 2, ...body });
  await api.patch("/v1/kinds/2", Object.fromEntries(Object.keys(body).map((name) => [name, null]))).expect(200, { a_json: null, a_range: null });
  const exact = '{"id":3,"a_numeric":123456789012345678901234567890.123456789,"a_int8":9223372036854775807,"a_json":{"n":1.10,"a":1,"a":2}}';
  const duplicates = await api.post("/v1/kinds", exact);
  assert.equal(duplicates.status, 400, "duplicate keys are refused at any depth");
  const kept = await api.post("/v1/kinds", exact.replace(',"a":1', "")).expect(201);
  assert.match(kept.text, /123456789012345678901234567890\.123456789/);
  assert.match(kept.text, /9223372036854775807/);
  assert.match(kept.text, /1\.10/);
});
