// End to end, from outside: the real binary, a real PostgreSQL, a real client.
//
//   import { test, serve } from "../lib/lintel.mjs";
//   test("what exists is found, what does not is said", async (t) => {
//     const api = await serve(t, {
//       sql: "CREATE TABLE thing (id bigint PRIMARY KEY, name text); INSERT INTO thing VALUES (7, 'lamp')",
//       app: { "resources/thing.yaml": "table: public.thing\naccess: public\n" },
//     });
//     await api.get("/v1/thing/7").expect(200, { name: "lamp" });
//     await api.get("/v1/thing/8").expect(404, { error_code: "not_found" });
//   });
//
// serve() makes a database and an app folder, starts `lintel serve`, waits until it is ready, and when the test ends stops it with
// SIGTERM: the exit code must be 0 and no sanitizer may have spoken. When the test fails, its log is printed.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Client, Wire } from "./http.mjs";
import { SLOWNESS, afterTest, eventually, reportOnFailure } from "./scope.mjs";
import { startPgbouncer } from "./pgbouncer.mjs";
import { TOP, startPostgres } from "./postgres.mjs";

export { Client, Wire, parseResponses, holds, dig } from "./http.mjs";
export { Frames, hpack } from "./h2.mjs";
export { startPostgres, TOP } from "./postgres.mjs";
export { SLOWNESS, afterTest, eventually, reportOnFailure, sleep, test } from "./scope.mjs";
export { assert };

/** The binary under test: LINTEL_BIN lets the sanitizer run use its own. */
export const LINTEL = process.env.LINTEL_BIN ?? join(TOP, "build/lintel");
const SANITIZER = /ERROR: (Address|Leak|Thread|Memory)Sanitizer|runtime error:|WARNING: ThreadSanitizer|==\d+==ERROR/;
// LeakSanitizer needs the /proc of its own pid namespace, which not every chroot has.
const LEAKS = readlinkSync("/proc/self") === String(process.pid) ? 1 : 0;
export const SANITIZER_OPTIONS = {
  ASAN_OPTIONS: `detect_leaks=${LEAKS}:detect_stack_use_after_return=0:abort_on_error=0:exitcode=99:handle_abort=1:allocator_may_return_null=1`,
  UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1:exitcode=99",
};

/** A port that nobody listens on at this moment: below those that the kernel gives to outgoing connections, and from a range that
 * other test processes hardly share, so that nobody takes it before the server does. */
let portsTried = 0;
export async function freePort() {
  for (;;) {
    const port = 10000 + ((process.pid * 64 + (portsTried++ % 64)) % 20000);
    const server = net.createServer();
    const bound = await new Promise((ok) => server.listen(port, "127.0.0.1", () => ok(true)).on("error", () => ok(false)));
    if (!bound) continue;
    await new Promise((ok) => server.close(ok));
    return port;
  }
}

/** A folder that is gone when the test ends. files: { "path": "text" | object (as JSON, which is YAML) } or a folder to copy. */
export function folder(t, files = {}) {
  const dir = mkdtempSync(join(tmpdir(), "lintel-app-"));
  if (t) afterTest(t, () => rmSync(dir, { recursive: true, force: true }));
  if (typeof files === "string") cpSync(files, dir, { recursive: true, filter: (from) => !from.includes("/.lintel") });
  else for (const [path, text] of Object.entries(files)) write(dir, path, text);
  return dir;
}
function write(dir, path, text) {
  const place = join(dir, path);
  mkdirSync(dirname(place), { recursive: true });
  writeFileSync(place, typeof text === "string" || Buffer.isBuffer(text) ? text : JSON.stringify(text, null, 2));
}

/** Runs `lintel WORDS…` to its end: { code, signal, stdout, stderr }. Never throws for an exit code; always for a sanitizer's report. */
export function lintel(words, { env = {}, cwd, input, timeoutMs = 30000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = execFile(LINTEL, words, {
      cwd, env: { ...process.env, ...SANITIZER_OPTIONS, ...env }, timeout: timeoutMs * SLOWNESS, killSignal: "SIGKILL", maxBuffer: 64 << 20,
    }, (error, stdout, stderr) => {
      if (error && error.code === "ENOENT") return reject(new Error(`${LINTEL} does not exist: make build`));
      if (child.signalCode) return reject(new Error(`lintel ${words.join(" ")}: ended by ${child.signalCode}\n${stdout}${stderr}`));
      if (SANITIZER.test(stderr)) return reject(new Error(`lintel ${words.join(" ")}: a sanitizer spoke\n${stderr}`));
      resolve({ code: child.exitCode, stdout, stderr });
    });
    child.stdin.on("error", () => {}); // it need not read what we offer
    child.stdin.end(input ?? "");
  });
}

