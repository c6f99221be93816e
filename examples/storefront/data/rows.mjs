// The rows of the generated shop, as text for COPY: the same on every machine and at every time, since nothing here asks a clock or
// draws from a shared source of chance. Each row has its own small generator, seeded by its table and its number, so that an order knows
// the price of a product without anybody having kept it.
import { readFileSync } from "node:fs";
import * as words from "./words.mjs";

/** 1: the whole shop. 0.01: a hundredth of each table, for tests. */
export const SCALE = Number(process.env.STOREFRONT_SCALE ?? 1);
if (!(SCALE >= 0.002 && SCALE <= 1)) throw new Error(`STOREFRONT_SCALE is ${process.env.STOREFRONT_SCALE}; it must be 0.002 to 1`);
const WHOLE = { customers: 50000, products: 120000, orders: 300000, reviews: 60000, promotions: 200, authors: 24, posts: 2000, comments: 12000 };
export const COUNTS = Object.fromEntries(Object.entries(WHOLE).map(([table, count]) => [table, 2 * Math.ceil((count * SCALE) / 2)]));
const DAY_S = 86400;
const OPENED_S = Date.UTC(2021, 0, 4) / 1000; // the shop's first day
const TODAY_S = Date.UTC(2025, 5, 30) / 1000; // and the last that is told of

/** mulberry32, seeded by table and row: a function that gives numbers in [0, 1). */
function chance(table, row) {
  let state = (Math.imul(table, 0x9e3779b1) ^ Math.imul(row, 0x85ebca6b)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
const below = (draw, n) => Math.floor(draw() * n);
const between = (draw, low, high) => low + below(draw, high - low + 1);
const pick = (draw, from) => from[below(draw, from.length)];
const some = (draw, from, n) => { const kept = new Set(); while (kept.size < n) kept.add(pick(draw, from)); return [...kept]; };

// COPY's text format: tab, newline and backslash are escaped, \N is null.
const text = (value) => (/[\\\t\n\r]/.test(value) ? value.replace(/\\/g, "\\\\").replace(/\t/g, "\\t").replace(/\n/g, "\\n").replace(/\r/g, "\\r") : value);
const line = (...columns) => `${columns.map((c) => (c === null ? "\\N" : typeof c === "string" ? text(c) : c)).join("\t")}\n`;
const array = (values) => `{${values.map((v) => `"${v.replace(/(["\\])/g, "\\$1")}"`).join(",")}}`;
const time = (seconds) => new Date(seconds * 1000).toISOString();
const cents = (amount) => (amount / 100).toFixed(2);
const slug = (name) => name.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
const sentence = (words_) => `${words_[0].toUpperCase()}${words_.slice(1)}.`;

// ---- categories: the tree of categories.txt, numbered in its order ----------------------------------------------------------

const lines = readFileSync(new URL("./categories.txt", import.meta.url), "utf8").split("\n").filter((l) => l && !l.startsWith("#"));
export const categories = [];
export const kinds = []; // the leaves: { id, name, group, letters }
{
  const departments = new Map();
  const used = new Set();
  const add = (parent, name, position, depth) => {
    let unique = slug(name);
    if (used.has(unique) && parent) unique = `${parent.slug}-${unique}`;
    used.add(unique);
    const category = { id: categories.length + 1, parent, slug: unique, name, position, depth };
    categories.push(category);
    return category;
  };
  for (const each of lines) {
    const [, name, letters, group, leaves] = /^(.+) \(([A-Z]{3})\) \/ (.+): (.+)$/.exec(each);
    if (!departments.has(name)) departments.set(name, { ...add(null, name, departments.size + 1, 0), groups: 0 });
    const department = departments.get(name);
    const inner = add(department, group, ++department.groups, 1);
    leaves.split(", ").forEach((leaf, index) => kinds.push({ ...add(inner, leaf, index + 1, 2), group, letters }));
  }
}
function* categoryRows() {
  for (const c of categories) {
    const description = c.depth === 2 ? `All that we have in ${c.name.toLowerCase()}, from the simplest to the finest.` : null;
    yield line(c.id, c.parent?.id ?? null, c.slug, c.name, description, c.position, c.depth);
  }
}

// ---- products ---------------------------------------------------------------------------------------------------------------

