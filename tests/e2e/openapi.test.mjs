// What the server says of itself: /openapi.json, /errors, /docs.
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { TOP, assert, folder, lintel, serve, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP, WITHOUT_CHINOOK, chinook, nasty } from "../lib/databases.mjs";
import { exposed } from "../lib/exposed.mjs";

const run = promisify(execFile);

async function redocly(t, text) {
  const file = join(folder(t), "openapi.json");
  writeFileSync(file, text);
  try {
    const { stdout } = await run(process.execPath, [join(TOP, "node_modules/@redocly/cli/bin/cli.js"), "lint", "--format=json", file], { maxBuffer: 64 << 20, env: { ...process.env, REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" } });
    return JSON.parse(stdout);
  } catch (error) {
    return JSON.parse(error.stdout || `{"problems":[{"severity":"error","message":${JSON.stringify(String(error.stderr))}}]}`);
  }
}

/** Follows a $ref inside the document. */
const deref = (document, value) => (value?.$ref ? deref(document, value.$ref.slice(2).split("/").reduce((at, step) => at[step.replaceAll("~1", "/").replaceAll("~0", "~")], document)) : value);

/** What a JSON value breaks of a schema, as far as the documents use JSON Schema. */
function violations(document, schema, value, at = "") {
  schema = deref(document, schema);
  if (!schema || schema === true) return [];
  const found = [];
  const type = value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  for (const choice of ["oneOf", "anyOf"]) if (schema[choice] && !schema[choice].some((one) => violations(document, one, value, at).length === 0)) found.push(`${at}: none of ${choice}`);
  const types = [schema.type ?? []].flat();
  if (types.length && !types.includes(type) && !(type === "integer" && types.includes("number"))) found.push(`${at}: ${type}, not ${types}`);
  if (schema.enum && !schema.enum.includes(value)) found.push(`${at}: ${value} is not in the enum`);
  if (schema.const !== undefined && schema.const !== value) found.push(`${at}: not ${schema.const}`);
  if (type === "string" && schema.maxLength !== undefined && [...value].length > schema.maxLength) found.push(`${at}: too long`);
  if (type === "string" && schema.pattern && !new RegExp(schema.pattern, "u").test(value)) found.push(`${at}: ${value} does not match ${schema.pattern}`);
  if (type === "array" && schema.items) value.forEach((item, i) => found.push(...violations(document, schema.items, item, `${at}/${i}`)));
  if (type === "object") {
    for (const name of schema.required ?? []) if (!(name in value)) found.push(`${at}: no ${name}`);
    for (const [name, item] of Object.entries(value)) {
      if (schema.properties && name in schema.properties) found.push(...violations(document, schema.properties[name], item, `${at}/${name}`));
      else if (schema.additionalProperties === false) found.push(`${at}: ${name} is not allowed`);
    }
  }
  return found;
}

/** Every documented GET, called with a key taken from its own list; what it answers fits its schema. */
async function walk(api, document) {
  let called = 0;
  for (const [path, item] of Object.entries(document.paths)) {
    if (!item.get || path.includes("{")) continue;
    const list = await api.get(path);
    assert.ok(list.status < 500 || /far_/.test(path), `${path}: ${list.text}`);
    called++;
    if (list.status !== 200) continue;
    const schema = item.get.responses["200"].content?.["application/json"]?.schema;
    if (schema) assert.deepEqual(violations(document, schema, list.json), [], path);
    const keyed = Object.keys(document.paths).find((other) => other.startsWith(`${path}/{`));
    const row = list.json.data?.[0];
    if (!keyed || !row || !document.paths[keyed].get) continue;
    const parameters = (document.paths[keyed].parameters ?? []).map((parameter) => deref(document, parameter));
    const values = parameters.map(({ name }) => row[name]);
    if (values.some((value) => value === undefined)) continue; // the key is hidden or its name was folded
    const one = await api.get(keyed.replace(/\{[^}]+\}/g, () => encodeURIComponent(values.shift())));
    assert.equal(one.status, 200, `${keyed}: ${one.text}`);
    assert.deepEqual(violations(document, document.paths[keyed].get.responses["200"].content["application/json"].schema, one.json), [], keyed);
    called++;
  }
  return called;
}

test("the shop's document: exactly what is exposed, with types, filters, errors and examples", async (t) => {
  const api = await serve(t, { sql: SHOP, app: { ...SHOP_APP, "resources/article.yaml": "table: public.article\naccess: public\noperations: [list, get]\nfields:\n  hide: [search]\n  read_only: [weight]\n", "resources/secret.yaml": "table: public.secret\n" } });
  const reply = await api.get("/openapi.json").expect(200, { "Content-Type": /^application\/json/, openapi: "3.1.0" });
  const document = reply.json;
  const methods = Object.entries(document.paths).filter(([path]) => path.startsWith("/v1/")).flatMap(([path, item]) => Object.keys(item).filter((key) => key !== "parameters").map((method) => `${method} ${path}`));
  const every = (name, key) => [`get /v1/${name}`, `post /v1/${name}`, `get /v1/${name}/${key}`, `patch /v1/${name}/${key}`, `put /v1/${name}/${key}`, `delete /v1/${name}/${key}`];
  assert.deepEqual(methods.sort(), [...every("customer", "{id}"), ...every("orders", "{id}"), ...every("order_line", "{order_id}/{line}"), ...every("category", "{id}"),
    "get /v1/article", "get /v1/article/{id}", "get /v1/article_category", "get /v1/article_category/{article_id}/{category_id}"].sort());
  assert.doesNotMatch(reply.text, /secret|"search"/);
  const customer = document.components.schemas.customer;
  assert.deepEqual(customer.properties.mood.enum?.filter(Boolean) ?? customer.properties.mood.anyOf, ["sad", "ok", "happy"]);
  assert.equal(customer.properties.name.maxLength, 40);
  assert.equal(customer.properties.credit.type, "number");
  assert.match(customer.properties.credit.description, /owe us/);
  assert.match(customer.description, /Who buys/);
  const create = document.components.schemas["customer.create"];
  assert.deepEqual(create.required.sort(), ["email", "name"]);
  assert.ok(!("created_at" in create.properties), "read-only fields are not taken");
  assert.equal(create.additionalProperties, false);
  const list = document.paths["/v1/customer"].get;
  const parameters = list.parameters.map((parameter) => deref(document, parameter));
  for (const name of ["select", "order", "limit", "after", "before", "count", "country", "or"]) assert.ok(parameters.some((p) => p.name === name && p.in === "query"), name);
  assert.ok(list.responses["400"] && list.responses["503"]);
  assert.ok(document.paths["/v1/customer/{id}"].patch.responses["412"]);
  assert.deepEqual(violations(document, list.responses["200"].content["application/json"].schema, list.responses["200"].content["application/json"].example), []);
  const example = document.paths["/v1/customer"].post.requestBody.content["application/json"].example;
  assert.deepEqual(violations(document, create, example), []);
  await walk(api, document);
  const lint = await redocly(t, reply.text);
  assert.deepEqual(lint.problems.filter((problem) => problem.severity === "error"), []);
});

test("the example of each create is taken", async (t) => {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP });
  const document = (await api.get("/openapi.json").expect(200)).json;
  for (const name of ["customer", "article", "category"]) {
    const example = document.paths[`/v1/${name}`].post.requestBody.content["application/json"].example;
    const reply = await api.post(`/v1/${name}`, example);
    assert.ok([201, 409].includes(reply.status) || (name === "customer" && reply.status === 422), `${name}: ${JSON.stringify(example)} gave ${reply.text}`);
  }
});

