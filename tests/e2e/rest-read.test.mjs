// Reading over REST: lists, rows, filters, select and embeds, order, pages, counts, and what is said of a wrong query.
import { assert, lintel, serve, test } from "../lib/lintel.mjs";
import { SHOP, SHOP_APP, WITHOUT_CHINOOK, chinook, nasty } from "../lib/databases.mjs";
import { exposed } from "../lib/exposed.mjs";

const shop = (t, options = {}) => serve(t, { sql: SHOP, app: SHOP_APP, ...options });
const ids = (reply) => reply.json.data.map((row) => row.id);
const query = (text) => text.split("&").map((pair) => {
  const at = pair.indexOf("=");
  return `${encodeURIComponent(pair.slice(0, at))}=${encodeURIComponent(pair.slice(at + 1))}`;
}).join("&");

test("a list is a page of rows, a row is the bare object, what no file names is not there", async (t) => {
  const api = await shop(t);
  const page = await api.get("/v1/customer").expect(200, { "Content-Type": /^application\/json/, "X-Request-Id": /^[\w.-]{8,128}$/ });
  assert.deepEqual(Object.keys(page.json), ["data", "page"]);
  assert.deepEqual(page.json.page, { next: null, prev: null, limit: 20 });
  assert.deepEqual(page.json.data[0], {
    id: 1, name: "Ann", email: "ann@example.org", country: "AT", mood: "happy", credit: 100.5, active: true, version: 1,
    created_at: "2024-01-01T12:00:00+00:00",
  });
  await api.get("/v1/customer/3").expect(200, { id: 3, name: "Zoë", country: null, mood: "sad" });
  assert.match((await api.get("/v1/customer/3")).text, /"credit":12345678\.90[,}]/, "numeric keeps its scale");
  await api.get("/v1/order_line/1/2").expect(200, { order_id: 1, line: 2, quantity: 100 });
  await api.get("/v1/customer/4").expect(404, { error_code: "not_found", message: /./, correlation_id: /./, timestamp: /^\d{4}-\d\d-\d\dT.*Z$/ });
  await api.get("/v1/customer/ann").expect(404, { error_code: "not_found" }); // no row can have this key
  await api.get("/v1/customer/99999999999999999999999").expect(404);
  await api.get("/v1/order_line/1").expect(404);
  await api.get("/v1/order_line/1/2/3").expect(404);
  await api.get("/v1/secret").expect(404, { error_code: "not_found" });
  await api.get("/v1/pg_class").expect(404);
  await api.get("/v1/").expect(404);
  const article = await api.get("/v1/article/1").expect(200, { search: undefined, name: "blue lamp" });
  assert.ok(!("search" in article.json), "a hidden field is not shown");
});