/** What other rows need to know of a product. Prices cluster by kind and end in .00, .50, .90 or .95. */
function productFacts(id) {
  const draw = chance(1, id);
  const kind = kinds[below(draw, kinds.length)];
  const typical = Math.exp(2.2 + chance(2, kind.id)() * 4.2); // 9 to 600 euro, by kind
  const whole = Math.max(1, Math.round(typical * (0.5 + draw() * 1.6)));
  return { draw, kind, price: whole * 100 - pick(draw, [0, 50, 10, 5]), born: OPENED_S + below(draw, TODAY_S - OPENED_S) };
}
function* productRows() {
  for (let id = 1; id <= COUNTS.products; id++) {
    const { draw, kind, price, born } = productFacts(id);
    const material = pick(draw, words.materials);
    const colour = pick(draw, words.colours);
    const model = pick(draw, words.series);
    const name = `${pick(draw, words.adjectives)} ${kind.name} ${model}${draw() < 0.4 ? ` in ${material}` : ""}`;
    const description = `${sentence(`the ${model} ${kind.name.toLowerCase()} in ${material} is ${some(draw, words.qualities, 2).join(" and ")}`)} ` +
      `${sentence(`for ${some(draw, words.uses, 2).join(", or for ")}`)} ${pick(draw, words.details)}.`;
    const status = draw() < 0.9 ? "active" : draw() < 0.5 ? "draft" : "retired";
    const before = draw() < 0.18 ? cents(price + 500 * between(draw, 1, 8)) : null;
    const attributes = { colour, material, warranty_years: between(draw, 1, 10) };
    if (draw() < 0.5) attributes.size_cm = { width: between(draw, 5, 220), depth: between(draw, 5, 120), height: between(draw, 3, 210) };
    if (draw() < 0.2) attributes.size = pick(draw, words.sizes);
    if (draw() < 0.15) attributes.energy_class = pick(draw, ["A", "B", "C", "D"]);
    if (draw() < 0.1) attributes.note = `known as "${model}" in the north`;
    const changed = Math.min(TODAY_S, born + below(draw, 300 * DAY_S));
    yield line(id, `${kind.letters}-${String(id).padStart(6, "0")}`, name, draw() < 0.03 ? null : description, kind.id, status, cents(price), before,
      status === "retired" ? 0 : below(draw, 400), between(draw, 20, 40000), array(some(draw, words.tags, below(draw, 5))), JSON.stringify(attributes),
      time(born), time(changed), between(draw, 1, 9));
  }
}

// ---- customers and addresses ------------------------------------------------------------------------------------------------

/** Each customer has a home address, whose number is the customer's; every second one has another besides. */
const secondAddress = (customer) => (customer % 2 === 0 ? COUNTS.customers + customer / 2 : customer);
function person(id) {
  const draw = chance(3, id);
  return { draw, first: pick(draw, words.firstNames), last: pick(draw, words.lastNames), since: OPENED_S + Math.floor(draw() ** 1.3 * (TODAY_S - OPENED_S - 40 * DAY_S)) };
}
function* customerRows() {
  for (let id = 1; id <= COUNTS.customers; id++) {
    const { draw, first, last, since } = person(id);
    const mail = `${slug(first)}.${slug(last)}${id}@${pick(draw, ["example.com", "example.org", "example.net", "mail.example"])}`;
    const preferences = draw() < 0.6 ? { theme: pick(draw, ["light", "dark"]), language: pick(draw, ["en", "de", "fr", "it", "es", "pl"]) } : {};
    if (draw() < 0.2) preferences.favourites = some(draw, kinds, 2).map((kind) => kind.slug);
    yield line(id, mail, `${first} ${last}`, draw() < 0.6 ? `+${between(draw, 30, 49)} ${between(draw, 100, 999)} ${between(draw, 100000, 9999999)}` : null,
      draw() < 0.5 ? time(Date.UTC(1940 + below(draw, 66), below(draw, 12), between(draw, 1, 28)) / 1000).slice(0, 10) : null,
      draw() < 0.96 ? "active" : pick(draw, ["blocked", "closed"]), draw() < 0.4 ? "t" : "f", JSON.stringify(preferences), time(since), time(since), 1);
  }
}
function* addressRows() {
  for (let id = 1; id <= COUNTS.customers * 1.5; id++) {
    const draw = chance(4, id);
    const customer = id <= COUNTS.customers ? id : (id - COUNTS.customers) * 2;
    const { first, last } = person(customer);
    const [city, country, shape] = pick(draw, words.places);
    const code = shape.replace(/[9A]/g, (c) => (c === "9" ? below(draw, 10) : String.fromCharCode(65 + below(draw, 26))));
    yield line(id, customer, id === customer ? "home" : pick(draw, ["work", "other"]), `${first} ${last}`, `${pick(draw, words.streets)} ${between(draw, 1, 180)}`,
      draw() < 0.15 ? `Apartment ${between(draw, 1, 60)}` : null, code, city, country);
  }
}

