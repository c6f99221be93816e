#!/usr/bin/env node
// soak - a mixed load for a long time: memory, descriptors and fibers must not grow.
//
//   tests/soak/soak.mjs [MINUTES=30] [--json FILE]
//
// Reads, lists, writes, refusals, broken requests, clients that go away in the middle, reloads, a schema that changes. Resident memory is
// compared between the end of the warm-up (5 of 30 minutes, in proportion) and the end, each the least of ten samples a second apart:
// it may grow by 1 MiB, and `lintel doctor memory` must find nothing. Then, on a server of its own, the same load meets a handler that
// forgets 4 KiB each time: the doctor must name it. Exit code: 0 all of that holds, 1 it does not.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Client, SLOWNESS, eventually, lintel, serve, sleep, startPostgres, test, Wire } from "../lib/lintel.mjs";
import { arm } from "../lib/inject.mjs";
import { Load } from "../lib/load.mjs";

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: "string" } } });
const minutes = Number(positionals[0] ?? process.env.LINTEL_SOAK_MINUTES ?? 30);
const GROWTH_MAX = 1 << 20;

const sql = `CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL CHECK (name <> ''), price numeric, note jsonb);
  INSERT INTO item SELECT n, 'item ' || n, n / 3.0, jsonb_build_object('n', n) FROM generate_series(1, 2000) n`;
const resource = "table: public.item\naccess: public\noperations: [list, get, create, update, delete]\n";

const kinds = [
  (client, n) => client.get(`/v1/item/${1 + (n % 2000)}`).expect(200),
  (client, n) => client.get(`/v1/item?limit=50&order=id.desc&id=gt.${n % 1000}`).expect(200),
  (client, n) => client.get(`/v1/item?select=id,name&name=like.item%201*&limit=20&count=exact`).expect(200),
  (client, n) => client.post("/v1/item", { id: 10000 + (n % 500), name: `new ${n}`, price: 1.5 }).expect([201, 409]),
  (client, n) => client.delete(`/v1/item/${10000 + (n % 500)}`).expect([200, 204, 404]),
  (client) => client.post("/v1/item", { id: 5, name: "" }).expect([409, 422]),
  (client) => client.get("/v1/item?nonsense=eq.1").expect(400),
  (client) => client.get("/v1/nowhere").expect(404),
  (client) => client.request("POST", "/v1/item", { body: '{"id":', headers: { "Content-Type": "application/json" } }).expect(400),
  (client) => client.get("/openapi.json").expect(200),
];

/** Clients that no client library makes: half a request, no reader, a reset. */
async function rude(api, n) {
  const wire = await Wire.open(api.port, api.host);
  const lines = ["GET /v1/item?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /v1/item/1 HTTP/1.1\r\nHo", "POST /v1/item HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", "nonsense\r\n\r\n"];
  await wire.send(lines[n % lines.length]);
  if (n % 3) await sleep(n % 7);
  n % 2 ? wire.reset() : wire.close();
}

async function doctor(api) {
  const run = await lintel(["doctor", "memory", "--app", api.dir, "--json"], { timeoutMs: 60000 });
  return JSON.parse(run.stdout);
}
/** A server that leaks, and how long it took until somebody said so. */
async function planted(t, postgres) {
  const api = await serve(t, { postgres, sql, app: { "resources/item.yaml": resource }, config: { advise: { window: "10s" }, log_level: "warn" }, env: { LINTEL_INJECT: "" } });
  const load = new Load(t, api, (client, n) => kinds[n % kinds.length](client, n), { clients: 8, pauseMs: 1 });
  await eventually(async () => (await doctor(api)).verdict === "ok", { withinMs: 60000, everyMs: 1000 });
  const begun = Date.now();
  await arm(api, "kit.ask.leak");
  const said = await eventually(async () => { const now = await doctor(api); load.records.length = 0; return now.found && now; }, { withinMs: 120000, everyMs: 1000 });
  await load.stop();
  return { owner: said.owner, after_s: (Date.now() - begun) / 1000, bytes_per_request: said.grown_bytes / said.facts.requests };
}

test(`${minutes} minutes`, { timeoutMs: (minutes * 60 + 300) * 1000 }, async (t) => {
  const postgres = await startPostgres();
  const api = await serve(t, { postgres, sql, app: { "resources/item.yaml": resource }, config: { observe: { access_log: "errors" }, log_level: "warn" } });
  const begun = Date.now(), end = begun + minutes * 60000, warm = begun + (minutes / 6) * 60000;
  const wrong = {};
  const load = new Load(t, api, (client, n) => kinds[n % kinds.length](client, n), { clients: 8, pauseMs: 1 });
  const thin = setInterval(() => { // the records are ours, and would be the one thing that grows
    for (const { error } of load.records.splice(0)) {
      // A column that was dropped a moment ago: 503 schema.not_ready, until the new snapshot is in force.
      if (!error || /ECONNRESET|socket hang up|schema\.not_ready/.test(error.message)) continue;
      const what = error.message.split("\n").slice(0, 2).join(":");
      wrong[what] = (wrong[what] ?? 0) + 1;
    }
  }, 1000);
  let rudeness = 0;
  const rudes = (async () => { while (Date.now() < end) { await rude(api, rudeness++).catch(() => {}); await sleep(5); } })();
  const changes = (async () => {
    for (let n = 0; Date.now() < end; n++) {
      api.write("resources/item.yaml", `${resource}# ${n}\n`);
      api.signal("SIGHUP");
      if (n % 4 === 0) await api.sql(n % 8 ? "ALTER TABLE item DROP COLUMN IF EXISTS extra" : "ALTER TABLE item ADD COLUMN IF NOT EXISTS extra int").catch(() => {});
      await sleep(3000);
    }
  })();

  const least = async () => { let rss = Infinity; for (let i = 0; i < 10; i++) { rss = Math.min(rss, api.rss()); await sleep(1000); } return rss; };
  const samples = [];
  const pid = api.pid;
  while (Date.now() < warm - 10000) await sleep(500);
  const first = { rss: await least(), fds: api.descriptors() };
  const watch = setInterval(() => samples.push([Math.round((Date.now() - begun) / 1000), api.rss()]), Math.max(5000, minutes * 1000));
  while (Date.now() < end - 10000) await sleep(500);
  const last = { rss: await least(), fds: api.descriptors() };
  clearInterval(watch);
  const said = await doctor(api);
  await Promise.all([rudes, changes]);
  await load.stop();
  clearInterval(thin);
  const metrics = await api.metrics();
  const sum = { minutes, requests: metrics("lintel_http_requests_total"), rude: rudeness, snapshots: api.lines.length, growth_bytes: last.rss - first.rss, first, last, samples, wrong, restarts: metrics("lintel_server_restarts_total"), doctor: said.verdict, leak: await planted(t, postgres) };
  console.log(JSON.stringify(sum));
  if (options.json) writeFileSync(options.json, JSON.stringify(sum));
  if (api.pid !== pid || sum.restarts) throw new Error("it was started again");
  if (said.found) throw new Error(`the doctor found something: ${said.text}`);
  if (sum.leak.owner !== "planted_leak") throw new Error(`the doctor named ${sum.leak.owner}`);
  if (sum.growth_bytes >= GROWTH_MAX) throw new Error(`resident memory grew by ${sum.growth_bytes} bytes`);
  if (Object.keys(wrong).length) throw new Error(`unexpected answers: ${JSON.stringify(wrong)}`);
});