test("every operator does what it says", async (t) => {
  const api = await shop(t);
  const cases = [
    ["article", "id=eq.3", [3]], ["article", "id=neq.3", [1, 2, 4, 5, 6]], ["article", "price=gt.24", [3, 4, 6]],
    ["article", "price=gte.24.00", [2, 3, 4, 6]], ["article", "price=lt.19.99", [5]], ["article", "price=lte.19.99", [1, 5]],
    ["article", "id=in.(1,3,99)", [1, 3]], ["article", "id=in.()", []], ["article", "id=not.in.(1,3)", [2, 4, 5, 6]],
    ["article", "weight=is.null", [4]], ["article", "weight=is.not_null", [1, 2, 3, 5, 6]], ["article", "weight=not.is.null", [1, 2, 3, 5, 6]],
    ["customer", "active=is.true", [1, 2]], ["customer", "active=is.false", [3]], ["customer", "active=is.unknown", []],
    ["customer", "country=isdistinct.AT", [2, 3]], ["customer", "country=neq.AT", [2]],
    ["article", "name=like.*lamp", [1, 2]], ["article", "name=like.%lamp", [1, 2]], ["article", "name=ilike.*LAMP", [1, 2]],
    ["article", "name=like.100\\% wool\\_*", [6]], ["article", "name=match.^(blue|red) ", [1, 2]], ["article", "name=imatch.^OAK", [3]],
    ["article", "name=like(any).{*lamp,chair}", [1, 2, 4]], ["article", "name=like(all).{*lamp,blue*}", [1]],
    ["article", "id=eq(any).{1,2}", [1, 2]], ["article", "id=gt(all).{1,2,4}", [5, 6]],
    ["article", "name=fts(simple).lamp", [1, 2]], ["article", "name=plfts(simple).lamp blue", [1]],
    ["article", "name=phfts(simple).blue lamp", [1]], ["article", "name=wfts(simple).lamp -blue", [2]],
    ["article", "name=not.wfts(simple).lamp", [3, 4, 5, 6]],
    ["article", "tags=cs.{sale}", [1, 4]], ["article", "tags=cd.{light,wood}", [2, 3, 5, 6]], ["article", "tags=ov.{light,wood}", [1, 2, 3, 4]],
    ["article", "tags=eq.{light}", [2]], ["article", 'attributes=cs.{"color":"red"}', [2]], ["article", "attributes=cd.{}", [4]],
    ["article", "attributes->>color=eq.blue", [1]], ["article", "attributes->size->>w=eq.120", [3]], ["article", "attributes->>color=is.null", [4, 5, 6]],
    ["article", "attributes->1=eq.2", [6]],
    ["article", "sold=ov.[2024-02-01,2024-02-02)", [1, 5]], ["article", "sold=cs.[2024-06-15,2024-06-16)", [1, 2]], ["article", "sold=cd.[2023-01-01,2025-01-01)", [1, 4]],
    ["article", "sold=sl.[2024-03-15,2024-04-01)", [5]], ["article", "sold=sr.[2024-01-01,2024-05-01)", [2]],
    ["article", "sold=nxr.[2024-03-01,2024-04-01)", [5]], ["article", "sold=nxl.[2024-01-01,2024-02-01)", [1, 2]],
    ["article", "sold=adj.[2024-07-01,2024-08-01)", [1]],
    ["article", "or=(id.eq.1,price.gt.200)", [1, 3]], ["article", "and=(id.gt.1,id.lt.4)", [2, 3]],
    ["article", "or=(and(id.gt.1,id.lt.3),not.and(id.lt.6,price.gt.0))", [2, 6]], ["article", "not.or=(id.eq.1,id.eq.2)", [3, 4, 5, 6]],
    ["article", "and=(order.eq.5)", [1]], ["article", "and=(order.gte.4)", [1, 2]],
    ["article", "name=eq.blue lamp&price=lt.20", [1]], ["article", "price=gt.1&price=lt.30", [1, 2]],
    ["article", 'name=in.("blue lamp",chair)', [1, 4]], ["orders", "customer.country=eq.AT", [1, 2]], ["orders", "ship_to.name=eq.Ann", [1, 4]],
    ["orders", "placed_on=eq.2024-03-10", [3, 4]], ["customer", "mood=eq.happy", [1]], ["customer", "mood=gt.sad", [1]],
    ["customer", "created_at=lte.2024-01-01T13:00:00+01:00", [1, 2, 3]], ["customer", "name=eq.Zoë", [3]], ["customer", "credit=eq.1.005e2", [1]],
  ];
  for (const [resource, filter, want] of cases) {
    const reply = await api.get(`/v1/${resource}?${query(filter)}&order=id`);
    assert.equal(reply.status, 200, `${filter}: ${reply.text}`);
    assert.deepEqual(ids(reply), want, filter);
  }
});