// ---- orders and their lines -------------------------------------------------------------------------------------------------

/** Some products sell much better than others. */
const popular = (draw) => 1 + Math.floor(draw() ** 3 * COUNTS.products);
function orderFacts(id) {
  const draw = chance(5, id);
  const customer = 1 + Math.floor(draw() ** 1.6 * COUNTS.customers);
  const placed = OPENED_S + Math.floor((id / COUNTS.orders) ** 0.7 * (TODAY_S - OPENED_S)) - below(draw, DAY_S / 2) + DAY_S / 2;
  const chosen = new Map();
  for (let left = between(draw, 1, 5); left > 0; left--) chosen.set(popular(draw), draw() < 0.75 ? 1 : between(draw, 2, 6));
  const lines_ = [...chosen].map(([product, quantity]) => ({ product, quantity, price: productFacts(product).price }));
  return { draw, customer, placed, lines: lines_, goods: lines_.reduce((sum, each) => sum + each.price * each.quantity, 0) };
}
function* orderRows(from, to) {
  for (let id = from; id <= to; id++) {
    const { draw, customer, placed, goods } = orderFacts(id);
    const age = (TODAY_S - placed) / DAY_S;
    const lucky = draw();
    const status = lucky < 0.03 ? "cancelled" : age < 2 ? pick(draw, ["pending", "paid", "packed"]) : age < 6 ? pick(draw, ["packed", "shipped"]) : lucky < 0.07 ? "returned" : "delivered";
    const sent = ["shipped", "delivered", "returned"].includes(status) ? time(placed + between(draw, 6, 70) * 3600) : null;
    const shippingTo = draw() < 0.3 ? secondAddress(customer) : customer;
    yield line(id, customer, customer, shippingTo, status, time(placed), sent, cents(goods), goods >= 10000 ? "0.00" : pick(draw, ["4.90", "6.90", "9.90"]),
      draw() < 0.05 ? pick(draw, words.orderNotes) : null, sent ?? time(placed), sent ? 4 : 1);
  }
}
function* orderLineRows(from, to) {
  for (let id = from; id <= to; id++) {
    let number = 0;
    for (const { product, quantity, price } of orderFacts(id).lines) yield line(id, ++number, product, quantity, cents(price));
  }
}

// ---- reviews, promotions, the blog ------------------------------------------------------------------------------------------

