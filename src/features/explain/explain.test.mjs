// `lintel explain`: the plan of what a route asks, as the API's role gets it, and what is wrong with it.
import { assert, lintel, serve, test } from "../../../tests/lib/lintel.mjs";

const SQL = `
create table ticket (board integer, number integer, due date, title text not null, size integer, primary key (board, number));
insert into ticket select n % 7, n, date '2024-01-01' + n % 50, 'ticket ' || n, n % 20000 from generate_series(1, 40000) n;
create index on ticket (due, board, number); 
create table board (id integer primary key, name text); insert into board select n, 'board ' || n from generate_series(0, 6) n;
create table pair as select n as a, n % 1000 as b, n % 1000 as c from generate_series(1, 50000) n;
analyze ticket; analyze board; analyze pair;`;
const APP = {
  "resources/ticket.yaml": "table: public.ticket\naccess: public\norder: [due]\n",
  "queries/sized.sql": "/* route: GET /v1/boards/{board}/sized\n   access: public\n   params: {size: {default: 5}} */ select number, title from public.ticket where size = :size and board <> :board",
  "queries/rename.sql": "/* route: POST /v1/rename\n   access: public\n   result: none */ update public.ticket set title = :title where number = :number",
};
async function stage(t) {
  const api = await serve(t, { sql: SQL, app: APP, config: {} });
  api.explain = (...words) => lintel(["explain", ...words, api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  api.found = async (...words) => { const got = await api.explain(...words, "--json"); return { ...got, report: JSON.parse(got.stdout), codes: JSON.parse(got.stdout).findings.map((f) => f.code) }; };
  return api;
}

test("a route's own statement, its parameters bound, as a tree; the exit code says whether something was found", async (t) => {
  const api = await stage(t);
  const calm = await api.explain("--route", "GET /v1/ticket?limit=5");
  assert.equal(calm.code, 0, calm.stdout + calm.stderr);
  assert.match(calm.stdout, /Limit[^]*-> Index Scan ticket by ticket_due_board_number_idx[^]*as app|as app[^]*Index Scan ticket/);
  assert.match(calm.stdout, /nothing found/);
  const one = await api.explain("--route", "GET /v1/ticket/{board}/{number}", "--param", "board=1", "--param", "number=8", "--analyze");
  assert.equal(one.code, 0, one.stdout);
  assert.match(one.stdout, /\$1 = 1\n {2}\$2 = 8[^]*ran in [\d.]+ ms[^]*ticket_pkey {2}rows 1 of 1 expected, [\d.]+ ms, \d+ blocks/);
});

test("a table read whole, a bad guess, a nested loop, a spill: each in numbers and with what to do", async (t) => {
  const api = await stage(t);
  const sized = await api.found("--route", "GET /v1/boards/{board}/sized", "--param", "board=3", "--param", "size=7", "--analyze");
  assert.equal(sized.code, 1);
  assert.ok(sized.codes.includes("seq_scan"), sized.stdout);
  assert.match(sized.report.findings.find((f) => f.code === "seq_scan").message, /ticket is read whole, about 40000 rows/);
  assert.deepEqual(sized.report.params, ["7", "3"]);
  assert.ok((await api.found("--route", "GET /v1/boards/3/sized")).codes.includes("seq_scan"), "planned, not run: the catalog's row count");
  const guess = await api.found("select count(*) from pair where b = :b and c = :b and a > 0", "--param", "b=7", "--analyze");
  assert.deepEqual([guess.code, guess.report.findings.some((f) => f.code === "seq_scan")], [1, true]);
  const wrong = await api.found("select a from pair where a % 2 = 0 and b % 2 = 0", "--analyze");
  assert.ok(wrong.codes.includes("misestimate"), wrong.stdout);
  const spill = await api.found("select a.a, b.b from pair a join pair b on true where a.a < 12 order by a.a, b.b, a.c", "--analyze");
  assert.ok(spill.codes.includes("spill"), spill.stdout);
  const nested = await api.found("select count(*) from board d cross join lateral (select a from pair where pair.a % 7 = d.id offset 0) x", "--analyze");
  assert.ok(nested.codes.includes("nested_loop"), nested.stdout);
});

test("the index that a list's filter and order lack, for what is asked and in lintel check", async (t) => {
  const api = await stage(t);
  const lacking = await api.found("--route", "GET /v1/ticket?size=eq.5&order=title.desc&limit=5");
  assert.equal(lacking.code, 1);
  const index = lacking.report.findings.find((f) => f.code === "missing_index");
  assert.equal(index.fix, 'CREATE INDEX CONCURRENTLY ON "public"."ticket" ("size", "title" DESC, "board" DESC, "number" DESC)');
  await api.sql(index.fix);
  const after = await api.found("--route", "GET /v1/ticket?size=eq.5&order=title.desc&limit=5");
  assert.ok(!after.codes.includes("missing_index"), after.stdout);
  assert.equal(after.report.plan.children[0].node, "Index Scan");
  for (const fine of ["order=due", "order=due.desc,board.desc", "board=eq.3&order=number", "order=board,number"]) assert.ok(!(await api.found("--route", `GET /v1/ticket?${fine}`)).codes.includes("missing_index"), fine);
  for (const not of ["order=title", "order=due.desc,board", "size=eq.5&order=due"]) assert.ok((await api.found("--route", `GET /v1/ticket?${not}`)).codes.includes("missing_index"), not);
  const check = () => lintel(["check", api.dir], { env: { LINTEL_DATABASE_URL: api.postgres.url(api.database) } });
  assert.doesNotMatch((await check()).stdout, /no index serves/);
  api.write("resources/ticket.yaml", "table: public.ticket\naccess: public\norder: [title.desc]\n");
  assert.match((await check()).stdout, /resources\/ticket\.yaml:1:1: warning: ticket: no index serves its order: every page sorts about 40000 rows\n.*CREATE INDEX CONCURRENTLY ON "public"."ticket" \("title" DESC, "board" DESC, "number" DESC\)/);
  api.write("queries/paged.sql", "/* access: public\n   page: {by: [size desc, board, number]} */ select size, board, number from public.ticket");
  assert.match((await check()).stdout, /queries\/paged\.sql:2:\d+: warning: page: no index serves its order\n.*\("size" DESC, "board", "number"\)/);
});

test("nothing that explain does lasts, and what cannot be explained is said", async (t) => {
  const api = await stage(t);
  const write = ["--route", "POST /v1/rename", "--param", "title=x", "--param", "number=3", "--header", "Content-Type: application/json"];
  assert.equal((await api.found(...write)).report.plan.node, "ModifyTable");
  const run = await api.explain(...write, "--analyze");
  assert.deepEqual([run.code, /this one writes/.test(run.stderr)], [2, true]);
  const direct = await api.explain("insert into ticket values (9, 9, now(), 'x', 1)", "--analyze");
  assert.equal(direct.code, 2);
  assert.match(direct.stderr, /read-only transaction/);
  assert.equal((await api.sql("select count(*)::int as n from ticket"))[0].n, 40000);
  const planned = await api.explain("insert into ticket values (9, 9, now(), 'x', 1)");
  assert.equal(planned.code, 0, planned.stderr);
  for (const [words, why] of [[["--route", "GET /v1/nothing"], /no route/], [["--route", "GET /v1/ticket?nme=eq.1"], /nme/], [["--route", "GET /v1/ticket/{board}/1"], /--param board/], [["select nme from ticket"], /nme/], [["select title from ticket where number = :n"], /--param n=/], [["--route", "GET /v1/boards/x/sized"], /board must be an integer/], [["--route", "GET /livez"], /asks nothing/], [["--route", "PATCH /v1/ticket/1/8"], /no route|only reads/]]) {
    const got = await api.explain(...words);
    assert.equal(got.code, 2, words.join(" "));
    assert.match(got.stderr, why);
  }
});