test("chinook: redocly finds no error, every documented GET answers as documented", { skip: WITHOUT_CHINOOK }, async (t) => {
  const api = await exposed(t, { sql: chinook(), expose: ["public"] });
  const reply = await api.get("/openapi.json").expect(200);
  assert.ok((await walk(api, reply.json)) >= 22);
  const lint = await redocly(t, reply.text);
  assert.deepEqual(lint.problems.filter((problem) => problem.severity === "error"), []);
});

test("the nasty database: redocly finds no error, every documented GET answers as documented", async (t) => {
  const api = await exposed(t, { sql: nasty(), grant: false, expose: ["shop", "Shop", 'Räume & "Dinge"', "public", "types"] });
  const reply = await api.get("/openapi.json").expect(200);
  assert.ok((await walk(api, reply.json)) > 60);
  const lint = await redocly(t, reply.text);
  assert.deepEqual(lint.problems.filter((problem) => problem.severity === "error"), []);
});

test("queries of every kind: redocly finds no error, and the documented fields are those that come", async (t) => {
  const api = await serve(t, { sql: SHOP, app: { ...SHOP_APP,
    "queries/pages.sql": "/* access: public\n   summary: Pages\n   params: {most: {default: 100, min: 1}} \n   page: {by: [id], limit: 2} */ select id, name from customer where id < :most::int",
    "queries/deep.sql": "/* access: public\n   depth: 3 */ with recursive t as (select 1 as n, 0 as depth union all select n + 1, depth + 1 from t where depth < :depth and n < 3) select n, depth from t",
    "queries/script.sql": "/* route: POST /v1/script/{kind}\n   access: public\n   result: one\n   params: {word: {enum: [a, b], required: false}, kind: {pattern: '^[a-z]+$'}} */ create temp table s on commit drop as select :word::text as word, :kind::text as kind; select word, kind from s",
    "queries/flow.sql": "/* access: public\n   stream: true */ select id, name from customer", "queries/sum.sql": "/* access: public\n   result: scalar */ select count(*) from customer",
  } });
  const reply = await api.get("/openapi.json").expect(200);
  const lint = await redocly(t, reply.text);
  assert.deepEqual(lint.problems.filter((problem) => problem.severity === "error"), []);
  const documented = (path) => reply.json.paths[path].get.responses["200"].content["application/json"].schema;
  for (const path of ["/v1/pages", "/v1/deep", "/v1/flow", "/v1/sum"]) assert.deepEqual(violations(reply.json, documented(path), (await api.get(path).expect(200)).json), [], path);
  await api.post("/v1/script/x", { word: "a" }).expect(200, { word: "a", kind: "x" });
});

