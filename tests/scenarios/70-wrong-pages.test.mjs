// 70. Wrong pages: while others insert, update and delete, a walk meets every row that was there all along exactly once, in order.
import { assert, lintel, serve, test } from "../lib/lintel.mjs";

// A small generator, so that a failure can be repeated: the seed is in its message.
const random = (seed) => () => { seed = (seed + 0x6d2b79f5) | 0; let x = Math.imul(seed ^ (seed >>> 15), 1 | seed); x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x; return ((x ^ (x >>> 14)) >>> 0) / 4294967296; };

const SQL = `
CREATE TABLE author (id integer PRIMARY KEY, country text, name text NOT NULL);
INSERT INTO author SELECT n, CASE WHEN n % 4 = 0 THEN NULL ELSE chr(97 + n % 5) END, 'author ' || n FROM generate_series(1, 40) n;
CREATE TABLE post (a integer, b integer, author_id integer REFERENCES author, rank integer, score numeric(6, 2), at timestamptz, moving boolean NOT NULL, PRIMARY KEY (a, b));
CREATE TABLE remark (id serial PRIMARY KEY, a integer, b integer, text text, FOREIGN KEY (a, b) REFERENCES post ON DELETE CASCADE);
INSERT INTO post SELECT n % 20, n, CASE WHEN n % 9 = 0 THEN NULL ELSE 1 + n % 40 END, CASE WHEN n % 4 = 0 THEN NULL ELSE n % 6 END, (n * 7919 % 500) / 3.0, CASE WHEN n % 6 = 0 THEN NULL ELSE timestamptz '2024-01-01 00:00:00+00' + (n % 30) * interval '1.000001 hour' END, n % 3 = 0 FROM generate_series(1, 900) n;
INSERT INTO remark (a, b, text) SELECT a, b, 'r' || g FROM post, generate_series(1, 3) g WHERE b % 2 = 0; ANALYZE;`;
const rw = "access: public\noperations: [list, get, create, update, delete]\n";
const APP = { "resources/post.yaml": `table: public.post\n${rw}`, "resources/author.yaml": `table: public.author\n${rw}`, "resources/remark.yaml": `table: public.remark\n${rw}` };

const ORDERS = [["a,b", "a, b"], ["rank,score.desc", "rank, score DESC, a DESC, b DESC"], ["rank.desc.nullslast,at.nullsfirst,b.desc", "rank DESC NULLS LAST, at NULLS FIRST, b DESC, a DESC"], ["at.desc", "at DESC, a DESC, b DESC"], ["score", "score, a, b"],
  ["moving.desc,at.desc.nullslast,rank.nullsfirst", "moving DESC, at DESC NULLS LAST, rank NULLS FIRST, a, b"], ["rank.nullsfirst,a.desc", "rank NULLS FIRST, a DESC, b DESC"]];
const name = (row) => `${row.a}/${row.b}`;

/** Rows come and go, but only such as are `moving`: those that stay still must be met once each. */
function restless(api, next) {
  const state = { running: true, changes: 0 };
  state.done = (async () => {
    const client = await api.postgres.connect(api.database);
    for (let n = 100000; state.running; n++) {
      const r = next();
      if (r < 0.4) await client.query("INSERT INTO post VALUES ($1, $2, 1, $3, $4, now(), true)", [n % 20, n, r < 0.1 ? null : n % 6, n % 170]);
      else if (r < 0.7) await client.query("DELETE FROM post WHERE (a, b) IN (SELECT a, b FROM post WHERE moving ORDER BY random() LIMIT 3)");
      else await client.query("UPDATE post SET rank = $1, score = $2, at = $3 WHERE (a, b) IN (SELECT a, b FROM post WHERE moving ORDER BY random() LIMIT 5)", [r < 0.8 ? null : n % 6, n % 170, r < 0.9 ? null : new Date(1.7e12 + n * 1000).toISOString()]);
      state.changes++;
    }
    await client.end();
  })();
  state.stop = async () => { state.running = false; await state.done; return state.changes; };
  return state;
}

async function walk(api, path, way, from) {
  const rows = [];
  for (let cursor = from, first = true; first || cursor; first = false) {
    const { data, page } = (await api.get(cursor ? `${path}&${way}=${cursor}` : path).expect(200)).json;
    way === "after" ? rows.push(...data) : rows.unshift(...data);
    cursor = way === "after" ? page.next : page.prev;
  }
  return rows;
}

test("under constant change no row that stays is missed or met twice, forwards and backwards", async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6), next = random(seed);
  const api = await serve(t, { sql: SQL, app: APP });
  const changing = restless(api, next);
  for (const [order, sql] of ORDERS) {
    const limit = 5 + Math.floor(next() * 60);
    const path = `/v1/post?order=${order}&select=a,b,moving&limit=${limit}`;
    const want = (await api.sql(`SELECT a, b FROM post WHERE NOT moving ORDER BY ${sql}`)).map(name);
    const still = (rows) => rows.filter((row) => !row.moving).map(name);
    assert.deepEqual(still(await walk(api, path, "after")), want, `${order}, pages of ${limit}, seed ${seed}`);
    // To the end by itself, then back from there.
    let cursor = null, last = null;
    do { last = (await api.get(cursor ? `${path}&after=${cursor}` : path).expect(200)).json; cursor = last.page.next; } while (cursor);
    if (last.page.prev) {
      const back = [...(await walk(api, path, "before", last.page.prev).then((rows) => rows)), ...last.data];
      const firstPage = (await api.get(path).expect(200)).json.data;
      const met = still(back.slice(0)), missing = want.filter((row) => !met.includes(row) && !still(firstPage).includes(row));
      assert.deepEqual(missing, [], `${order} back, seed ${seed}`);
      assert.equal(new Set(met).size, met.length, `${order} back: each once, seed ${seed}`);
    }
  }
  const changes = await changing.stop();
  t.diagnostic(`seed ${seed}, ${changes} changes meanwhile`);
  assert.ok(changes > 50, `${changes} changes`);
});

