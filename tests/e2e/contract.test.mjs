// What OpenAPI and RFC 9110 promise a client that nobody here wrote: what is answered is documented, and what is documented is so.
import { SHOP, SHOP_APP, nasty } from "../lib/databases.mjs";
import { Frames, assert, lintel, parseResponses, serve, test } from "../lib/lintel.mjs";

const shop = (t, app = {}) => serve(t, { sql: SHOP, app: { ...SHOP_APP, ...app } });
const all = "operations: [list, get, create, update, replace, upsert, delete]\n";
const deref = (document, value) => (value?.$ref ? deref(document, value.$ref.slice(2).split("/").reduce((at, step) => at[step], document)) : value);
const pointers = (reply) => reply.json.details.map((detail) => detail.pointer);

test("PUT with If-Match never creates, whatever the resource's version", async (t) => {
  const api = await shop(t);
  const row = { name: "N", email: "n@example.org" };
  await api.put("/v1/customer/77", row, { "If-Match": "*" }).expect(412, { error_code: "precondition.failed" });
  await api.put("/v1/customer/77", row, { "If-Match": '"1.38d394c2"' }).expect(412);
  await api.put("/v1/category/77", { name: "x" }, { "If-Match": "*" }).expect(412); // without a version
  assert.deepEqual(await api.sql("SELECT id FROM customer WHERE id = 77 UNION ALL SELECT id FROM category WHERE id = 77"), []);
  await api.put("/v1/category/4", { name: "tables!" }, { "If-Match": "*" }).expect(200, { name: "tables!" });
  await api.put("/v1/category/78", { name: "x" }).expect(201);
});

test("If-Match with a tag, where rows have no version, changes nothing", async (t) => {
  const api = await shop(t);
  await api.patch("/v1/category/4", { name: "no" }, { "If-Match": '"1.38d394c2"' }).expect(412);
  await api.delete("/v1/category/4", { "If-Match": '"x"' }).expect(412);
  await api.get("/v1/category/4").expect(200, { name: "tables" });
  await api.patch("/v1/category/4", { name: "yes" }, { "If-Match": "*" }).expect(200);
  await api.patch("/v1/category/99", { name: "no" }, { "If-Match": "*" }).expect(404);
});

test("what only the database refuses of an array is told at its row, or at none", async (t) => {
  const api = await shop(t);
  const article = (id, more) => ({ id, name: "n", price: 1, ...more });
  const customer = (email) => ({ name: "n", email });
  let reply = await api.post("/v1/article", [article(60), article(61), article(2)]).expect(409);
  assert.deepEqual(pointers(reply), ["/2/id"]);
  reply = await api.post("/v1/article", [article(60), article(61), article(60)]).expect(409);
  assert.deepEqual(pointers(reply), ["/2/id"]); // the second of two alike
  reply = await api.post("/v1/order_line", [{ order_id: 2, line: 7, article_id: 1, quantity: 1 }, { order_id: 1, line: 2, article_id: 1, quantity: 1 }]).expect(409);
  assert.deepEqual(pointers(reply), ["/1/order_id", "/1/line"]);
  reply = await api.post("/v1/orders", [{ customer_id: 1 }, { customer_id: 999 }]).expect(409);
  assert.deepEqual(pointers(reply), ["/1/customer_id"]);
  reply = await api.post("/v1/customer", [customer("no-at-sign")]).expect(422);
  assert.deepEqual(pointers(reply), ["/0/email"]);
  reply = await api.post("/v1/customer", [customer("a@b"), customer("no-at-sign")]).expect(422);
  assert.deepEqual(reply.json.details.map(({ pointer, code, message }) => ({ pointer, code, message })), [{ pointer: "", code: "check", message: "email, in one of the rows: breaks a rule of its type" }]);
  reply = await api.post("/v1/customer", customer("no-at-sign")).expect(422);
  assert.deepEqual(pointers(reply), ["/email"]);
});