test("select names fields, aliases, casts, paths and related rows in both directions", async (t) => {
  const api = await shop(t);
  const one = async (path, want) => assert.deepEqual((await api.get(path).expect(200)).json, want, path);
  await one("/v1/article/1?select=name", { name: "blue lamp" });
  await one("/v1/article/1?select=titel:name,price::text", { titel: "blue lamp", price: "19.99" });
  await one("/v1/article/1?select=id,attributes->size", { id: 1, size: { w: 10 } });
  await one("/v1/article/1?select=id,w:attributes->size->>w", { id: 1, w: "10" });
  await one("/v1/orders/2?select=id,customer(name,country)", { id: 2, customer: { name: "Ann", country: "AT" } });
  await one("/v1/orders/3?select=id,ship_to(name)", { id: 3, ship_to: null });
  await one("/v1/orders/1?select=id,kunde:customer(name),lines(line,article(name))", {
    id: 1, kunde: { name: "Ann" }, lines: [{ line: 1, article: { name: "blue lamp" } }, { line: 2, article: { name: "nail" } }],
  });
  await one("/v1/orders/4?select=id,lines(line)", { id: 4, lines: [] });
  await one("/v1/orders/1?select=id,...customer(kunde:name)", { id: 1, kunde: "Ann" });
  await one("/v1/category/3?select=name,parent(name),children(name)", { name: "furniture", parent: { name: "all" }, children: [{ name: "tables" }] });
  await one("/v1/category/1?select=parent(name),children(name,children(name,parent(parent(name))))", {
    parent: null, children: [{ name: "light", children: [] }, { name: "furniture", children: [{ name: "tables", parent: { parent: { name: "all" } } }] }],
  });
  await one("/v1/category/3?select=category(name)", { category: [{ name: "tables" }] }); // a tree's own name: the rows below
  await one("/v1/article/3?select=name,category(name)", { name: "oak table", category: [{ name: "furniture" }, { name: "tables" }] });
  await one("/v1/orders/2?select=customer!ship_to_id(name)", { customer: { name: "Bob" } }); // under the name it is asked by
  await api.get("/v1/orders/2?select=customer!ship_to_id(name),customer!customer_id(name)").expect(400, { message: /twice/ });
  const inner = await api.get("/v1/orders?select=id,ship_to!inner(name)").expect(200);
  assert.deepEqual(ids(inner), [1, 2, 4], "!inner drops rows without a match");
  const deep = await api.get("/v1/customer/1?select=name,orders!customer_id(id,lines(article(name,category(name))))").expect(200);
  assert.equal(deep.json.orders[0].lines[0].article.category[0].name, "light");
  await api.get("/v1/customer/1?select=orders!customer_id(lines(article(category(article(category(name))))))")
    .expect(400, { error_code: "query.invalid", message: /depth|deep/ });
  await api.get("/v1/orders?select=id,secret(note)").expect(400, { message: /secret/ });
  await api.get("/v1/customer?select=orders(id)").expect(400, { message: /customer_id|ship_to_id/ }); // which of the two?
  await api.get("/v1/article?select=search").expect(400, { message: /search/ });
});

test("order by several keys, directions and NULLs", async (t) => {
  const api = await shop(t);
  const order = async (wish, want) => assert.deepEqual(ids(await api.get(`/v1/article?order=${encodeURIComponent(wish)}`).expect(200)), want, wish);
  await order("price", [5, 1, 2, 4, 6, 3]);
  await order("price.desc", [3, 6, 4, 2, 1, 5]);
  await order("weight,id.desc", [5, 2, 1, 6, 3, 4]);
  await order("weight.nullsfirst,id", [4, 5, 1, 2, 6, 3]);
  await order("weight.desc.nullslast,id", [3, 6, 1, 2, 5, 4]);
  await order("weight.desc,id", [4, 3, 6, 1, 2, 5]);
  await order("order", [6, 5, 4, 3, 2, 1]);
  await order("attributes->>color.desc.nullslast,id", [2, 3, 1, 4, 5, 6]);
  assert.deepEqual(ids(await api.get("/v1/orders?order=customer(name).desc,id").expect(200)), [4, 3, 1, 2]);
  await api.get("/v1/article?order=prise").expect(400, { error_code: "query.invalid", message: /prise.*price/ });
  await api.get("/v1/article?order=price.sideways").expect(400, { message: /order/ });
});

