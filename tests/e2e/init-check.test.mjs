// From a database to a folder to a server: init, check, reload while it runs, and a schema that changes underneath.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert, eventually, folder, lintel, serve, sleep, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP, WITHOUT_CHINOOK, chinook, nasty } from "../lib/databases.mjs";
import { exposed } from "../lib/exposed.mjs";

test("init exposes nothing unasked, and what it wrote passes check unchanged", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const { dir, init } = await exposed.folder(t, { postgres, database });
  assert.deepEqual(readdirSync(join(dir, "resources")), []);
  assert.match(init.stdout, /0 of 7/);
  assert.equal(statSync(join(dir, "secrets.key")).mode & 0o777, 0o600);
  assert.match(readFileSync(join(dir, "secrets.key"), "utf8"), /^[0-9a-f]{64}\n$/);
  const checked = await lintel(["check", dir]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /nothing is exposed/);

  const second = await lintel(["init", "--db", postgres.url(database), "--expose", "public", dir]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /exists already/);
  assert.deepEqual(readdirSync(join(dir, "resources")), [], "an existing folder is not touched");

  const some = await exposed.folder(t, { postgres, database, expose: ["public.customer", "public.orders"] });
  assert.deepEqual(readdirSync(join(some.dir, "resources")).sort(), ["customer.yaml", "orders.yaml"]);
  const text = readFileSync(join(some.dir, "resources/customer.yaml"), "utf8");
  assert.match(text, /^access: public/m);
  assert.match(text, /^#/m, "a comment says what that means");
  assert.doesNotMatch(text, /^operations:.*create/m);
  assert.equal((await lintel(["check", some.dir])).code, 0);
});

test("what --expose names must be there", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const dir = join(folder(t), "app");
  for (const name of ["nowhere", "public.nothing", "public.customer.id"]) {
    const refused = await lintel(["init", "--db", postgres.url(database), "--expose", name, dir]);
    assert.equal(refused.code, 1, name);
    assert.ok(refused.stderr.includes(name), refused.stderr);
    assert.ok(!existsSync(dir), "nothing was written");
  }
});

test("a password goes to a file of its own, readable by its owner only", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const dir = join(folder(t), "app");
  const made = await lintel(["init", "--db", `${postgres.url(database)}&password=hush-hush`, dir]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(statSync(join(dir, "secrets.database")).mode & 0o777, 0o600);
  assert.doesNotMatch(readFileSync(join(dir, "lintel.yaml"), "utf8") + made.stdout + made.stderr, /hush-hush/);
  assert.match(readFileSync(join(dir, ".gitignore"), "utf8"), /secrets/);
  assert.equal((await lintel(["check", dir])).code, 0);
});

