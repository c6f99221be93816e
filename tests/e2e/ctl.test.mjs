// ctl: the running server is asked over its unix socket, by root and its own user only.
import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { test, serve, lintel } from "../lib/lintel.mjs";

const sql = "CREATE TABLE thing (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO thing VALUES (7, 'lamp')";
const app = { "resources/thing.yaml": "table: public.thing\naccess: public\n" };

/** Sends bytes to the socket, returns what came back until the end. */
const say = (path, bytes) => new Promise((resolve, reject) => {
  let text = "";
  const socket = createConnection(path, () => socket.write(bytes));
  socket.on("data", (data) => { text += data; }).on("end", () => resolve(text)).on("error", reject);
});

test("the server says who it is, to people and to programs", async (t) => {
  const api = await serve(t, { sql, app });
  assert.equal(statSync(join(api.dir, ".lintel")).mode & 0o777, 0o700, "the socket's folder: its owner, root or not, can enter it");
  const asked = await lintel(["ctl", "--app", api.dir, "--json", "status"]);
  assert.equal(asked.code, 0, asked.stderr);
  const status = JSON.parse(asked.stdout);
  assert.equal(status.serving, true);
  assert.equal(status.draining, false);
  assert.match(status.listen, /^127\.0\.0\.1:\d+$/);
  const shown = await lintel(["ctl", "--app", api.dir, "status"]);
  assert.deepEqual(JSON.parse(shown.stdout), { ...status, uptime_s: JSON.parse(shown.stdout).uptime_s, requests_total: JSON.parse(shown.stdout).requests_total });
  assert.equal(statSync(join(api.dir, ".lintel/ctl.sock")).mode & 0o777, 0o600);
});

test("a wrong word is refused with the next step", async (t) => {
  const api = await serve(t, { sql, app });
  const unknown = await lintel(["ctl", "--app", api.dir, "sttus"]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no verb `sttus`/);
  const many = await lintel(["ctl", "--app", api.dir, "status", "now"]);
  assert.equal(many.code, 1);
  assert.match(many.stderr, /usage: status/);
  const nobody = await lintel(["ctl", "--app", "/", "status"]);
  assert.equal(nobody.code, 3);
  assert.match(nobody.stderr, /no server of \/ answers/);
});

test("whatever comes through the socket, the server stays", async (t) => {
  const api = await serve(t, { sql, app });
  const path = join(api.dir, ".lintel/ctl.sock");
  for (const [bytes, answer] of [
    ["\n", /no JSON/], ["{}\n", /argv/], ['{"argv":[]}\n', /argv/], ['{"argv":[1]}\n', /texts/], ['{"argv":["x\\u0000"]}\n', /texts/],
    ['{"argv":["nothing"]}\n', /no verb/], [`{"argv":[${'"a",'.repeat(40)}"a"]}\n`, /1 to 32/], [`${"[".repeat(100000)}\n`, /at most|deep|levels|nested/],
    [`"${"a".repeat(70000)}`, /at most 65536 bytes/],
  ]) assert.match(await say(path, bytes), answer, bytes.slice(0, 40));
  await api.get("/v1/thing/7").expect(200);
});

test("the socket is gone with its server", async (t) => {
  const api = await serve(t, { sql, app });
  const path = join(api.dir, ".lintel/ctl.sock");
  assert.ok(existsSync(path));
  await api.stop();
  assert.ok(!existsSync(path));
});