test("pages are walked with cursors in both directions, by body and by Link", async (t) => {
  const api = await shop(t);
  for (const order of ["id", "price.desc", "weight.desc,id", "weight.nullsfirst,name.desc", "attributes->>color,id.desc"]) {
    const path = `/v1/article?order=${encodeURIComponent(order)}&limit=2`;
    const want = ids(await api.get(`/v1/article?order=${encodeURIComponent(order)}`).expect(200));
    const pages = [];
    for await (const page of api.pages(path)) pages.push(page);
    assert.deepEqual(pages.flatMap((page) => page.data.map((row) => row.id)), want, order);
    assert.equal(pages[0].page.prev, null);
    let back = [];
    for (let cursor = pages.at(-1).page.prev; cursor;) {
      const page = (await api.get(`${path}&before=${cursor}`).expect(200)).json;
      back = [...page.data.map((row) => row.id), ...back];
      assert.ok(page.page.next, "from a page before there is a way on");
      cursor = page.page.prev;
    }
    assert.deepEqual(back, want.slice(0, 4), `${order}, backwards`);
  }
  let path = "/v1/article?limit=4&price=gt.1";
  const walked = [];
  while (path) {
    const reply = await api.get(path).expect(200);
    walked.push(...ids(reply));
    path = /<([^>]+)>; rel="next"/.exec(reply.header("link") ?? "")?.[1];
  }
  assert.deepEqual(walked, [1, 2, 3, 4, 6]);
  const first = (await api.get("/v1/article?limit=2").expect(200)).json;
  const tampered = first.page.next.slice(0, -3) + (first.page.next.endsWith("AAA") ? "BBB" : "AAA");
  await api.get(`/v1/article?limit=2&after=${tampered}`).expect(400, { error_code: "query.cursor" });
  await api.get("/v1/article?after=no").expect(400, { error_code: "query.cursor" });
  await api.get(`/v1/article?price=gt.1&after=${first.page.next}`).expect(400, { error_code: "query.cursor" });
  await api.get(`/v1/article?order=price&after=${first.page.next}`).expect(400, { error_code: "query.cursor" });
  await api.get(`/v1/customer?after=${first.page.next}`).expect(400, { error_code: "query.cursor" });
  await api.get(`/v1/article?after=${first.page.next}&before=${first.page.next}`).expect(400, { message: /after/ });
  assert.equal((await api.get(`/v1/article?limit=3&after=${first.page.next}`).expect(200)).json.data.length, 3, "another limit is fine");
});

test("counts, offset and page", async (t) => {
  const api = await shop(t);
  await api.get("/v1/article").expect(200, { page: (page) => !("count" in page) });
  await api.get("/v1/article?count=none").expect(200, { page: (page) => !("count" in page) });
  await api.get("/v1/article?count=exact&limit=2&price=gt.20").expect(200, { "page.count": 4 });
  await api.get("/v1/article?count=capped").expect(200, { "page.count": 6, "page.count_capped": undefined });
  await api.get("/v1/article?count=estimated").expect(200, { "page.count": (n) => Number.isInteger(n) && n >= 0, "page.count_estimated": true });
  await api.get("/v1/article?limit=2", { Prefer: "count=exact" }).expect(200, { "page.count": 6 });
  assert.deepEqual(ids(await api.get("/v1/article?limit=2&offset=3").expect(200)), [4, 5]);
  assert.deepEqual(ids(await api.get("/v1/article?limit=2&page=2").expect(200)), [3, 4]);
  assert.deepEqual(ids(await api.get("/v1/article?offset=100").expect(200)), []);
  await api.get("/v1/article?offset=10001").expect(400, { message: /offset.*after/ });
  await api.get("/v1/article?page=1000000").expect(400, { message: /page.*after/ });
  await api.get("/v1/article?offset=1&page=2").expect(400, { message: /page/ });
  await api.get("/v1/article?count=some").expect(400, { message: /count/ });
  for (const bad of ["0", "-1", "1001", "ten", "1e3", ""]) await api.get(`/v1/article?limit=${bad}`).expect(400, { message: /limit/ });
});