/** A running server. It is a Client too: api.get(…), api.post(…). */
class Server extends Client {
  log = ""; // everything it wrote, standard error and output together

  /** The log as objects; lines that are not JSON appear as { text }. */
  get lines() {
    return this.log.split("\n").filter(Boolean).map((line) => { try { return JSON.parse(line); } catch { return { text: line }; } });
  }
  /** Waits for a log line that has these members (event: "x", or a predicate) and returns it. */
  logged(wish, options) {
    const fits = typeof wish === "function" ? wish : (line) => Object.entries(wish).every(([k, v]) => (v instanceof RegExp ? v.test(line[k]) : line[k] === v));
    return eventually(() => this.lines.find(fits), options);
  }
  /** The server's process: its supervisor's newest child, where it has one. */
  get pid() { return this.supervised ? (childrenOf(this.child.pid).at(-1) ?? this.child.pid) : this.child.pid; }
  get supervisorPid() { return this.supervised ? this.child.pid : undefined; }
  get running() { return this.child.exitCode === null && this.child.signalCode === null; }
  /** Resident memory in bytes, of the server and its children. */
  rss() { return family(this.pid).reduce((sum, pid) => sum + status(pid, "VmRSS") * 1024, 0); }
  /** How many descriptors the server has open. */
  descriptors() { return readdirSync(`/proc/${this.pid}/fd`).length; }

  /** A bare socket to the public door. */
  wire(options) { return Wire.open(this.port, this.host, options); }
  /** Sends bytes on a fresh connection and returns all that comes until the other side closes. */
  async raw(bytes, { timeoutMs = 5000 * SLOWNESS, end = false } = {}) {
    const wire = await this.wire();
    try {
      await wire.send(bytes);
      if (end) wire.halfClose();
      return await wire.rest(timeoutMs);
    } finally { wire.close(); }
  }
  /** Runs SQL in the server's database as superuser. */
  sql(text, values) { return this.postgres.query(this.database, text, values); }

  /** The metrics, as a function: value("lintel_http_requests_total", { route: "…" }) sums the samples that fit. */
  async metrics() {
    const text = (await this.admin.get("/metrics").expect(200)).text;
    const samples = [];
    for (const line of text.split("\n")) {
      const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
      if (!match || line.startsWith("#")) continue;
      const labels = Object.fromEntries([...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]]));
      samples.push({ name: match[1], labels, value: Number(match[3]) });
    }
    const value = (name, labels = {}) => samples.filter((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === v)).reduce((sum, s) => sum + s.value, 0);
    return Object.assign(value, { samples, text });
  }

  /** Changes the app folder under the running server. */
  write(path, text) { write(this.dir, path, text); }
  read(path) { return readFileSync(join(this.dir, path), "utf8"); }
  remove(path) { rmSync(join(this.dir, path), { recursive: true, force: true }); }

  signal(name) { this.child.kill(name); }
  /** Resolves to { code, signal } when the process has ended. */
  ended() { return this.finished; }
  /** SIGTERM, and what must hold of every end: exit code 0, no sanitizer report. */
  async stop({ withinMs = 15000 } = {}) {
    this.close();
    this.admin?.close();
    if (this.running) this.signal("SIGTERM");
    let timer;
    const late = new Promise((ok) => { timer = setTimeout(() => ok("late"), withinMs * SLOWNESS); });
    const end = await Promise.race([this.finished, late]);
    clearTimeout(timer);
    if (end === "late") {
      this.signal("SIGKILL");
      await this.finished;
      throw new Error(`lintel did not stop within ${withinMs * SLOWNESS} ms of SIGTERM`);
    }
    if (SANITIZER.test(this.log)) throw new Error(`a sanitizer spoke:\n${this.log.slice(this.log.search(SANITIZER)).slice(0, 6000)}`);
    if (this.expectExit !== null && (end.code ?? end.signal) !== this.expectExit) throw new Error(`lintel ended with ${end.code ?? end.signal}, expected ${this.expectExit}; its last words:\n${this.log.slice(-2000)}`);
  }
}