test("an order through a joined table ends in the driving table's key: each parent once", async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6), next = random(seed);
  const api = await serve(t, { sql: SQL, app: APP });
  const changing = restless(api, next);
  for (const [order, sql] of [["author(country),author(name).desc", "u.country, u.name DESC, p.a DESC, p.b DESC"], ["author(country).desc.nullslast,rank", "u.country DESC NULLS LAST, p.rank, p.a, p.b"], ["rank.desc,author(name)", "p.rank DESC, u.name, p.a, p.b"]]) {
    const want = (await api.sql(`SELECT p.a, p.b FROM post p LEFT JOIN author u ON u.id = p.author_id WHERE NOT p.moving ORDER BY ${sql}`)).map(name);
    const rows = await walk(api, `/v1/post?order=${order}&select=a,b,moving,author(country)&limit=37`, "after");
    assert.deepEqual(rows.filter((row) => !row.moving).map(name), want, `${order}, seed ${seed}`);
  }
  await changing.stop();
});

test("children embed, never page: a parent with many children is one row", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP });
  const rows = await walk(api, "/v1/post?select=a,b,remark(text)&order=b&limit=50", "after");
  assert.equal(rows.length, 900);
  for (const row of rows) assert.equal(row.remark.length, row.b % 2 === 0 ? 3 : 0);
  await api.get("/v1/post?order=remark(text)").expect(400, { message: /remark/ }); // there is no one text to order by
});

test("a filter through a joined table pages well too", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP });
  const want = (await api.sql("SELECT p.a, p.b FROM post p JOIN author u ON u.id = p.author_id WHERE u.country = 'b' ORDER BY p.score DESC, p.a DESC, p.b DESC")).map(name);
  const rows = await walk(api, "/v1/post?author.country=eq.b&order=score.desc&select=a,b&limit=13", "after");
  assert.deepEqual(rows.map(name), want);
});

test("OFFSET under inserts shows a row twice, which is why it is not the preset", async (t) => {
  const api = await serve(t, { sql: SQL, app: APP });
  const first = (await api.get("/v1/post?order=a,b&limit=10").expect(200)).json;
  await api.sql("INSERT INTO post VALUES (-1, 1, 1, 1, 1, NULL, true)");
  const byOffset = (await api.get("/v1/post?order=a,b&limit=10&offset=10").expect(200)).json;
  const byCursor = (await api.get(`/v1/post?order=a,b&limit=10&after=${first.page.next}`).expect(200)).json;
  const seen = new Set(first.data.map(name));
  assert.ok(byOffset.data.some((row) => seen.has(name(row))));
  assert.ok(!byCursor.data.some((row) => seen.has(name(row))));
});

test("the index that a page lacks is named", async (t) => {
  const api = await serve(t, { sql: `${SQL} INSERT INTO post SELECT n % 20, n, 1, n % 6, n % 500, now(), false FROM generate_series(10000, 25000) n; ANALYZE post;`, app: { ...APP, "resources/post.yaml": `table: public.post\n${rw}order: [rank.desc, score]\n` } });
  const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.match(checked.stdout, /post: no index serves its order[^\n]*\n *CREATE INDEX CONCURRENTLY ON "public"\."post" \("rank" DESC, "score", "a", "b"\)/);
});

test("a table without a key: rows that are equal in everything are met, each once; of a view check says that they may not be", async (t) => {
  const api = await serve(t, { sql: "CREATE TABLE twin (word text, n integer); INSERT INTO twin SELECT 'w' || n % 5, n % 7 FROM generate_series(1, 300) n; CREATE VIEW twins AS SELECT word, n FROM twin; GRANT SELECT ON twin, twins TO app;",
    app: { "resources/twin.yaml": "table: public.twin\naccess: public\n", "resources/twins.yaml": "table: public.twins\naccess: public\n" } });
  for (const order of ["", "&order=n.desc", "&order=word,n"]) {
    const rows = await walk(api, `/v1/twin?limit=7${order}`, "after");
    assert.equal(rows.length, 300, order);
    let cursor = null, last = null;
    do { last = (await api.get(`/v1/twin?limit=7${order}${cursor ? `&after=${cursor}` : ""}`).expect(200)).json; cursor = last.page.next; } while (cursor);
    assert.equal((await walk(api, `/v1/twin?limit=7${order}`, "before", last.page.prev)).length + last.data.length, 300);
  }
  const checked = await lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.match(checked.stdout, /resources\/twins\.yaml:1:1: warning: twins: without a key[^]*`key: /);
  assert.doesNotMatch(checked.stdout, /twin: without a key/);
});