test("HEAD, OPTIONS, 404 and 405 with Allow", async (t) => {
  const api = await serve(t, { sql: SHOP, app: { ...SHOP_APP, "resources/category.yaml": "table: public.category\naccess: public\noperations: [list]\n" } });
  const got = await api.get("/v1/article/1").expect(200);
  const head = await api.head("/v1/article/1").expect(200, { "Content-Length": got.header("content-length") });
  assert.equal(head.bytes.length, 0);
  await api.head("/v1/article/99").expect(404);
  const allow = (reply) => reply.header("allow").split(/, */).sort();
  assert.deepEqual(allow(await api.options("/v1/article").expect(204)), ["GET", "HEAD", "OPTIONS", "POST"]);
  assert.deepEqual(allow(await api.options("/v1/article/1").expect(204)), ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"]);
  await api.options("/v1/secret").expect(404);
  const refused = await api.delete("/v1/article").expect(405, { error_code: /./ });
  assert.deepEqual(allow(refused), ["GET", "HEAD", "OPTIONS", "POST"]);
  assert.deepEqual(allow(await api.post("/v1/category", {}).expect(405)), ["GET", "HEAD", "OPTIONS"]);
  await api.get("/v1/category/1").expect(404);
});

test("a wrong query is refused with its part and the nearest name", async (t) => {
  const api = await shop(t);
  const wrong = [
    ["prise=eq.1", /prise.*price/], ["price=equals.1", /price.*equals|equals/], ["price=eq.cheap", /price/], ["price=1", /price/],
    ["id=eq.1.5", /id/], ["id=eq.99999999999", /id/], ["id=in.(1,two)", /id/], ["id=in.1", /id/], ["weight=is.nil", /weight/],
    ["sold=ov.yesterday", /sold/], ["tags=cs.sale", /tags/], ["or=(id.eq.1", /or/], ["or=()", /or/], ["and=(nope.eq.1)", /nope/],
    ["select=", /select/], ["select=id,", /select/], ["select=ident", /ident/], ["select=name::nothing", /nothing|name/], ["select=price.sum()", /sum|select/],
    ["order=", /order/], ["attributes->=eq.1", /attributes/], ["name->x=eq.1", /name/], ["id=like.1*", /id|like/], ["price=cs.{1}", /price|cs/],
    ["name=match.(", /regular expression/], ["mood=eq.grumpy", /mood/],
  ];
  for (const [part, message] of wrong) {
    const path = `/v1/${part.startsWith("mood") ? "customer" : "article"}?${query(part)}`;
    const reply = await api.get(path);
    assert.equal(reply.status, 400, `${part}: ${reply.status} ${reply.text}`);
    assert.match(reply.json.error_code, /^query\./, part);
    assert.match(reply.json.message, message, part);
  }
  for (const [path, message] of [["/v1/article?id=eq.%00", /./], ["/v1/article?name=eq.%ff", /./], ["/v1/article?name=eq.%zz", /./], ["/v1/article/1?price=eq.1", /price/],
    ["/v1/article?limit=1&limit=2", /limit/], ["/v1/article?select=id&select=name", /select/]]) {
    await api.get(path).expect(400, { message });
  }
});

test("a shop of many rows: default and largest page, streaming, one statement however deep", async (t) => {
  const rows = `${SHOP} INSERT INTO article SELECT n, 'thing ' || n, n, NULL, '{}', '{}', NULL, n FROM generate_series(100, 5099) n; ANALYZE article;`;
  const app = { ...SHOP_APP, "resources/article.yaml": "table: public.article\naccess: public\nfields:\n  hide: [search]\nlimits: {page: 7, page_max: 6000}\n" };
  const api = await serve(t, { sql: rows, app });
  await api.get("/v1/article").expect(200, { data: (data) => data.length === 7, "page.limit": 7 });
  const long = await api.get("/v1/article?limit=3000&order=id").expect(200);
  assert.equal(long.json.data.length, 3000);
  assert.equal(new Set(ids(long)).size, 3000);
  const rest = await api.get(`/v1/article?limit=6000&order=id&after=${long.json.page.next}`).expect(200);
  assert.equal(rest.json.data.length, 2006);
  assert.equal(rest.json.page.next, null);
  await api.get("/v1/article?limit=6001").expect(400, { message: /limit.*6000/ });
  await api.get("/v1/article?count=estimated").expect(200, { "page.count": (n) => n > 4000 && n < 6000 });
  const before = (await api.metrics())("lintel_pools_query_seconds_count");
  await api.get("/v1/customer?select=name,orders!customer_id(lines(article(category(name))))").expect(200);
  assert.equal((await api.metrics())("lintel_pools_query_seconds_count") - before, 1, "one batch, never N+1");
});

// ---- databases that nobody here designed ---------------------------------------------------------------------------------

test("chinook: every resource lists, every row is got by its key", { skip: WITHOUT_CHINOOK }, async (t) => {
  const api = await exposed(t, { sql: chinook(), expose: ["public"] });
  const document = (await api.get("/openapi.json").expect(200)).json;
  const names = Object.keys(document.paths).filter((path) => /^\/v1\/[^/]+$/.test(path)).map((path) => path.slice(4));
  assert.deepEqual(names.sort(), ["album", "artist", "customer", "employee", "genre", "invoice", "invoice_line", "media_type", "playlist", "playlist_track", "track"]);
  for (const name of names) {
    const rows = (await api.get(`/v1/${name}?limit=50`).expect(200)).json.data;
    assert.ok(rows.length > 0, name);
    const key = Object.keys(document.paths).find((path) => path.startsWith(`/v1/${name}/{`));
    for (const row of rows.slice(0, 5)) {
      const path = key.replace(/\{(\w+)\}/g, (_, field) => encodeURIComponent(row[field]));
      await api.get(path).expect(200).expectBody(row);
    }
  }
  await api.get("/v1/track?select=name,album(title,artist(name)),genre(name)&order=milliseconds.desc&limit=1")
    .expect(200, { "data.0": { name: "Occupation / Precipice", album: { title: "Battlestar Galactica, Season 3", artist: { name: "Battlestar Galactica" } } } });
  const boss = (await api.get("/v1/employee/2?select=first_name,parent(first_name),children(first_name)").expect(200)).json;
  assert.deepEqual([boss.first_name, boss.parent, boss.children.length], ["Nancy", { first_name: "Andrew" }, 3]);
  const counted = await api.get("/v1/track?count=exact&limit=1").expect(200, { "page.count": 3503 });
  assert.equal(counted.json.data[0].unit_price, 0.99);
  const seen = [];
  for await (const page of api.pages("/v1/playlist_track?order=track_id.desc&limit=1000")) seen.push(...page.data.map((row) => `${row.playlist_id}/${row.track_id}`));
  assert.equal(seen.length, 8715);
  assert.equal(new Set(seen).size, 8715);
});

test("the nasty database: every resource lists and gets, no name or type is too odd", async (t) => {
  const api = await exposed(t, { sql: nasty(), grant: false, expose: ["shop", "Shop", 'Räume & "Dinge"', "public", "types"] });
  const document = (await api.get("/openapi.json").expect(200)).json;
  const paths = Object.keys(document.paths).filter((path) => path.startsWith("/v1/"));
  assert.ok(paths.length > 50, `${paths.length} paths`);
  const refusals = [];
  for (const path of paths.filter((path) => !path.includes("{"))) {
    const list = await api.get(path);
    if (list.status !== 200) { refusals.push([path, list.status, list.json.error_code]); continue; }
    const keyed = paths.find((other) => other.startsWith(`${path}/{`));
    if (!keyed) continue;
    const item = document.paths[keyed];
    const names = item.parameters.map((parameter) => parameter.name);
    for (const row of list.json.data) {
      const fields = names.map((name) => (name in row ? name : Object.keys(row).find((field) => field.replace(/[^A-Za-z0-9_]/g, "_") === name.replace(/_\d+$/, ""))));
      if (fields.some((field) => field === undefined)) continue;
      let at = 0;
      const one = keyed.replace(/\{[^}]+\}/g, () => encodeURIComponent(row[fields[at++]]));
      const reply = await api.get(one);
      assert.equal(reply.status, 200, `${one}: ${reply.text}`);
      assert.deepEqual(reply.json, row, one);
    }
    for (const order of Object.keys(list.json.data[0] ?? {}).slice(0, 3)) {
      const reply = await api.get(`${path}?order=${encodeURIComponent(`"${order.replace(/["\\]/g, "\\$&")}"`)}.desc&limit=1`);
      assert.ok([200, 400].includes(reply.status), `${path} by ${order}: ${reply.text}`);
    }
  }
  assert.deepEqual(refusals, [["/v1/far_away", 503, "schema.not_ready"], ["/v1/far_view", 503, "schema.not_ready"]], "only what no wrapper reads is refused");
});