function status(pid, field) {
  try { return Number(new RegExp(`^${field}:\\s*(\\d+)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0); } catch { return 0; }
}
function childrenOf(pid) {
  try { return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number); } catch { return []; }
}
const family = (pid) => [pid, ...childrenOf(pid).flatMap(family)];

/**
 * Starts `lintel serve` on an app.
 *   app        files of the app folder, or a folder to copy. Without lintel.yaml it gets one from config
 *   config     members of lintel.yaml, where app brings none of its own
 *   sql        makes the database; the role `app` may then use everything in it (grant: false: only what sql grants)
 *   database   an existing database of that PostgreSQL instead; url: a whole URL instead
 *   postgres   from startPostgres({ own: true }), else the shared one
 *   protocol   2: conversations go over HTTP/2 (also with LINTEL_TEST_HTTP=2 in the environment); bare sockets are what they are
 *   env, words further environment and command-line words;   command: "serve" or "dev"
 *   tls        { ca, … } of node's https: the server speaks HTTPS, and this is how to trust it
 *   ready      false: do not wait until it is ready
 *   prepare    called with the app folder before the start
 *   binary     another file to start than the binary under test;   stderr: where its log goes, as child_process's stdio
 *   expectExit the exit code that its end must have (0); null: any
 */
export async function serve(t, options = {}) {
  const { app = {}, config, sql = "", grant = true, env = {}, words = [], command = "serve", ready = true, expectExit = 0 } = options;
  const postgres = options.postgres ?? (await startPostgres());
  const made = options.url || options.database ? null : await postgres.database(sql, { grant });
  const database = options.database ?? made;
  const dir = folder(t, app);
  const [port, adminPort] = [await freePort(), await freePort()];
  settle(dir, adminPort, config);
  options.prepare?.(dir);

  const server = new Server(`${options.tls ? "https" : "http"}://127.0.0.1:${port}`, { tls: options.tls, protocol: options.protocol ?? Number(process.env.LINTEL_TEST_HTTP ?? 1) });
  Object.assign(server, { port, host: "127.0.0.1", dir, postgres, database, expectExit, admin: new Client(`http://127.0.0.1:${adminPort}`) });
  server.supervised = command === "serve" && !words.includes("--no-supervisor");
  server.child = spawn(options.binary ?? LINTEL, [command, dir, "--listen", `127.0.0.1:${port}`, ...words], {
    env: { ...process.env, ...SANITIZER_OPTIONS, LINTEL_DATABASE_URL: options.url ?? (await databaseUrl(postgres, database)), ...env },
    stdio: ["ignore", "pipe", options.stderr ?? "pipe"],
  });
  server.finished = new Promise((ok) => server.child.on("close", (code, signal) => ok({ code, signal })));
  const started = new Promise((_, bad) => server.child.on("error", (error) => bad(error.code === "ENOENT" ? new Error(`${LINTEL} does not exist: make build`) : error)));
  started.catch(() => {});
  for (const stream of [server.child.stdout, server.child.stderr].filter(Boolean)) stream.setEncoding("utf8").on("data", (text) => { server.log += text; });

  reportOnFailure(t, () => `--- the server's log (its last 60 lines)\n${server.log.split("\n").slice(-60).join("\n")}`);
  afterTest(t, async () => {
    try { await server.stop(); } finally { if (made) await postgres.dropDatabase(made).catch(() => {}); }
  });

  if (ready) await Promise.race([started, readiness(server)]);
  return server;
}

// With LINTEL_TEST_PGBOUNCER=1 in the environment: through a PgBouncer of this process, one for each PostgreSQL.
const bouncers = new Map();
async function databaseUrl(postgres, database) {
  if (!process.env.LINTEL_TEST_PGBOUNCER) return postgres.url(database);
  if (!bouncers.has(postgres.sockets)) bouncers.set(postgres.sockets, startPgbouncer(null, postgres, { default_pool_size: 30 }));
  return (await bouncers.get(postgres.sockets)).url(database);
}

async function readiness(server) {
  let last = "no answer";
  const ask = () => server.request("GET", "/readyz", { timeoutMs: 3000 }).then((r) => { last = `${r.status} ${r.text}`; return r.status === 200; }, (e) => { last = e.message; return false; });
  await eventually(async () => !server.running || (await ask()), { withinMs: 20000 }).catch(() => { throw new Error(`not ready in time; /readyz said last: ${last}\n${server.log}`); });
  if (!server.running) throw new Error(`lintel ended before it was ready:\n${server.log}`);
}

// Tests run side by side: each server needs an admin port of its own. A lintel.yaml that the test wrote keeps all else it says.
// A process that may leave no core is closed to its own user, too: tests that count its descriptors as somebody else than root must see it.
const SEEN = process.getuid() === 0 ? undefined : { core_dumps: true };
function settle(dir, adminPort, config) {
  const path = join(dir, "lintel.yaml");
  if (!existsSync(path)) return writeFileSync(path, JSON.stringify({ admin: `127.0.0.1:${adminPort}`, ...config, ...((SEEN || config?.process) && { process: { ...SEEN, ...config?.process } }) }, null, 2));
  if (config) throw new Error("serve(): either an own lintel.yaml or config, not both");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, `${text.replace(/^admin:.*\n?/m, "").trimEnd()}\nadmin: 127.0.0.1:${adminPort}\n`);
}