test("/errors is the catalogue that the reference prints, and holds every code that is met", async (t) => {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP });
  const { problems } = (await api.get("/errors").expect(200)).json;
  for (const problem of problems) {
    for (const key of ["code", "class", "status", "retryable", "title", "description", "since"]) assert.ok(key in problem, `${problem.code}: ${key}`);
    assert.equal(problem.class, problem.code.split(".")[0]);
    assert.ok(problem.status >= 400 && problem.status < 600);
  }
  const codes = problems.map((problem) => problem.code);
  assert.equal(new Set(codes).size, codes.length, "each code once");
  for (const code of ["conflict.unique", "conflict.foreign_key", "validation.failed", "query.invalid", "not_found", "outcome_unknown", "precondition.failed", "database.unavailable", "too_large", "timeout"]) assert.ok(codes.includes(code), code);
  const printed = await lintel(["reference", "problems"]);
  assert.equal(printed.code, 0, printed.stderr);
  const page = readFileSync(join(TOP, "docs/reference/problems.md"), "utf8");
  assert.equal(printed.stdout, page, "docs/reference/problems.md is what `lintel reference problems` prints");
  for (const problem of problems) assert.ok(page.includes(`\`${problem.code}\``), problem.code);
  const shown = (await api.get("/openapi.json").expect(200)).text.matchAll(/"error_code":"([^"]+)"/g);
  for (const [, code] of shown) assert.ok(codes.includes(code), `${code}, an example of the document`);
  const met = [await api.get("/nope"), await api.get("/v1/customer?x=eq.1"), await api.post("/v1/customer", "{"), await api.post("/v1/customer", {}), await api.delete("/v1/customer"), await api.get("/v1/customer?after=x"), await api.post("/v1/customer", "x", { "Content-Type": "text/plain" })];
  for (const reply of met) assert.ok(codes.includes(reply.json.error_code), reply.text);
});