test("every type has its JSON", async (t) => {
  const api = await exposed(t, { sql: nasty(), grant: false, expose: ["types.everything"] });
  const empty = (await api.get("/v1/everything/1").expect(200)).json;
  for (const [name, value] of Object.entries(empty)) if (name !== "id") assert.equal(value, null, name);
  const reply = await api.get("/v1/everything/2").expect(200);
  const want = {
    id: 2, a_bool: true, a_int2: -32768, a_int4: 2147483647, a_numeric: "NaN", a_float4: "Infinity", a_float8: -1e-300, a_char: "x", a_bpchar: "ab  ",
    a_varchar: "ünï", a_text: 'tab\t"q" \\ line\n', a_name: "n", a_bytea: "AP8Q", a_date: "0044-03-15 BC", a_time: "23:59:59.123", a_timetz: "12:00:00+02",
    a_timestamp: "infinity", a_timestamptz: "2024-01-31T12:00:00.5+00:00", a_interval: "P1Y2M-3DT4H5M6.7S", a_uuid: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    a_inet: "10.0.0.1/24", a_cidr: "10.0.0.0/8", a_macaddr: "08:00:2b:01:02:03", a_bit: "101", a_varbit: "1", a_jsonb: { b: 1.1, ü: [true, null] },
    a_point: "(1,2.5)", a_box: "(3,4),(1,2)", a_tsvector: "'a':1 'b'", a_oid: 4294967295, a_int4range: { lower: 1, upper: 5, bounds: "[)" },
    a_nummultirange: [{ lower: 1, upper: 2, bounds: "[)" }, { lower: 3, upper: null, bounds: "()" }], a_money_range: { lower: null, upper: 1.5, bounds: "(]" },
    a_color: "it's", a_domain: [1, 2], a_short_list: [1, 2, 3], a_odd: "green", a_boxes: ["(1,1),(0,0)", "(2,2),(1,1)"], a_matrix: [[1, 2], [3, null]],
    a_lsn: "16/B374D848", a_row: { id: 1, parent_id: null, name: "all" }, a_sql: "identifier",
    a_person: { name: 'A "B"', home: { street: "s", "House No.": "1a", zip: "12345", location: { x: 1, y: 2, z: 3 }, tags: ["x", null] }, others: [], favourite: "red" },
    a_persons: [{ name: "p", home: null, others: null, favourite: "blue" }], a_color_ranges: [{ lower: "red", upper: "blue", bounds: "[]" }],
  };
  const got = reply.json;
  for (const [name, value] of Object.entries(want)) assert.deepEqual(got[name], value, name);
  assert.match(reply.text, /"a_int8":9223372036854775807[,}]/, "int8 keeps every digit");
  assert.match(reply.text, /"a_json":\{"a": 1, {2}"a": 2\}/, "json is byte for byte");
  assert.match(reply.text, /1\.10/, "numbers inside jsonb keep their scale");
});