function* reviewRows() {
  const seen = new Set();
  for (let id = 1; id <= COUNTS.reviews; id++) {
    const draw = chance(6, id);
    let product, customer;
    do { product = popular(draw); customer = 1 + below(draw, COUNTS.customers); } while (seen.has(product * 65536 + customer));
    seen.add(product * 65536 + customer);
    const rating = pick(draw, [5, 5, 5, 5, 4, 4, 4, 3, 3, 2, 1]);
    const title = pick(draw, rating > 3 ? words.praise : rating === 3 ? words.shrug : words.complaint);
    const body = draw() < 0.8 ? `${some(draw, words.reviewSentences, between(draw, 1, 4)).join(". ")}.` : null;
    yield line(id, product, customer, rating, title, body, draw() < 0.7 ? "t" : "f", time(OPENED_S + below(draw, TODAY_S - OPENED_S)));
  }
}
function* promotionRows() {
  for (let n = 1; n <= COUNTS.promotions; n++) {
    const draw = chance(7, n);
    const start = OPENED_S + below(draw, TODAY_S - OPENED_S + 90 * DAY_S);
    const where = draw() < 0.6 ? pick(draw, categories) : null;
    const series = pick(draw, words.series);
    yield line(`${slug(series).toUpperCase().slice(0, 8)}${n}`.padEnd(4, "0"), `${series} days${where ? ` in ${where.name}` : ""}`, pick(draw, ["5.0", "7.5", "10.0", "15.0", "20.0", "30.0"]),
      `[${time(start).slice(0, 10)},${time(start + between(draw, 2, 30) * DAY_S).slice(0, 10)})`, where?.id ?? null);
  }
}
function* authorRows() {
  for (let id = 1; id <= COUNTS.authors; id++) {
    const draw = chance(8, id);
    yield line(id, `${pick(draw, words.firstNames)} ${pick(draw, words.lastNames)}`, draw() < 0.8 ? `Writes about ${pick(draw, words.postTags)} and ${pick(draw, words.uses)}.` : null);
  }
}
function* postRows() {
  for (let id = 1; id <= COUNTS.posts; id++) {
    const draw = chance(9, id);
    const title = `${pick(draw, words.postOpenings)} ${draw() < 0.5 ? `the ${pick(draw, kinds).name.toLowerCase()}` : pick(draw, words.materials)}`;
    const paragraphs = Array.from({ length: between(draw, 4, 12) }, () => `${some(draw, words.postSentences, between(draw, 3, 7)).join(". ")}.`);
    const status = draw() < 0.94 ? "published" : pick(draw, ["draft", "withdrawn"]);
    const published = time(OPENED_S + Math.floor((id / COUNTS.posts) * (TODAY_S - OPENED_S)));
    const minutes = Math.max(1, Math.round(paragraphs.join(" ").length / 1100));
    yield line(id, `${slug(title)}-${id}`, title, sentence(pick(draw, words.postSentences).toLowerCase()), `# ${title}\n\n${paragraphs.join("\n\n")}\n`, 1 + below(draw, COUNTS.authors), status,
      array(some(draw, words.postTags, between(draw, 1, 4))), `00:${String(minutes).padStart(2, "0")}:00`, status === "draft" ? null : published, 1, published);
  }
}
function* postProductRows() {
  for (let post = 1; post <= COUNTS.posts; post++) {
    const draw = chance(10, post);
    const about = new Set(Array.from({ length: below(draw, 4) }, () => popular(draw)));
    for (const product of about) yield line(post, product);
  }
}
function* commentRows() {
  const lastOf = new Map(); // an answer goes to the newest comment of its post
  for (let id = 1; id <= COUNTS.comments; id++) {
    const draw = chance(11, id);
    const post = 1 + Math.floor(draw() ** 0.8 * COUNTS.posts);
    const parent = draw() < 0.35 ? lastOf.get(post) ?? null : null;
    lastOf.set(post, id);
    const { first, last } = person(1 + below(draw, COUNTS.customers));
    yield line(id, post, parent, `${first} ${last[0]}.`, some(draw, words.commentSentences, between(draw, 1, 3)).join(". ").concat(".").replace(/\?\./g, "?"),
      time(OPENED_S + Math.floor((post / COUNTS.posts) * (TODAY_S - OPENED_S)) + below(draw, 30 * DAY_S)));
  }
}

// ---- what goes where --------------------------------------------------------------------------------------------------------

const ORDERS_A_TURN = 20000; // orders and their lines take turns, so that both fill on one connection
function orderTurns() {
  const turns = [];
  for (let from = 1; from <= COUNTS.orders; from += ORDERS_A_TURN) {
    const to = Math.min(COUNTS.orders, from + ORDERS_A_TURN - 1);
    turns.push(["shop.orders (id, customer_id, billing_address_id, shipping_address_id, status, placed_at, shipped_at, goods, shipping, note, updated_at, version)", () => orderRows(from, to)]);
    turns.push(["shop.order_lines (order_id, line, product_id, quantity, unit_price)", () => orderLineRows(from, to)]);
  }
  return turns;
}
/** Two lists of [table and columns, rows], to be loaded side by side on two connections. */
export const streams = [
  [
    ["shop.categories (id, parent_id, slug, name, description, position, depth)", categoryRows],
    ["shop.products (id, sku, name, description, category_id, status, price, compare_at_price, stock, weight_grams, tags, attributes, created_at, updated_at, version)", productRows],
    ["shop.reviews (id, product_id, customer_id, rating, title, body, verified, created_at)", reviewRows],
    ["shop.promotions (code, title, percent, during, category_id)", promotionRows],
    ["blog.authors (id, name, bio)", authorRows],
    ["blog.posts (id, slug, title, summary, body, author_id, status, tags, reading_time, published_at, version, updated_at)", postRows],
    ["blog.post_products (post_id, product_id)", postProductRows],
    ["blog.comments (id, post_id, parent_id, author_name, body, created_at)", commentRows],
  ],
  [
    ["shop.customers (id, email, name, phone, birthday, status, newsletter, preferences, created_at, updated_at, version)", customerRows],
    ["shop.addresses (id, customer_id, label, recipient, line1, line2, postal_code, city, country)", addressRows],
    ...orderTurns(),
  ],
];