test("a key that PostgreSQL alone gives: upsert is refused by check, and behind a view it is the client's fault", async (t) => {
  const sql = `CREATE TABLE thing (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text); CREATE VIEW seen AS SELECT id, name FROM thing;
    CREATE TABLE empty (); INSERT INTO thing (name) VALUES ('a')`;
  const app = { "resources/seen.yaml": "table: public.seen\naccess: public\noperations: [list, create]\n", "resources/empty.yaml": "table: public.empty\naccess: public\noperations: [list, create]\n",
    "resources/thing.yaml": `table: public.thing\naccess: public\n${all.replace(", upsert", "")}` };
  const api = await serve(t, { sql, app });
  const reply = await api.post("/v1/seen", { id: 7, name: "x" }).expect(422, { error_code: "validation.failed", "details.0.code": "read_only" });
  assert.deepEqual(pointers(reply), ["/id"]);
  await api.post("/v1/seen", { name: "x" }).expect(201);
  await api.put("/v1/thing/1", { name: "b" }).expect(200, { name: "b" });
  await api.put("/v1/thing/99", { name: "b" }).expect(404);
  await api.post("/v1/empty", [{}, {}, {}]).expect(201, { data: [{}, {}, {}] }); // rows without a column
  await api.post("/v1/empty", {}).expect(201);
  assert.deepEqual(await api.sql("SELECT count(*)::int AS n FROM empty"), [{ n: 4 }]);
  api.write("resources/thing.yaml", `table: public.thing\naccess: public\n${all}`);
  const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.match(checked.stdout + checked.stderr, /resources\/thing\.yaml:3:13: error: upsert is not possible: only PostgreSQL gives id its value/);
});

test("a key that names a row of a table and one of a table that inherits it: the answer is one object", async (t) => {
  const sql = "CREATE TABLE animal (id int PRIMARY KEY, name text); CREATE TABLE dog () INHERITS (animal); INSERT INTO animal VALUES (1, 'a'); INSERT INTO dog VALUES (1, 'b')";
  const api = await serve(t, { sql, app: { "resources/animal.yaml": `table: public.animal\naccess: public\n${all}` } });
  const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.match(checked.stdout, /resources\/animal\.yaml:3:\d+: warning: a key of animal may also name rows of the tables that inherit from it/);
  await api.patch("/v1/animal/1", { name: "c" }).expect(200).expectBody({ id: 1, name: "c" });
  await api.delete("/v1/animal/1", { Prefer: "return=representation" }).expect(200).expectBody({ id: 1, name: "c" });
});

test("bodies under a coding, and with two types, are not read as if they were plain", async (t) => {
  const api = await shop(t, { "queries/echo.sql": "/* route: POST /v1/echo\n   access: public\n   result: one */ select :word::text as word" });
  for (const [path, body] of [["/v1/category", { id: 70, name: "x" }], ["/v1/category?dry_run=validate", { id: 70, name: "x" }], ["/v1/echo", { word: "x" }]]) {
    for (const coding of ["gzip", "br", "identity, gzip", "x"]) await api.post(path, body, { "Content-Encoding": coding }).expect(415, { error_code: "media_type", "Accept-Encoding": "identity" });
    await api.post(path, body, { "Content-Encoding": "Identity" }).expect([200, 201]);
  }
  const text = await api.raw('POST /v1/category HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"id":71,"name":"x"}');
  assert.equal(parseResponses(Buffer.from(text, "latin1"))[0].status, 415);
  assert.deepEqual(await api.sql("SELECT id FROM category WHERE id = 71"), []);
});

test("405 names the methods that there are, also where only the preference is refused", async (t) => {
  const api = await shop(t, { "resources/plain.yaml": "table: public.category\nname: plain\naccess: public\noperations: [list, create]\n", "resources/drop.yaml": "table: public.category\nname: drop\naccess: public\noperations: [create]\n" });
  const merge = { Prefer: "resolution=merge-duplicates" };
  await api.post("/v1/plain", { id: 1, name: "x" }, merge).expect(405, { error_code: "operation_not_allowed", Allow: "GET, HEAD, POST, OPTIONS" });
  await api.post("/v1/drop", { id: 1, name: "x" }, merge).expect(405, { Allow: "POST, OPTIONS" });
  await api.put("/v1/plain", {}).expect(405, { Allow: "GET, HEAD, POST, OPTIONS" });
});

