// 20. Pagination: keyset both ways, cursors that say nothing, a total for who asks, and OFFSET only as deep as it is fine.
//
// partly: page anchors are not cached
import { assert, lintel, serve, test } from "../lib/lintel.mjs";

const ROWS = 20000;
const SQL = `
CREATE TABLE ticket (board integer, number integer, prio integer, due date, title text NOT NULL, secret_rank numeric NOT NULL, PRIMARY KEY (board, number));
INSERT INTO ticket SELECT n % 7, n, CASE WHEN n % 5 = 0 THEN NULL ELSE n % 11 END, CASE WHEN n % 3 = 0 THEN NULL ELSE date '2024-01-01' + n % 50 END, 'ticket ' || n, 777000000 + n FROM generate_series(1, ${ROWS}) n;
CREATE INDEX ON ticket (due DESC, board, number); ANALYZE ticket;`;
const APP = { "resources/ticket.yaml": "table: public.ticket\naccess: public\noperations: [list, get, create, delete]\norder: [due.desc]\nlimits: {page: 20, page_max: 1000, offset: 10000}\n" };
const stage = (t) => serve(t, { sql: SQL, app: APP });
const key = (row) => `${row.board}/${row.number}`;

async function walk(api, path, way, from) {
  const rows = [];
  for (let cursor = from, first = true; first || cursor; first = false) {
    const reply = await api.get(cursor ? `${path}&${way}=${cursor}` : path).expect(200);
    rows.push(reply.json.data.map(key));
    cursor = reply.json.page[way === "after" ? "next" : "prev"];
  }
  return rows;
}

test("composite, descending, mixed and NULL-laden orders walk to the end and back, each row once", async (t) => {
  const api = await stage(t);
  for (const [order, sql] of [["board,number", "board, number"], ["board.desc,number", "board DESC, number"], ["prio,board", "prio, board, number"], ["prio.desc.nullslast,due.nullsfirst", "prio DESC NULLS LAST, due NULLS FIRST, board, number"],
    ["due.desc", "due DESC, board DESC, number DESC"], ["prio.nullsfirst,number.desc", "prio NULLS FIRST, number DESC, board"], ["title.desc", "title DESC"]]) {
    const filter = "number=lte.3000";
    const want = (await api.sql(`SELECT board, number FROM ticket WHERE number <= 3000 ORDER BY ${sql}`)).map(key);
    const path = `/v1/ticket?${filter}&order=${order}&select=board,number&limit=700`;
    const pages = await walk(api, path, "after");
    assert.deepEqual(pages.flat(), want, order);
    const last = await api.get(`${path}&after=${(await api.get(path)).json.page.next}`).expect(200);
    const back = await walk(api, path, "before", last.json.page.prev);
    assert.deepEqual(back.reverse().flat(), want.slice(0, 700), `${order}, back`);
  }
});

test("the tie-break is added by itself, also to the resource's own order", async (t) => {
  const api = await stage(t);
  const seen = (await walk(api, "/v1/ticket?select=board,number&limit=1000", "after")).flat();
  assert.equal(seen.length, ROWS);
  assert.equal(new Set(seen).size, ROWS);
});

test("a cursor tells nothing, cannot be bent, and belongs to its question", async (t) => {
  const api = await stage(t);
  const path = "/v1/ticket?order=secret_rank.desc&select=board,number&limit=5";
  const { next } = (await api.get(path).expect(200)).json.page;
  const decoded = Buffer.from(next, "base64url");
  assert.ok(!decoded.includes("77701999") && !decoded.includes("7770"), "the value it is ordered by cannot be read");
  assert.match(next, /^[A-Za-z0-9_-]+$/);
  const again = (await api.get(path).expect(200)).json.page.next;
  assert.notEqual(again, next, "the same row, another text");
  for (let i = 0; i < decoded.length; i += Math.ceil(decoded.length / 12)) {
    const bent = Buffer.from(decoded);
    bent[i] ^= 1;
    await api.get(`${path}&after=${bent.toString("base64url")}`).expect(400, { error_code: "query.cursor" });
  }
  await api.get(`${path.replace("secret_rank.desc", "secret_rank")}&after=${next}`).expect(400, { error_code: "query.cursor" });
  await api.get(`${path}&board=eq.1&after=${next}`).expect(400, { error_code: "query.cursor" });
  await api.get(`${path.replace("limit=5", "limit=7")}&after=${next}`).expect(200);
});

test("Link and body name the same pages", async (t) => {
  const api = await stage(t);
  const first = await api.get("/v1/ticket?order=number&limit=3&board=in.(1,2)").expect(200, { Link: /^<[^>]+>; rel="next"$/ });
  const next = /<([^>]+)>; rel="next"/.exec(first.header("link"))[1];
  assert.ok(next.startsWith("/v1/ticket?"));
  const second = await api.get(next).expect(200, { Link: /rel="next".*rel="prev"|rel="prev".*rel="next"/ });
  assert.deepEqual(second.json.data.map((row) => row.number), [9, 15, 16]);
  const back = await api.get(/<([^>]+)>; rel="prev"/.exec(second.header("link"))[1]).expect(200);
  assert.deepEqual(back.json.data, first.json.data);
});