test("every operator meets every type: a list or a refusal, never a failure", async (t) => {
  const api = await exposed(t, { sql: nasty(), grant: false, expose: ["types.everything", "types.checks", "shop.products"] });
  const document = (await api.get("/openapi.json").expect(200)).json;
  const operators = ["eq.", "neq.", "gt.", "lte.", "in.(@)", "eq(any).{@}", "isdistinct.", "like.", "imatch.", "fts.", "cs.", "cd.", "ov.", "sl.", "adj.", "is.null"];
  const values = ["1", "x", "{1}", "[1,2)", '{"a":1}', "2024-01-01"];
  const failures = [];
  let asked = 0;
  for (const name of ["everything", "checks", "products"]) {
    for (const field of Object.keys(document.components.schemas[name].properties)) {
      const quoted = encodeURIComponent(`"${field}"`);
      const paths = operators.flatMap((operator) => values.map((value) => `/v1/${name}?and=(${quoted}.${encodeURIComponent(operator.includes("@") ? operator.replace("@", value) : operator + (operator === "is.null" ? "" : `"${value.replaceAll('"', '\\"')}"`))})`));
      paths.push(`/v1/${name}?order=${quoted}.desc`, `/v1/${name}?select=${quoted},x:${quoted}::text`, `/v1/${name}?order=${quoted}&limit=1`);
      const replies = []; // some at a time: a hundred at once on one connection would be a flood, and refused as one
      while (replies.length < paths.length) replies.push(...await Promise.all(paths.slice(replies.length, replies.length + 32).map((path) => api.get(path))));
      replies.forEach((reply, i) => { asked++; if (![200, 400].includes(reply.status)) failures.push(`${decodeURIComponent(paths[i])}: ${reply.status} ${reply.json?.error_code}`); });
      const page = replies.at(-1);
      if (page.status === 200 && page.json.page.next) {
        const after = await api.get(`${paths.at(-1)}&after=${page.json.page.next}`);
        if (after.status !== 200) failures.push(`after ${field}: ${after.text}`);
      }
    }
  }
  assert.deepEqual(failures.filter((f, i, all) => all.findIndex((g) => g.split(".")[0] + g.slice(-20) === f.split(".")[0] + f.slice(-20)) === i).slice(0, 60), [], `${failures.length} of ${asked}`);
});

test("bigint: string sends int8 as strings and takes both", async (t) => {
  const api = await serve(t, { sql: SHOP, config: { bigint: "string" }, app: SHOP_APP });
  await api.get("/v1/customer/1").expect(200, { id: (id) => id === "1", version: 1 });
  await api.get("/v1/customer?id=eq.1").expect(200, { "data.0.id": (id) => id === "1" });
  await api.post("/v1/customer", { id: "9007199254740993", name: "Big", email: "big@example.org" }).expect(201, { id: "9007199254740993" });
  await api.get("/v1/customer/9007199254740993").expect(200, { name: "Big" });
});

test("lintel init and check say in JSON what they did", async (t) => {
  const { postgres, database } = await exposed.database(t, SHOP);
  const made = await exposed.folder(t, { postgres, database, expose: ["public.customer"], words: ["--json"] });
  assert.deepEqual(JSON.parse(made.init.stdout), { folder: made.dir, relations: 7, exposed: 1 });
  const checked = await lintel(["check", "--json", made.dir]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.deepEqual(JSON.parse(checked.stdout), { errors: 0, warnings: 0, resources: 1, exposed: 1, queries: 0, findings: [] });
});