test("HTTP/2: an :authority that names a user, or no host at all, resets its stream", async (t) => {
  const api = await shop(t);
  const frames = await Frames.open(api.port);
  t.after(() => frames.wire.close());
  let stream = 1;
  for (const authority of ["a@x", "x/y", "x:port", "[::1", "x y"]) {
    await frames.request(stream, "/v1/category/1", { pseudo: { ":authority": authority } });
    await frames.until((f) => f.reset(stream) === 1, `${authority}`);
    stream += 2;
  }
  await frames.request(stream, "/v1/category/1", { pseudo: { ":authority": "[::1]:80" } });
  await frames.until((f) => f.ended(stream));
  assert.equal(frames.status(stream), 200);
});

test("the document says of each write what is really answered", async (t) => {
  const api = await shop(t, {
    "resources/strict.yaml": "table: public.customer\nname: strict\naccess: public\noperations: [get, update, delete]\nversion: {column: version, required: true}\n",
    "resources/plain.yaml": "table: public.category\nname: plain\naccess: public\noperations: [list, create]\n",
    "queries/none.sql": "/* route: POST /v1/none\n   access: public\n   result: none */ insert into category (id, name) values (:id::int, :name)",
  });
  const document = (await api.get("/openapi.json").expect(200)).json;
  const documented = (path, method, reply) => {
    const answer = deref(document, document.paths[path][method].responses[reply.status]);
    assert.ok(answer, `${method} ${path}: ${reply.status} is not documented`);
    for (const name of ["etag", "location", "preference-applied", "allow", "accept-patch", "accept-encoding"])
      if (reply.headers[name]) assert.ok(Object.keys(answer.headers ?? {}).some((known) => known.toLowerCase() === name), `${method} ${path} ${reply.status}: ${name} is not documented`);
    if (reply.text) assert.ok(answer.content?.[reply.headers["content-type"].split(";")[0]], `${method} ${path} ${reply.status}: its body is not documented`);
    return answer;
  };
  const minimal = { Prefer: "return=minimal" }, key = "/v1/customer/{id}", row = { name: "N", email: "n@example.org" };
  documented(key, "put", await api.put("/v1/customer/77", row).expect(201));
  documented(key, "put", await api.put("/v1/customer/77", row, minimal).expect(204));
  documented(key, "patch", await api.patch("/v1/customer/77", { name: "M" }, minimal).expect(204));
  documented(key, "patch", await api.patch("/v1/customer/77", "[]", { "Content-Type": "text/plain" }).expect(415));
  const tag = (await api.get("/v1/customer/77").expect(200)).header("etag");
  documented(key, "get", await api.get("/v1/customer/77", { "If-None-Match": tag }).expect(304));
  documented(key, "delete", await api.delete("/v1/customer/77", { Prefer: "return=representation" }).expect(200));
  documented("/v1/customer", "post", await api.post("/v1/customer", row, minimal).expect(201));
  documented("/v1/customer", "post", await api.post("/v1/customer?dry_run=validate", row).expect(200));
  documented("/v1/article", "post", await api.post("/v1/article", { id: 1, name: "n", price: 1 }, { Prefer: "resolution=ignore-duplicates" }).expect(204));
  documented("/v1/plain", "post", await api.post("/v1/plain", { id: 1, name: "n" }, { Prefer: "resolution=ignore-duplicates" }).expect(405));
  documented("/v1/strict/{id}", "patch", await api.patch("/v1/strict/1", { name: "M" }).expect(428));
  documented("/v1/strict/{id}", "delete", await api.delete("/v1/strict/1").expect(428));
  documented("/v1/none", "post", await api.post("/v1/none", { id: 1, name: "n" }).expect(409));
  for (const path of ["/livez", "/readyz", "/errors"]) documented(path, "get", await api.get(path).expect(200));
  const parameters = (path, method) => (document.paths[path][method].parameters ?? []).map((parameter) => deref(document, parameter));
  assert.ok(parameters("/v1/strict/{id}", "patch").find((p) => p.name === "If-Match").required);
  assert.ok(!parameters(key, "patch").find((p) => p.name === "If-Match").required);
  assert.ok(parameters(key, "get").some((p) => p.name === "If-None-Match"));
  assert.deepEqual(parameters(key, "put").find((p) => p.name === "If-None-Match").schema.enum, ["*"]);
  const { schema } = document.paths["/v1/article/{id}"].put.requestBody.content["application/json"];
  assert.deepEqual(deref(document, schema).required.sort(), ["name", "price"]); // the path says the id
  const created = document.paths["/v1/article"].post.responses["201"].content["application/json"].schema;
  assert.ok(created.anyOf.some((one) => one.properties?.data?.type === "array"), "an array is answered as data");
});

