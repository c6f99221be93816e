// docs/reference is what the binary prints, and what it prints is right: the tables hold in Markdown, the schemas are JSON Schema
// 2020-12 and say of an app's files what `lintel check` says.
import Ajv2020 from "ajv/dist/2020.js";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { TOP, assert, folder, lintel, test } from "./lib/lintel.mjs";

const PAGES = { knobs: "knobs.md", metrics: "metrics.md", problems: "problems.md", commands: "commands.md", "lintel.schema.json": "lintel.schema.json", "resource.schema.json": "resource.schema.json", "query.schema.json": "query.schema.json" };
const printed = async (page) => {
  const { code, stdout, stderr } = await lintel(["reference", page]);
  assert.equal(code, 0, stderr);
  return stdout;
};
/** strict: a keyword that the standard does not know, or one that cannot matter where it stands, is an error. */
const schema = async (name) => new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true, allErrors: true }).compile(JSON.parse(await printed(name)));

for (const [page, file] of Object.entries(PAGES)) {
  test(`docs/reference/${file} is what the binary prints (make reference writes it)`, async () => {
    const [page_, binary] = [readFileSync(join(TOP, "docs/reference", file), "utf8").split("\n"), (await printed(page)).split("\n")];
    const at = binary.findIndex((line, i) => line !== page_[i]);
    assert.ok(at < 0 && page_.length === binary.length, `line ${at + 1} of the page: ${page_[at]}\nthe binary: ${binary[at]}`);
  });
}

test("every row of a table has as many cells as its head", async () => {
  for (const page of ["knobs", "metrics", "problems"]) {
    let columns = 0;
    for (const line of (await printed(page)).split("\n")) {
      const cells = line.startsWith("|") ? line.replace(/\\\|/g, "").split("|").length : 0;
      if (cells && columns) assert.equal(cells, columns, line);
      columns = cells;
    }
  }
});

test("no code, metric or setting stands twice", async () => {
  for (const page of ["metrics", "problems"]) {
    const names = [...(await printed(page)).matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]);
    assert.ok(names.length > 20);
    assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
  }
  for (const section of (await printed("knobs")).split(/^## /m)) {
    const names = [...section.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]);
    assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
  }
});

test("the schemas accept the storefront's files", async () => {
  const [config, resource] = [await schema("lintel.schema.json"), await schema("resource.schema.json")];
  const dir = join(TOP, "examples/storefront");
  const accept = (validate, path) => assert.ok(validate(parse(readFileSync(join(dir, path), "utf8"))), `${path}: ${JSON.stringify(validate.errors)}`);
  accept(config, "lintel.yaml");
  for (const file of readdirSync(join(dir, "resources"))) accept(resource, `resources/${file}`);
});

// What both judges must agree on; the last member says who is right.
const CONFIGS = [
  ["http: {body_bytes_max: 2MiB, header_timeout: 5s}", true],
  ["http: {drain_delay: 0, body_bytes_max: 4096}", true],
  ["http:", true],
  ["cores: ${LINTEL_TEST_CORES}", true],
  ["listen: 127.0.0.1:0\nbigint: string", true],
  ["openapi: {version: 2.0}", true],
  ["https: {}", false],
  ["http: {body_bytes: 2MiB}", false],
  ["http: {header_timeout: soon}", false],
  ["http: {header_timeout: 5}", false],
  ["http: {body_bytes_max: 2 apples}", false],
  ["cores: 65", false],
  ["cores: many", false],
  ["bigint: decimal", false],
  ["http: [5s]", false],
];
const RESOURCES = [
  ["access: public\noperations: [list]", true],
  ["operations: [fly]", false],
  ["accses: public", false],
  ["limits: {page: 0}", false],
  ["limits: {page: 50, page_max: 100}", true],
  ["fields: {hide: note, rename: {note: remark}}", true],
  ["fields: {show: [id]}", false],
  ["tenant: {setting: app.tenant}", false],
  ["version: {column: version, required: true}", true],
  ["version: {required: true}", false],
];

test("the schema of lintel.yaml and the server agree on what is right", async (t) => {
  const validate = await schema("lintel.schema.json");
  for (const [text, right] of CONFIGS) {
    assert.equal(validate(parse(text)), right, `${text}: ${JSON.stringify(validate.errors)}`);
    // 1: the file is wrong; 3: it is right, and there is no database
    const { code, stdout, stderr } = await lintel(["check", folder(t, { "lintel.yaml": text })], { env: { LINTEL_TEST_CORES: "1" } });
    assert.equal(code, right ? 3 : 1, `${text}\n${stdout}${stderr}`);
  }
});

test("the schema of a resource and `lintel check` agree on what is right", async (t) => {
  const validate = await schema("resource.schema.json");
  const { startPostgres } = await import("./lib/lintel.mjs");
  const postgres = await startPostgres();
  const database = await postgres.database("CREATE TABLE thing (id bigint PRIMARY KEY, note text, version integer NOT NULL DEFAULT 1)");
  for (const [text, right] of RESOURCES) {
    assert.equal(validate(parse(text)), right, `${text}: ${JSON.stringify(validate.errors)}`);
    const dir = folder(t, { "lintel.yaml": "", "resources/thing.yaml": text });
    const { code, stdout, stderr } = await lintel(["check", dir], { env: { LINTEL_DATABASE_URL: postgres.url(database) } });
    assert.equal(code, right ? 0 : 1, `${text}\n${stdout}${stderr}`);
  }
  await postgres.dropDatabase(database);
});