test("init needs no right but to read, and writes nothing into the database", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const before = await postgres.query(database, "SELECT count(*)::int AS n FROM pg_class");
  await postgres.query(database, `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
  const { dir } = await exposed.folder(t, { postgres, database, expose: ["public"] });
  const api = await serve(t, { app: dir, postgres, database });
  await api.get("/v1/customer").expect(200);
  assert.deepEqual(await postgres.query(database, "SELECT count(*)::int AS n FROM pg_class"), before);
});

test("chinook and the nasty database pass check as init wrote them", { skip: WITHOUT_CHINOOK }, async (t) => {
  for (const [sql, grant, expose] of [[chinook(), true, ["public"]], [nasty(), false, ["shop", "Shop", 'Räume & "Dinge"', "public", "types"]]]) {
    const { postgres, database } = await exposed.database(t, sql, grant);
    const { dir } = await exposed.folder(t, { postgres, database, expose });
    const checked = await lintel(["check", "--json", dir]);
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    const report = JSON.parse(checked.stdout);
    assert.equal(report.errors, 0);
    assert.equal(report.resources, readdirSync(join(dir, "resources")).length);
  }
});

test("the same table name in two schemas: both under SCHEMA.NAME, and said", async (t) => {
  const sql = "CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.thing (id int PRIMARY KEY); CREATE TABLE b.thing (id int PRIMARY KEY, x int); CREATE TABLE b.other (id int PRIMARY KEY); INSERT INTO b.thing VALUES (1, 2);";
  const { postgres, database } = await exposed.database(t, sql);
  const { dir, init } = await exposed.folder(t, { postgres, database, expose: ["a", "b"] });
  assert.match(init.stderr, /\/v1\/a\.thing/);
  assert.match(init.stderr, /\/v1\/b\.thing/);
  const api = await serve(t, { app: dir, postgres, database });
  await api.get("/v1/a.thing").expect(200, { data: [] });
  await api.get("/v1/b.thing/1").expect(200, { id: 1, x: 2 });
  await api.get("/v1/other").expect(200);
  await api.get("/v1/thing").expect(404);
});

test("names that a path can't take: each table has one of its own, and those that fit keep theirs", async (t) => {
  const odd = ["a b", "a/b", "a_b", ".", "..", "x.y", "x:y", "unnamed"];
  const sql = odd.map((name, i) => `CREATE TABLE "${name}" (id int PRIMARY KEY); INSERT INTO "${name}" VALUES (${i});`).join("\n");
  const { postgres, database } = await exposed.database(t, sql);
  const { dir, init } = await exposed.folder(t, { postgres, database, expose: ["public"] });
  assert.match(init.stderr, /"a\/b" can not stand in a path; it is served as \/v1\/a_b_\d/);
  const checked = await lintel(["check", dir]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  const api = await serve(t, { app: dir, postgres, database });
  for (const name of ["a_b", "x.y", "unnamed"]) await api.get(`/v1/${name}`).expect(200, { data: [{ id: odd.indexOf(name) }] });
  const ids = [];
  for (const name of ["a_b", "a_b_2", "a_b_3", "x.y", "x_y", "unnamed", "unnamed_2", "unnamed_3"])
    ids.push((await api.get(`/v1/${name}`).expect(200)).json.data[0].id);
  assert.deepEqual(ids.sort(), odd.map((_, i) => i));
});

test("every command says what it does; exit codes are what the help says", async (t) => {
  const top = await lintel(["--help"]);
  assert.equal(top.code, 0);
  const commands = [...top.stdout.matchAll(/^ {2}(\w+) +\S/gm)].map((m) => m[1]).filter((word) => word !== "lintel");
  assert.ok(["dev", "init", "check", "serve"].every((name) => commands.includes(name)), commands.join(" "));
  for (const name of commands) {
    const help = await lintel([name, "--help"]);
    assert.equal(help.code, 0, name);
    assert.match(help.stdout, new RegExp(`usage: lintel ${name}`));
    const wrong = await lintel([name, "--no-such-option"]);
    assert.equal(wrong.code, 2, `${name}: ${wrong.stdout}${wrong.stderr}`);
  }
  assert.match((await lintel(["--version"])).stdout, /^lintel \d/);
  const typo = await lintel(["serv"]);
  assert.equal(typo.code, 2);
  assert.match(typo.stderr, /serve/);
  assert.equal((await lintel([])).code, 2);
  const dir = folder(t, { "lintel.yaml": "database: postgresql://app@/nothing?host=/nowhere\n" });
  assert.equal((await lintel(["check", dir], { env: { LINTEL_DATABASE_URL: "" } })).code, 3, "the database cannot be reached");
  assert.equal((await lintel(["init", "--db", "postgresql://app@/nothing?host=/nowhere", join(dir, "new")])).code, 3);
  assert.ok([1, 3].includes((await lintel(["check", join(dir, "nowhere")])).code));
});

test("what is wrong in a file is said with file, line, column and the fix", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const env = { LINTEL_DATABASE_URL: postgres.url(database) };
  const wrong = async (files, ...expected) => {
    const dir = folder(t, { "lintel.yaml": "", ...files });
    const checked = await lintel(["check", dir], { env });
    const said = checked.stdout + checked.stderr;
    assert.equal(checked.code, 1, `${JSON.stringify(files)}: ${said}`);
    for (const part of expected) assert.match(said, part);
  };
  const resource = (text) => ({ "resources/customer.yaml": text });
  await wrong({ "lintel.yaml": "listen: 127.0.0.1:1\ndatabse: x\n" }, /lintel\.yaml:2:1/, /database/);
  await wrong({ "lintel.yaml": "pools: {max: lots}\n" }, /lintel\.yaml:1:\d+/, /max/);
  await wrong({ "lintel.yaml": "pools: {max: 100000000}\n" }, /lintel\.yaml:1:\d+/, /max/, /10000/);
  await wrong({ "lintel.yaml": "http: {body_bytes_maks: 1MiB}\n" }, /body_bytes_max/);
  await wrong({ "lintel.yaml": "listen: [1\n" }, /lintel\.yaml:\d+:\d+/);
  await wrong({ "lintel.yaml": "listen: ${NOT_SET_ANYWHERE}\n" }, /lintel\.yaml:1:\d+/, /NOT_SET_ANYWHERE/);
  await wrong(resource("table: public.customer\nacess: public\n"), /customer\.yaml:2:1/, /access/);
  await wrong(resource("table: public.customer\naccess: everybody\n"), /customer\.yaml:2:\d+/, /public/);
  await wrong(resource("table: public.customer\naccess: public\noperations: [list, got]\n"), /customer\.yaml:3:\d+/, /get/);
  await wrong(resource("table: public.customer\naccess: public\nfields:\n  hide: [cost]\n  hide: [x]\n"), /customer\.yaml:5:\d+/);
  await wrong(resource("table: public.customer\n\taccess: public\n"), /customer\.yaml:\d+:\d+/, /indentation/);

  await wrong(resource("[1, 2]\n"), /customer\.yaml:1:1/);
  await wrong({ "resources/a.yaml": "table: public.customer\nname: same\naccess: public\n", "resources/b.yaml": "table: public.article\nname: same\naccess: public\n" }, /b\.yaml/, /same/);
});

test("what the database does not have is a warning, and only that resource is not ready", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const dir = folder(t, { "lintel.yaml": "", "resources/later.yaml": "table: public.later\naccess: public\n", "resources/customer.yaml": "table: public.customer\naccess: public\n" });
  const checked = await lintel(["check", "--json", dir], { env: { LINTEL_DATABASE_URL: postgres.url(database) } });
  assert.equal(checked.code, 0, checked.stdout);
  const report = JSON.parse(checked.stdout);
  assert.equal(report.warnings, 1);
  assert.match(JSON.stringify(report.findings), /later/);
  const api = await serve(t, { app: dir, postgres, database });
  await api.get("/v1/customer").expect(200);
  for (const path of ["/v1/later", "/v1/later/7", "/v1/later/7/2"]) // a row is not said to be gone, however many columns its key has
    await api.get(path).expect(503, { error_code: "schema.not_ready", "Retry-After": "5" });
  await api.get("/readyz").expect(200, { resources_not_ready: 1 });
});

test("dev puts changed files in force; a broken file is said with its place and the old one stays", async (t) => {
  const api = await serve(t, { sql: SHOP, command: "dev", app: SHOP_APP });
  await api.get("/v1/secret").expect(404);
  api.write("resources/secret.yaml", "table: public.secret\naccess: public\n");
  await eventually(async () => (await api.get("/v1/secret")).status === 200, { withinMs: 2000 });
  api.write("resources/secret.yaml", "table: public.secret\naccess: public\nfields:\n  hide: [note]\n");
  await eventually(async () => (await api.get("/v1/secret")).text.includes('"data":[{"id":1}]'), { withinMs: 2000 });
  api.write("resources/secret.yaml", "table: public.secret\naccess: public\nfields: {hidden: [note]}\n");
  await eventually(() => /secret\.yaml/.test(api.log) && /hide/.test(api.log), { withinMs: 2000 });
  await sleep(100);
  await api.get("/v1/secret").expect(200, { data: [{ id: 1 }] });
  api.remove("resources/secret.yaml");
  await eventually(async () => (await api.get("/v1/secret")).status === 404, { withinMs: 2000 });
});

test("serve reads the folder again on SIGHUP; requests go on meanwhile", async (t) => {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP });
  let failed = 0, done = false;
  const load = Promise.all(Array.from({ length: 4 }, async () => {
    while (!done) if ((await api.get("/v1/customer?select=id,orders!customer_id(id)")).status !== 200) failed++;
  }));
  for (let i = 0; i < 10; i++) {
    api.write("resources/secret.yaml", `table: public.secret\nname: secret_${i}\naccess: public\n`);
    api.signal("SIGHUP");
    await eventually(async () => (await api.get(`/v1/secret_${i}`)).status === 200, { withinMs: 2000 });
  }
  done = true;
  await load;
  assert.equal(failed, 0);
  await api.get("/v1/secret_8").expect(404);
});

test("the schema changes underneath: seen by itself, and only what is gone fails", async (t) => {
  const api = await serve(t, { sql: SHOP, config: { schema_poll: "200ms" }, app: { ...SHOP_APP, "resources/view.yaml": "table: public.cheap\naccess: public\nkey: [id]\n" } });
  const becomes = (question) => eventually(question, { withinMs: 3000 });
  const grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app";

  await api.sql("ALTER TABLE article ADD COLUMN colour text DEFAULT 'grey'");
  await becomes(async () => (await api.get("/v1/article/1")).json.colour === "grey");
  await api.get("/v1/article?colour=eq.grey&limit=1").expect(200, { "data.0.id": 1 });
  assert.match((await api.get("/openapi.json")).text, /colour/);

  await api.sql("ALTER TABLE article DROP COLUMN weight");
  await becomes(async () => { const reply = await api.get("/v1/article/1"); return reply.status === 200 && !("weight" in reply.json); });
  await api.get("/v1/article?weight=gt.1").expect(400);

  await api.sql("ALTER TABLE article RENAME name TO title");
  await becomes(async () => (await api.get("/v1/article/1")).json.title === "blue lamp");

  await api.sql('ALTER TABLE article ALTER COLUMN "order" TYPE text');
  await becomes(async () => (await api.get("/v1/article/1")).json.order === "5");

  await api.get("/v1/view").expect(503, { error_code: "schema.not_ready" });
  await api.sql(`CREATE VIEW cheap AS SELECT id, title FROM article WHERE id < 3; ${grant}`);
  await becomes(async () => (await api.get("/v1/view/2")).json.title === "red lamp");

  await api.sql("DROP VIEW cheap; DROP TABLE article CASCADE");
  await becomes(async () => (await api.get("/v1/article")).status === 503 && (await api.get("/v1/view")).status === 503);
  await api.get("/v1/article").expect(503, { error_code: "schema.not_ready" });
  await api.get("/v1/customer?select=id,orders!customer_id(id)").expect(200);
  await api.get("/readyz").expect(200);

  await api.sql(`CREATE TABLE article (id integer PRIMARY KEY, search tsvector, fresh boolean); INSERT INTO article VALUES (1, NULL, true); ${grant}`);
  await becomes(async () => (await api.get("/v1/article/1")).json.fresh === true);
});

test("statements that meet a changed schema heal at once, without waiting for the poll", async (t) => {
  const api = await serve(t, { sql: SHOP, config: { schema_poll: "1h" }, app: SHOP_APP });
  await api.get("/v1/article/1").expect(200);
  await api.sql("ALTER TABLE article DROP COLUMN weight");
  await eventually(async () => { const reply = await api.get("/v1/article/1"); return reply.status === 200 && !("weight" in reply.json); }, { withinMs: 2000 });
  await api.sql("ALTER TABLE customer ALTER COLUMN id TYPE integer");
  for (let i = 0; i < 20; i++) await api.get("/v1/customer/1").expect([200, 503]);
  await eventually(async () => (await api.get("/v1/customer/1")).status === 200, { withinMs: 2000 });
});

test("writes for everybody are served on loopback only", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const env = { LINTEL_DATABASE_URL: postgres.url(database) };
  const dir = folder(t, { "lintel.yaml": "listen: 0.0.0.0:0\nadmin: ''\n", "resources/customer.yaml": "table: public.customer\naccess: public\noperations: [list, create]\n" });
  const checked = await lintel(["check", dir], { env });
  assert.equal(checked.code, 1, checked.stdout);
  assert.match(checked.stdout, /loopback|127\.0\.0\.1/);
  const open = await serve(t, { app: dir, postgres, database, words: ["--listen", "0.0.0.0:0"], ready: false });
  await open.logged({ event: "waiting_for_declarations", message: /not loopback/ }); // the database is there
  writeFileSync(join(dir, "resources/customer.yaml"), "table: public.customer\naccess: public\n");
  assert.equal((await lintel(["check", dir], { env })).code, 0);
});

test("a view past row security is refused unless it is marked; a table under it is not", async (t) => {
  const { postgres, database } = await exposed.database(t, nasty(), false);
  const env = { LINTEL_DATABASE_URL: postgres.url(database) };
  const check = (table) => lintel(["check", folder(t, { "lintel.yaml": "", "resources/x.yaml": `table: ${table}\naccess: public\nkey: [id]\n` })], { env });
  for (const table of ["shop.secrets_definer", "shop.secrets_stored", "shop.secrets_invoker_of_definer", "shop.secrets_subquery"]) {
    const checked = await check(table);
    assert.equal(checked.code, 1, `${table}: ${checked.stdout}`);
    assert.match(checked.stdout, /x\.yaml:\d+:\d+/);
  }
  for (const table of ["shop.secrets", "shop.secrets_invoker", "shop.secrets_definer_of_invoker", "shop.active_customers"]) {
    const checked = await check(table);
    assert.equal(checked.code, 0, `${table}: ${checked.stdout}`);
  }
});

test("thousands of tables are introspected in bulk", async (t) => {
  const sql = "DO $$ BEGIN FOR i IN 1..3000 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a text, b int REFERENCES t%s)', i, i); END LOOP; END $$";
  const { postgres, database } = await exposed.database(t, sql);
  const started = Date.now();
  const { dir } = await exposed.folder(t, { postgres, database, expose: ["public.t1", "public.t3000"] });
  const api = await serve(t, { app: dir, postgres, database });
  await api.get("/v1/t3000").expect(200, { data: [] });
  t.diagnostic(`init and serve on 3,000 tables: ${Date.now() - started} ms`);
});

test("secrets.key must be readable by its owner only; the same key opens another node's cursors", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const { dir } = await exposed.folder(t, { postgres, database, expose: ["public.article"] });
  const one = await serve(t, { app: dir, postgres, database });
  const two = await serve(t, { app: dir, postgres, database });
  const page = (await one.get("/v1/article?limit=2").expect(200)).json;
  await two.get(`/v1/article?limit=2&after=${page.page.next}`).expect(200, { "data.0.id": 3 });
  mkdirSync(join(dir, "open"));
  for (const name of ["lintel.yaml", "secrets.key"]) writeFileSync(join(dir, "open", name), readFileSync(join(dir, name)), { mode: 0o644 });
  const refused = await lintel(["serve", join(dir, "open"), "--listen", "127.0.0.1:0", "--admin", ""]);
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /secrets\.key/);
});

test("what keeps a server from starting is said, with exit code 3", async (t) => {
  const api = await serve(t, { sql: SHOP, app: SHOP_APP });
  const taken = await lintel(["serve", api.dir, "--listen", `127.0.0.1:${api.port}`, "--admin", ""], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.equal(taken.code, 3, taken.stderr);
  assert.match(taken.stderr, new RegExp(`127\\.0\\.0\\.1:${api.port}`));
  const nowhere = await lintel(["serve", api.dir, "--listen", "127.0.0.1:0", "--admin", ""], { env: { LINTEL_DATABASE_URL: "postgresql://%zz" } });
  assert.equal(nowhere.code, 3, nowhere.stderr);
  const none = await lintel(["serve", api.dir, "--listen", "127.0.0.1:0"], { env: { LINTEL_DATABASE_URL: "" } });
  assert.equal(none.code, 3);
  assert.match(none.stderr, /LINTEL_DATABASE_URL/);
});

test("check --json is JSON whatever is wrong, also with lintel.yaml and without a folder", async (t) => {
  const dir = folder(t, { "lintel.yaml": "listn: 127.0.0.1:0\npools: {mx: 3}\nadmin: 9090\n" });
  const checked = await lintel(["check", "--json", dir]);
  assert.equal(checked.code, 1);
  const { errors, findings } = JSON.parse(checked.stdout);
  assert.equal(errors, findings.length);
  assert.deepEqual(findings.slice(0, 2).map((f) => [f.file, f.line, f.message]),
    [["lintel.yaml", 1, "unknown key `listn` in lintel.yaml"], ["lintel.yaml", 2, "unknown key `mx` in pools"]]);
  assert.match(findings[2].message, /^admin: 9090: an address is written HOST:PORT/);
  const none = await lintel(["check", "--json", join(dir, "nowhere")]);
  assert.equal(none.code, 1);
  assert.equal(JSON.parse(none.stdout).errors, 1);
});

test("check names what lies in the folder and is not read", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const { dir } = await exposed.folder(t, { postgres, database, expose: ["public.customer"] });
  mkdirSync(join(dir, "query"));
  mkdirSync(join(dir, "queries"));
  for (const file of ["resources/orders.yml", "resources/README.md", "queries/top.SQL"]) writeFileSync(join(dir, file), "select 1");
  writeFileSync(join(dir, "queries/one.sql"), "/* access: public */ select 1 as one");
  const checked = await lintel(["check", "--json", dir]);
  const { warnings, queries, findings } = JSON.parse(checked.stdout);
  assert.equal(checked.code, 0);
  assert.equal(warnings, 3);
  assert.equal(queries, 1);
  assert.deepEqual(findings.map((f) => f.file).sort(), ["queries/top.SQL", "query", "resources/orders.yml"]);
});

test("init writes all or nothing: a file in the way is found before the first is written", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const init = (dir) => lintel(["init", "--db", postgres.url(database), "--expose", "public.customer", "--expose", "public.orders", dir]);
  const taken = folder(t, { "resources/orders.yaml": "mine" });
  const refused = await init(taken);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /orders\.yaml exists already; nothing was changed/);
  assert.ok(!existsSync(join(taken, "lintel.yaml")) && !existsSync(join(taken, "resources/customer.yaml")));

  const cloned = folder(t, { ".gitignore": "node_modules\n", "secrets.key": `${"0".repeat(64)}\n` });
  const made = await init(cloned);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stderr, /\.gitignore is there already/);
  assert.equal(readFileSync(join(cloned, ".gitignore"), "utf8"), "node_modules\n");
  assert.equal(readFileSync(join(cloned, "secrets.key"), "utf8"), `${"0".repeat(64)}\n`);
});

test("a role without rights is told so once, with the grants to copy", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const { dir } = await exposed.folder(t, { postgres, database, expose: ["public.customer"] });
  await postgres.query(database, "REVOKE ALL ON customer FROM app, PUBLIC");
  const checked = await lintel(["check", "--json", dir]);
  const { findings } = JSON.parse(checked.stdout);
  assert.equal(findings.length, 1, checked.stdout);
  assert.match(findings[0].fix, /^GRANT USAGE ON SCHEMA "public" TO "app"; GRANT SELECT ON "public"\."customer" TO "app";$/);
});