test("a cursor goes on when its row has been deleted", async (t) => {
  const api = await stage(t);
  const path = "/v1/ticket?order=number&select=board,number&limit=10";
  const page = (await api.get(path).expect(200)).json;
  await api.delete(`/v1/ticket/${key(page.data.at(-1))}`).expect(204);
  await api.sql("DELETE FROM ticket WHERE number BETWEEN 9 AND 15");
  await api.get(`${path}&after=${page.page.next}`).expect(200, { "data.0.number": 16 });
});

test("a total for who asks: exact, capped, estimated; none by preset", async (t) => {
  const api = await stage(t);
  await api.get("/v1/ticket?limit=1").expect(200, { page: (page) => !("count" in page) });
  await api.get("/v1/ticket?limit=1&count=exact&board=eq.1").expect(200, { "page.count": Math.ceil((ROWS - 0) / 7) });
  await api.get("/v1/ticket?limit=1&count=capped").expect(200, { "page.count": 10000, "page.count_capped": true });
  await api.get("/v1/ticket?limit=1&count=estimated").expect(200, { "page.count": (n) => n > ROWS * 0.8 && n < ROWS * 1.2 });
});

test("offset and page for small depths; past them the answer names the cursor", async (t) => {
  const api = await stage(t);
  const at = async (query) => (await api.get(`/v1/ticket?order=number&select=number&${query}`).expect(200)).json.data.map((row) => row.number);
  assert.deepEqual(await at("limit=3&page=1"), [1, 2, 3]);
  assert.deepEqual(await at("limit=3&page=100"), [298, 299, 300]);
  assert.deepEqual(await at("limit=2&offset=10000"), [10001, 10002]);
  for (const deep of ["limit=2&offset=10001", "limit=1000&page=12"]) await api.get(`/v1/ticket?${deep}`).expect(400, { message: /after|cursor/ });
  const paged = await api.get("/v1/ticket?order=number&limit=3&page=100").expect(200);
  await api.get(`/v1/ticket?order=number&limit=3&after=${paged.json.page.next}`).expect(200, { "data.0.number": 301 }); // and on with a cursor
});

test("a deep page costs what a shallow one costs; an offset runs over keys first", async (t) => {
  const api = await stage(t);
  let cursor = null;
  for (let i = 0; i < 18; i++) cursor = (await api.get(`/v1/ticket?order=board,number&limit=1000${cursor ? `&after=${cursor}` : ""}`).expect(200)).json.page.next;
  const buffers = async (path) => {
    await api.sql("SELECT pg_stat_statements_reset()").catch(() => {});
    await api.get(path).expect(200);
  };
  await buffers(`/v1/ticket?order=board,number&limit=10&after=${cursor}`);
  // What PostgreSQL is asked, seen by PostgreSQL: a condition on the key, no OFFSET; and for OFFSET a join back to the keys' rows.
  const asked = async (path) => {
    await api.get(path).expect(200);
    return (await api.sql(`SELECT query FROM pg_stat_activity WHERE datname = '${api.database}' AND usename = 'app' AND query ILIKE '%ticket%' ORDER BY query_start DESC LIMIT 1`))[0].query;
  };
  const keyset = await asked(`/v1/ticket?order=board,number&limit=10&after=${cursor}`);
  assert.doesNotMatch(keyset, /offset/i);
  const offset = await asked("/v1/ticket?order=board,number&limit=10&offset=9000");
  assert.match(offset, /offset[\s\S]*join/i);
});

test("the index that an order, or an order with a filter, lacks is named: by check for what is declared, by explain for what is asked", async (t) => {
  const api = await stage(t);
  const run = (...words) => lintel([...words, api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.doesNotMatch((await run("check")).stdout, /no index/, "due desc, board, number is there; behind it a sort of few rows is enough");
  api.write("resources/ticket.yaml", `${APP["resources/ticket.yaml"].replace("due.desc", "prio.desc, due")}`);
  assert.match((await run("check")).stdout, /ticket: no index serves its order[^\n]*\n *CREATE INDEX CONCURRENTLY ON "public"\."ticket" \("prio" DESC, "due", "board", "number"\)/);
  const asked = await run("explain", "--route", "GET /v1/ticket?prio=eq.3&order=title", "--json");
  assert.equal(asked.code, 1);
  const fix = JSON.parse(asked.stdout).findings.find((f) => f.code === "missing_index").fix;
  await api.sql(fix);
  await api.sql("ANALYZE ticket");
  const after = JSON.parse((await run("explain", "--route", "GET /v1/ticket?prio=eq.3&order=title", "--json")).stdout);
  assert.ok(!after.findings.some((f) => f.code === "missing_index"));
  assert.match(JSON.stringify(after.plan), /ticket_prio_title/, "and the planner takes it");
});
