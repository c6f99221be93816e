// Databases that others designed: what PostgreSQL allows and a generated API stumbles over.
import { assert, folder, lintel, serve, test } from "../lib/lintel.mjs";
import { exposed } from "../lib/exposed.mjs";

/** All rows, page by page: forwards by `next`, then backwards from the end by `prev`. */
async function walk(api, path) {
  const forwards = [];
  let backwards = [], page;
  for (let next = path; next; next = page.next && `${path}&after=${encodeURIComponent(page.next)}`) {
    const reply = (await api.get(next).expect(200)).json;
    page = reply.page;
    forwards.push(...reply.data);
    backwards = reply.data;
    assert.ok(forwards.length < 1000, "the pages end");
  }
  while (page.prev) {
    const reply = (await api.get(`${path}&before=${encodeURIComponent(page.prev)}`).expect(200)).json;
    page = reply.page;
    backwards = [...reply.data, ...backwards];
    assert.ok(backwards.length < 1000, "the pages begin");
  }
  return { forwards, backwards };
}

test("rows that inherit, and equal rows in several partitions: every one is met once, forwards and backwards", async (t) => {
  const sql = `CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (w int) INHERITS (parent);
    INSERT INTO parent SELECT i, 'parent' FROM generate_series(1, 5) i; INSERT INTO child SELECT i % 3, 'child', i FROM generate_series(1, 9) i;
    CREATE TABLE part (a int, b text) PARTITION BY LIST (a); CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1); CREATE TABLE part2 PARTITION OF part FOR VALUES IN (2);
    INSERT INTO part SELECT i % 2 + 1, 'same' FROM generate_series(1, 20) i;
    CREATE TABLE nulls (a text, b text) PARTITION BY HASH (b); CREATE TABLE nulls1 PARTITION OF nulls FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE nulls2 PARTITION OF nulls FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO nulls SELECT NULL, i % 2 FROM generate_series(1, 20) i;`;
  const api = await exposed(t, { sql, expose: ["public"] });
  for (const [path, rows] of [["parent?order=id", 14], ["parent?order=id.desc", 14], ["parent?order=v", 14], ["parent?select=v", 14], ["part?select=b", 20], ["part?order=b.desc", 20], ["nulls?select=a", 20]])
    for (const limit of [1, 2, 3, 7]) {
      const { forwards, backwards } = await walk(api, `/v1/${path}&limit=${limit}`);
      assert.equal(forwards.length, rows, `${path}, ${limit} at a time`);
      assert.deepEqual(backwards, forwards, `${path}, ${limit} at a time`);
    }
});

test("an order by a composite column: a row of nulls is a value, and no row is lost beside it", async (t) => {
  const sql = `CREATE TYPE pair AS (a int, b text); CREATE DOMAIN odd AS pair; CREATE TABLE thing (id int PRIMARY KEY, p pair, d odd);
    INSERT INTO thing SELECT i, p, p FROM (SELECT i, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN ROW(NULL, NULL)::pair WHEN 2 THEN ROW(i, NULL)::pair ELSE ROW(1, 'x')::pair END AS p FROM generate_series(1, 20) i) x`;
  const api = await exposed(t, { sql, expose: ["public"] });
  for (const field of ["p", "d"])
    for (const order of ["asc", "desc", "asc.nullsfirst", "desc.nullslast"]) {
      const whole = (await api.get(`/v1/thing?order=${field}.${order}&limit=50`).expect(200)).json.data;
      assert.equal(whole.length, 20);
      for (const limit of [1, 3]) {
        const { forwards, backwards } = await walk(api, `/v1/thing?order=${field}.${order}&limit=${limit}`);
        assert.deepEqual(forwards, whole, `${field}.${order}`);
        assert.deepEqual(backwards, whole, `${field}.${order} backwards`);
      }
    }
});

test("what is written under a name or key of other letters has a Location that can be asked for", async (t) => {
  const api = await serve(t, {
    sql: 'CREATE TABLE "Bücher" ("Schlüssel" text PRIMARY KEY)',
    app: { "resources/books.yaml": 'table: "public.Bücher"\nname: "Bücher"\naccess: public\noperations: [list, get, create]\n' },
  });
  const made = await api.post("/v1/B%C3%BCcher", { Schlüssel: "größe/1" }).expect(201, { Location: "/v1/B%C3%BCcher/gr%C3%B6%C3%9Fe%2F1" });
  await api.get(made.header("location")).expect(200).expectBody({ Schlüssel: "größe/1" });
});

test("a key of JSON: what is no JSON names no row", async (t) => {
  const api = await serve(t, {
    sql: `CREATE TABLE doc (k jsonb PRIMARY KEY); INSERT INTO doc VALUES ('{"a": 1}'), ('"x"')`,
    app: { "resources/doc.yaml": "table: public.doc\naccess: public\n" },
  });
  await api.get(`/v1/doc/${encodeURIComponent('"x"')}`).expect(200, { k: "x" });
  await api.get("/v1/doc/x").expect(404, { error_code: "not_found" });
  await api.get("/v1/doc/%7B").expect(404, { error_code: "not_found" });
});

test("a pattern on a nondeterministic collation is the query's fault, not a changed schema", async (t) => {
  const api = await serve(t, {
    sql: `CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TABLE word (id int PRIMARY KEY, w text COLLATE ci); INSERT INTO word VALUES (1, 'Abc')`,
    app: { "resources/word.yaml": "table: public.word\naccess: public\n" },
  });
  for (const operator of ["like", "ilike", "match"]) await api.get(`/v1/word?w=${operator}.a`).expect(400, { error_code: "query.invalid", message: /collation/ });
  await api.get("/v1/word?w=eq.aBC").expect(200, { "data.0.id": 1 });
});

test("an upsert that PostgreSQL can never do is said by check, not by a 500", async (t) => {
  const sql = `CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
    CREATE TABLE computed (a int, k int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY);
    CREATE TABLE late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v int)`;
  const { postgres, database } = await exposed.database(t, sql);
  for (const [table, reason] of [["always", /only PostgreSQL gives/], ["computed", /only PostgreSQL gives/], ["late", /deferrable/]]) {
    const check = async (operations) => {
      const dir = folder(t, { "lintel.yaml": "", [`resources/${table}.yaml`]: `table: public.${table}\naccess: public\noperations: [${operations}]\n` });
      return lintel(["check", dir], { env: { LINTEL_DATABASE_URL: postgres.url(database) } });
    };
    const refused = await check("list, get, upsert");
    assert.equal(refused.code, 1, refused.stdout);
    assert.match(refused.stdout + refused.stderr, reason);
    assert.equal((await check("list, get, create, update, replace, delete")).code, 0);
  }
  const api = await serve(t, { postgres, database, app: { "resources/always.yaml": "table: public.always\naccess: public\noperations: [list, get, create, replace]\n" } });
  await api.post("/v1/always", { v: "a" }).expect(201);
  await api.put("/v1/always/1", { v: "b" }).expect(200, { id: 1, v: "b" });
  await api.put("/v1/always/7", { v: "c" }).expect(404);
});