test("a header that tells whose rows are meant is documented, and required", async (t) => {
  const api = await shop(t, { "resources/article.yaml": `table: public.article\naccess: public\n${all}fields:\n  hide: [search]\ntenant: {header: X-Shop, setting: app.shop}\n` });
  const document = (await api.get("/openapi.json").expect(200)).json;
  await api.get("/v1/article/1").expect(400);
  await api.get("/v1/article/1", { "X-Shop": "one" }).expect(200);
  for (const [path, method] of [["/v1/article", "get"], ["/v1/article", "post"], ["/v1/article/{id}", "get"], ["/v1/article/{id}", "put"], ["/v1/article/{id}", "patch"], ["/v1/article/{id}", "delete"]]) {
    const header = document.paths[path][method].parameters.find((parameter) => parameter.name === "X-Shop");
    assert.ok(header?.in === "header" && header.required, `${method} ${path}`);
  }
});

test("the nasty database: no write of a row's own values is a server's failure", async (t) => {
  const names = ["active_customers", "partly_updatable", "zero_columns", "bookings"];
  const api = await serve(t, { sql: nasty(), grant: false, app: Object.fromEntries(names.map((name) => [`resources/${name}.yaml`, `table: shop.${name}\naccess: public\noperations: [list, create]\n`])) });
  for (const name of names)
    for (const body of [{}, [{}, {}], { id: 5 }, [{ id: 5 }]]) {
      const reply = await api.post(`/v1/${name}`, body);
      assert.ok(reply.status !== 404 && reply.status !== 405 && reply.status < 500, `${name} ${JSON.stringify(body)}: ${reply.text}`);
    }
});

test("lintel check: what PostgreSQL refuses of a query has its file, line and column", async (t) => {
  const head = "/* route: GET /v1/q\n   access: public */\n";
  const api = await shop(t);
  const said = async (sql, wish) => {
    api.write("queries/q.sql", sql);
    const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
    assert.equal(checked.code, 1, sql);
    assert.match(checked.stdout + checked.stderr, wish);
  };
  await said(`${head}select id, name\n  form customer`, /^queries\/q\.sql:4:8: error: PostgreSQL refuses it: syntax error at or near "customer"/m);
  await said(`${head}\n  select 'ü', 1 +\n`, /^queries\/q\.sql:4:3: error: PostgreSQL refuses it/m); // at its end: the statement
  await said(`${head}create temp table s on commit drop as select 1 as x;\nselect 'ü' as u, ] from s`, /^queries\/q\.sql:4:18: error: PostgreSQL refuses it/m);
  await said(`${head}select 1, 2`, /^queries\/q\.sql:3:1: error: column 1 has no name/m);
  await said("/* route: POST /v1/q\n   access: public */\nupdate category set name = 'x' where id = 99", /^queries\/q\.sql:3:1: error: the statement returns nothing/m);
});

test("lintel check: a file that ends too early is told at a line that it has", async (t) => {
  const api = await shop(t);
  for (const [text, line] of [["table: public.category\noperations: [list, get\n", 2], ["table: public.category\noperations: [list, get", 2], ["table: public.category\nembed: {", 2]]) {
    api.write("resources/cut.yaml", text);
    const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
    assert.match(checked.stdout + checked.stderr, new RegExp(`^resources/cut\\.yaml:${line}:\\d+: error`, "m"), text);
  }
});