test("/docs is a page, with all it loads, served from here", async (t) => {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP });
  let page = await api.get("/docs").expect([200, 301, 302, 303, 307, 308]);
  let base = "/docs";
  if (page.status !== 200) {
    base = page.header("location");
    page = await api.get(base).expect(200);
  }
  assert.match(page.header("content-type"), /^text\/html/);
  const assets = [...page.text.matchAll(/<(?:script|link|img)[^>]*?(?:src|href)="([^"#]+)"/g)].map((m) => m[1]).filter((asset) => !asset.startsWith("data:"));
  assert.ok(assets.length >= 2, page.text);
  for (const asset of assets) {
    assert.doesNotMatch(asset, /^(https?:)?\/\//, "nothing comes from elsewhere");
    const path = new URL(asset, `${api.base}${base}`).pathname;
    const got = await api.get(path).expect(200, { "Content-Type": /javascript|css|png|svg|icon|json|manifest/ });
    assert.ok(got.bytes.length > 0, path);
  }
  assert.match(page.text + (await Promise.all(assets.filter((a) => a.endsWith(".js")).map(async (a) => (await api.get(new URL(a, `${api.base}${base}`).pathname)).text))).join(""), /openapi\.json/);
});

test("declared schemas are components: references resolved, the discriminator kept, a variant for each use", async (t) => {
  const sql = "CREATE TABLE parcel (id bigint PRIMARY KEY, kind text NOT NULL, pin text, via jsonb NOT NULL, size jsonb)";
  const api = await serve(t, { sql, app: {
    "resources/parcel.yaml": `access: public
operations: [list, get, create, update, replace]
schema:
  allOf: [{$ref: ../schemas/base.yaml}]
  required: [kind]
  properties: {kind: {enum: [box, tube]}, pin: {writeOnly: true, type: [string, "null"]}}
  if: {properties: {kind: {const: tube}}}
  then: {required: [size]}
columns:
  via: {schema: {file: schemas/via.yaml}}
  size: {schema: {type: object, properties: {cm: {$ref: "#/$defs/cm"}}, $defs: {cm: {type: number, minimum: 0}}}}
`,
    "schemas/base.yaml": "$defs: {id: {type: integer, minimum: 1}}\nproperties: {id: {$ref: '#/$defs/id'}, via: {$ref: 'via.yaml'}}\n",
    "schemas/via.yaml": `discriminator: {propertyName: by, mapping: {air: "#/$defs/air", sea: "#/$defs/sea"}}
oneOf: [{$ref: "#/$defs/air"}, {$ref: "#/$defs/sea"}]
$defs:
  air: {type: object, required: [by, flight], properties: {by: {const: air}, flight: {type: string}}}
  sea: {type: object, required: [by, ship], properties: {by: {const: sea}, ship: {type: string, examples: [Ada]}}}
`,
    "schemas/unused.yaml": "type: string\n",
  } });
  const reply = await api.get("/openapi.json").expect(200);
  const lint = await redocly(t, reply.text);
  assert.deepEqual(lint.problems.filter((problem) => problem.severity === "error"), []);
  const { schemas } = reply.json.components;
  assert.deepEqual(Object.keys(schemas).filter((name) => /parcel|schemas/.test(name)).sort(),
    ["parcel", "parcel.body", "parcel.body.read", "parcel.body.update", "parcel.column.size", "parcel.column.via", "parcel.create", "parcel.replace", "parcel.update", "schemas.base.yaml", "schemas.via.yaml"]);
  assert.deepEqual(schemas["schemas.via.yaml"].discriminator.mapping, { air: "#/components/schemas/schemas.via.yaml/$defs/air", sea: "#/components/schemas/schemas.via.yaml/$defs/sea" });
  assert.equal(schemas["parcel.column.size"].properties.cm.$ref, "#/components/schemas/parcel.column.size/$defs/cm");
  assert.equal(schemas["schemas.base.yaml"].properties.via.$ref, "#/components/schemas/schemas.via.yaml");
  assert.ok(schemas["parcel.body"].required.includes("kind") && schemas["parcel.body"].then);
  assert.ok(!schemas["parcel.body.update"].required && !schemas["parcel.body.update"].then);
  assert.ok(JSON.stringify(schemas["parcel.body.update"]).includes("#/components/schemas/schemas.via.yaml"));
  assert.ok(!("pin" in schemas.parcel.allOf[0].properties) && "pin" in schemas["parcel.create"].allOf[0].properties);
  const refs = [...reply.text.matchAll(/"\$ref":"#([^"]*)"/g)].map((match) => match[1]);
  const at = (pointer) => pointer.split("/").slice(1).reduce((node, step) => node?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], reply.json);
  for (const ref of new Set(refs)) assert.ok(at(ref), ref);
});
