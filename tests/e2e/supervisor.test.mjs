// What stays when a server does not: listeners, the main pid, and clients that hardly notice.
import { execFile } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import dgram from "node:dgram";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterTest, assert, Client, eventually, lintel, LINTEL, serve, SLOWNESS, sleep, test } from "../lib/lintel.mjs";
import { Load } from "../lib/load.mjs";

const sql = "CREATE TABLE thing (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO thing SELECT n, 'lamp ' || n FROM generate_series(1, 100) n";
const app = { "resources/thing.yaml": "table: public.thing\naccess: public\n" };
const run = promisify(execFile);
const SANITIZED = /fuzz|san/.test(LINTEL);
const fieldOf = (pid, name) => new RegExp(`^${name}:\\s*(.*)`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
const ends = (api) => api.lines.filter((line) => line.event === "server_crashed");

test("kill -9 under load: the next request is served in time, no connection is refused, only those in flight fail", async (t) => {
  const api = await serve(t, { sql, app });
  const load = new Load(t, api, (client, n) => client.get(`/v1/thing/${1 + (n % 100)}`).expect(200), { clients: 8, fresh: true });
  await load.well(100);
  const waits = [];
  for (let round = 0; round < 4; round++) {
    const pid = api.pid, killed = performance.now();
    process.kill(pid, "SIGKILL");
    await eventually(() => ends(api).length > round); // it has died: what is asked from here on is not in flight
    const client = new Client(api.base);
    await client.get("/v1/thing/1").expect(200);
    waits.push(performance.now() - killed);
    client.close();
    await load.well(50);
  }
  await load.stop();
  t.diagnostic(`killed to served, ms: ${waits.map(Math.round).join(" ")}; ${JSON.stringify(load.outcomes)}`);
  assert.ok(waits.every((ms) => ms < 500 * SLOWNESS), `${waits}`);
  assert.ok(!load.outcomes.ECONNREFUSED, "nobody was refused");
  assert.ok(load.records.filter((r) => r.error).length <= 4 * 8, "at most what was in flight");
  assert.ok(api.running);
  assert.equal((await api.metrics())("lintel_server_restarts_total", { reason: "killed" }), 4);
  const status = JSON.parse((await lintel(["ctl", "--app", api.dir, "--json", "status"])).stdout);
  assert.equal(status.process.restarts.killed, 4);
  assert.equal(status.process.supervisor, api.supervisorPid);
  assert.equal(status.pid, api.pid);
});

test("the supervisor's end is the server's", async (t) => {
  const api = await serve(t, { sql, app, expectExit: null });
  const pid = api.pid;
  process.kill(api.supervisorPid, "SIGKILL");
  await eventually(() => !existsSync(`/proc/${pid}`) || fieldOf(pid, "State").startsWith("Z"));
});

test("a server in which no core turns is ended and started again", async (t) => {
  const api = await serve(t, { sql, app, config: { process: { stall: "2s" } } });
  const pid = api.pid;
  process.kill(pid, "SIGSTOP"); // the abort waits behind it, and the kill comes
  await api.logged({ event: "server_stalled", pid }, { withinMs: 15000 });
  await api.logged({ event: "server_crashed", pid, reason: "stalled" }, { withinMs: 15000 });
  api.close();
  await api.get("/v1/thing/1").expect(200);
});

test("a loop that hangs is aborted", { skip: SANITIZED && "the sanitizer speaks of every abort" }, async (t) => {
  const api = await serve(t, { sql, app, config: { process: { stall: "2s" } }, env: { LINTEL_INJECT: "core.stall:5+" }, words: ["--cores", "1"], expectExit: null });
  const line = await api.logged({ event: "server_crashed", reason: "stalled" }, { withinMs: 20000 });
  assert.equal(line.signal, 6);
});

test("a server that crashes again and again comes back ever later", async (t) => {
  const api = await serve(t, { sql, app, config: { process: { restart_burst: 2, restart_delay_max: "400ms" } } });
  for (let round = 1; round <= 6; round++) {
    const pid = await eventually(() => api.pid !== api.supervisorPid && api.pid);
    process.kill(pid, SANITIZED ? "SIGKILL" : "SIGSEGV");
    await eventually(() => ends(api).length === round);
  }
  const delays = ends(api).map((line) => line.restart_in_ms);
  assert.deepEqual(delays.slice(0, 2), [0, 0]);
  assert.ok(delays[2] >= 50 && delays[2] <= 100 && delays[3] >= 100 && delays[3] <= 200, `${delays}`);
  assert.ok(delays.slice(4).every((ms) => ms >= 200 && ms <= 400), `${delays}`);
  assert.ok(ends(api).every((line) => line.reason === (SANITIZED ? "killed" : "crashed")));
  api.close();
  await api.get("/v1/thing/1").expect(200);
});

test("what hinders the start is told at once, with its exit code", async (t) => {
  const broken = await serve(t, { url: "nonsense://", app, ready: false, expectExit: 3 });
  assert.equal((await broken.ended()).code, 3);
  assert.ok(!ends(broken).length);
  const taken = await serve(t, { sql, app });
  const second = await serve(t, { sql, app, ready: false, expectExit: 3, words: ["--listen", `127.0.0.1:${taken.port}`] });
  assert.equal((await second.ended()).code, 3);
  await second.logged({ event: "start_failed", message: /listens there already/ });
});

test("SIGTERM reaches the server, a second one hurries it; without a supervisor too", async (t) => {
  for (const words of [[], ["--no-supervisor"]]) {
    const api = await serve(t, { sql, app, words, config: { http: { drain_delay: "1s" } } });
    api.signal("SIGTERM");
    await eventually(async () => (await new Client(api.base).get("/readyz")).status === 503);
    const last = await new Client(api.base).get("/v1/thing/1").expect(200);
    assert.equal(last.header("connection"), "close");
    assert.equal((await api.ended()).code, 0);
    const hasty = await serve(t, { sql, app, words, config: { http: { drain_delay: "30s" } }, expectExit: 1 });
    hasty.signal("SIGTERM");
    await hasty.logged({ event: "draining" });
    hasty.signal("SIGTERM");
    assert.equal((await hasty.ended()).code, 1);
  }
});

test("requests that arrive while it stops are answered or never accepted, not cut", async (t) => {
  let reset = 0;
  for (let round = 0; round < 5; round++) {
    const api = await serve(t, { sql, app });
    const load = new Load(t, api, (client, n) => client.get(`/v1/thing/${1 + (n % 100)}`).expect(200), { clients: 12, fresh: true, pauseMs: 0 });
    await load.well(50);
    api.signal("SIGTERM");
    assert.equal((await api.ended()).code, 0);
    await load.stop();
    const failed = load.records.filter((r) => r.error && r.error.code !== "ECONNREFUSED"); // refused: nobody listened any more
    reset += failed.filter((r) => r.error.code === "ECONNRESET").length;
    assert.deepEqual(failed.filter((r) => r.error.code !== "ECONNRESET").map((r) => r.error.message), []);
  }
  // The kernel may still complete a handshake between the last accept() and close().
  t.diagnostic(`${reset} resets in 5 ends`);
  assert.ok(reset <= 2);
});

test("systemd: ready, reloading, watchdog, stopping; its sockets are taken", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "lintel-notify-"));
  afterTest(t, () => rmSync(dir, { recursive: true, force: true }));
  const said = [];
  const receiver = await notifySocket(t, join(dir, "notify"), said);
  const api = await serve(t, { sql, app, env: { NOTIFY_SOCKET: receiver, WATCHDOG_USEC: "1000000" } });
  await eventually(() => said.some((text) => text.includes("READY=1")));
  await eventually(() => said.filter((text) => text.includes("WATCHDOG=1")).length >= 2, { withinMs: 10000 });
  api.signal("SIGHUP");
  const at = await eventually(() => 1 + said.findIndex((text) => text.includes("RELOADING=1")));
  await eventually(() => said.slice(at).some((text) => text.includes("READY=1")));
  api.signal("SIGTERM");
  await eventually(() => said.some((text) => text.includes("STOPPING=1")));
  assert.equal((await api.ended()).code, 0);
});

/** A datagram socket of the unix family, which Node lacks: python3 prints what comes. */
async function notifySocket(t, path, said) {
  const code = `import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nprint("bound",flush=True)\nwhile True: print(s.recv(4096).decode().replace("\\n"," "),flush=True)`;
  const child = execFile("python3", ["-c", code, path]);
  afterTest(t, () => child.kill());
  child.stdout.setEncoding("utf8").on("data", (text) => said.push(...text.split("\n").filter(Boolean)));
  await eventually(() => said.includes("bound"), { withinMs: 10000 });
  return path;
}

test("socket activation: the passed socket serves, and outlives a crash", async (t) => {
  const listener = net.createServer();
  await new Promise((ok) => listener.listen(0, "127.0.0.1", ok));
  const { port } = listener.address();
  // a shell makes descriptor 3 of it and knows its own pid, as systemd does
  const shell = mkdtempSync(join(tmpdir(), "lintel-activate-"));
  afterTest(t, () => rmSync(shell, { recursive: true, force: true }));
  writeFileSync(join(shell, "lintel"), `#!/usr/bin/env python3
import os, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", ${port})); s.listen(64)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="lintel.socket")
os.execv(os.environ["REAL_LINTEL"], sys.argv)
`);
  chmodSync(join(shell, "lintel"), 0o755);
  await new Promise((ok) => listener.close(ok));
  const api = await serve(t, { sql, app, binary: join(shell, "lintel"), env: { REAL_LINTEL: LINTEL }, ready: false });
  const client = new Client(`http://127.0.0.1:${port}`);
  await eventually(async () => (await client.get("/readyz")).status === 200, { withinMs: 15000 });
  assert.ok((await api.logged({ event: "server_ready" })).listen.endsWith(`:${port}`));
  const pid = api.pid;
  process.kill(pid, "SIGKILL");
  await eventually(() => ends(api).length === 1);
  client.close();
  await client.get("/v1/thing/1").expect(200);
  client.close();
});

// ---- rights ----

test("as root with process.user: the server is somebody else, without capabilities, new privileges or core files", { skip: process.getuid() !== 0 && "needs root" }, async (t) => {
  const { stdout } = await run("id", ["-u", "nobody"]);
  const api = await serve(t, { sql, app, config: { process: { user: "nobody" } }, ready: false });
  await api.logged({ event: "running_as_root", message: /cannot read .*chmod -R g\+rX/ }); // a temporary folder is its maker's
  await api.stop();
  const open = await serve(t, { sql, app: { ...app, "secrets.key": "0".repeat(64) }, config: { process: { user: "nobody" } }, ready: false, prepare: (dir) => { chmodSync(dir, 0o755); chmodSync(join(dir, "secrets.key"), 0o600); } });
  await eventually(async () => (await open.get("/readyz")).status === 200, { withinMs: 15000 });
  assert.equal(fieldOf(open.pid, "Uid").split("\t")[0], stdout.trim());
  assert.equal(fieldOf(open.pid, "CapEff"), "0000000000000000");
  assert.equal(fieldOf(open.pid, "CapBnd"), "0000000000000000");
  assert.equal(fieldOf(open.pid, "NoNewPrivs"), "1");
  if (!SANITIZED) assert.equal(fieldOf(open.pid, "Seccomp"), "2");
  assert.equal(fieldOf(open.supervisorPid, "Uid").split("\t")[0], "0");
  const page = await open.get("/v1/thing?limit=2").expect(200); // the key, 0600 and root's, was read before
  await open.get(`/v1/thing?limit=2&after=${page.json.page.next}`).expect(200);
  open.write("resources/thing.yaml", "table: public.thing\naccess: public\nread_only: nonsense\n"); // and files are read again as that user
  open.signal("SIGHUP");
  await eventually(() => open.lines.filter((line) => line.event === "snapshot" || line.event === "refresh_failed").length >= 2);
  const status = JSON.parse((await lintel(["ctl", "--app", open.dir, "--json", "status"])).stdout);
  assert.equal(status.process.user, "nobody");
  open.signal("SIGUSR2"); // the new binary is started as root, and gives it up in its turn
  await open.logged({ event: "server_retired" }, { withinMs: 20000 });
  assert.equal(fieldOf(open.pid, "Uid").split("\t")[0], stdout.trim());
});

test("an unknown process.user is refused", { skip: process.getuid() !== 0 && "needs root" }, async (t) => {
  const api = await serve(t, { sql, app, config: { process: { user: "no-such-account" } }, ready: false, expectExit: 3 });
  assert.equal((await api.ended()).code, 3);
  await api.logged({ event: "start_failed", message: /no account no-such-account/ });
});

test("the server cannot execute, trace, or make pages executable; sockets it may have", { skip: SANITIZED && "the filter is off under sanitizers" }, async (t) => {
  const api = await serve(t, { sql, app, env: { LINTEL_INJECT: "seccomp.probe" } });
  const probe = await api.logged({ event: "seccomp_probe" });
  assert.deepEqual([probe.execve, probe.ptrace, probe.mprotect_exec, probe.socket], ["EPERM", "EPERM", "EPERM", "done"]);
  assert.equal(fieldOf(api.pid, "Seccomp"), "2");
  assert.equal(fieldOf(api.supervisorPid, "Seccomp"), "0");
  const off = await serve(t, { sql, app, env: { LINTEL_INJECT: "seccomp.probe" }, config: { process: { seccomp: "off" } } });
  assert.notEqual((await off.logged({ event: "seccomp_probe" })).execve, "EPERM");
});

test("the binary is hardened: PIE, RELRO, no executable stack, stack protector, fortified", async () => {
  const { stdout: head } = await run("readelf", ["-hW", LINTEL]);
  const { stdout: segments } = await run("readelf", ["-lW", LINTEL]);
  const { stdout: dynamic } = await run("readelf", ["-dW", LINTEL], { maxBuffer: 64 << 20 });
  const { stdout: symbols } = await run("readelf", ["-sW", "--dyn-syms", LINTEL], { maxBuffer: 256 << 20 });
  assert.match(head, /Type:\s+DYN/);
  assert.match(segments, /GNU_RELRO/);
  assert.match(segments, /GNU_STACK.* RW /);
  assert.match(dynamic, /BIND_NOW|FLAGS.*NOW/);
  assert.match(symbols, /__stack_chk_fail/);
  if (!SANITIZED) assert.match(symbols, /__(snprintf|memcpy|fprintf)_chk/);
});

// ---- bad days of the machine ----

test("a full disk under the log neither stalls nor stops it, and what is lost is counted", async (t) => {
  const api = await serve(t, { sql, app, stderr: openSync("/dev/full", "w"), config: { observe: { access_log: "all" } } });
  for (let i = 0; i < 50; i++) await api.get("/v1/thing/1").expect(200);
  assert.ok((await api.metrics())("lintel_log_dropped_lines_total") >= 50);
});

test("a log that nobody reads neither stalls nor stops it", async (t) => {
  const child = execFile("sleep", ["600"]); // it holds the pipe's other end, and never reads
  afterTest(t, () => child.kill());
  const api = await serve(t, { sql, app, stderr: child.stdin, config: { observe: { access_log: "all" } } });
  for (let i = 0; i < 2000; i += 50) await Promise.all(Array.from({ length: 50 }, () => api.get("/v1/thing/1").expect(200)));
  assert.ok((await api.metrics())("lintel_log_dropped_lines_total") > 0);
});

test("the clock jumps by hours: nothing times out, connections stay", async (t) => {
  for (const [name, hours] of [["clock.wall.jump", 3], ["clock.wall.back", -3]]) {
    const api = await serve(t, { sql, app, env: { LINTEL_INJECT: `${name}:200+` }, config: { observe: { access_log: "all" } } });
    const wire = await api.wire();
    const offset = (reply) => Math.round((Date.parse(reply.header("date")) - Date.now()) / 3600000);
    await wire.send("GET /v1/thing/1 HTTP/1.1\r\nHost: x\r\n\r\n");
    await wire.responses(1);
    const seen = new Set();
    for (let i = 0; i < 300 && !seen.has(hours); i++) seen.add(offset(await api.get("/v1/thing/1").expect(200)) || 0), await sleep(10);
    assert.ok(seen.has(hours), `it jumped: ${[...seen]}`);
    await wire.send("GET /v1/thing/2 HTTP/1.1\r\nHost: x\r\n\r\n"); // the connection that rested meanwhile
    await wire.responses(2);
    wire.close();
    assert.equal((await api.metrics())("lintel_http_timeouts_total"), 0);
    await api.get("/readyz").expect(200);
  }
});

test("both are stopped for longer than process.stall, as when the machine is suspended: nobody is taken for stalled", async (t) => {
  const api = await serve(t, { sql, app, config: { process: { stall: "2s" } } });
  const { pid, supervisorPid } = api, wire = await api.wire();
  for (const each of [supervisorPid, pid]) process.kill(each, "SIGSTOP");
  await sleep(4000);
  for (const each of [supervisorPid, pid]) process.kill(each, "SIGCONT");
  await wire.send("GET /v1/thing/1 HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal((await wire.responses(1))[0].status, 200);
  await sleep(2500); // it would be found by now
  assert.equal(api.pid, pid);
  assert.equal(api.lines.filter((line) => line.event === "server_stalled").length, 0);
  wire.close();
});

test("a debugger that holds the server is no stall", async (t) => {
  const api = await serve(t, { sql, app, words: ["--cores", "1"], config: { process: { stall: "1s" } } });
  const { pid } = api, held = 3 * SLOWNESS;
  const script = `import ctypes, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
print(libc.ptrace(16, ${pid}, None, None), flush=True)
time.sleep(${held})
libc.ptrace(17, ${pid}, None, None)`; // PTRACE_ATTACH, PTRACE_DETACH
  const debuggerOf = execFile("python3", ["-c", script]);
  afterTest(t, () => debuggerOf.kill());
  const [attached] = await new Promise((ok) => debuggerOf.stdout.once("data", (text) => ok([text.trim()])));
  if (attached !== "0") return t.skip("nothing may be traced here");
  await new Promise((ok) => debuggerOf.once("close", ok));
  await api.get("/v1/thing/1").expect(200);
  assert.equal(api.pid, pid);
  assert.equal(ends(api).length, 0);
});

test("descriptors run out: new clients are told by a close, those connected go on; with room again all is well", async (t) => {
  const api = await serve(t, { sql, app, words: ["--cores", "1"] });
  const { pid } = api, resting = await api.wire(), ask = "GET /v1/thing/1 HTTP/1.1\r\nHost: x\r\n\r\n";
  await resting.send(ask);
  await resting.responses(1);
  const limit = readFileSync(`/proc/${pid}/limits`, "utf8").match(/Max open files\s+(\d+)/)[1];
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let below = 0; // the limit is of the numbers, and some below the largest are free
  for (let free = 0; free < 5; below++) free += !taken.has(below);
  await run("prlimit", ["--pid", String(pid), `--nofile=${below}:`]);
  const wires = await Promise.all(Array.from({ length: 40 }, () => api.wire()));
  await eventually(() => wires.filter((wire) => wire.ended).length >= 30, { withinMs: 10000 });
  const open = wires.filter((wire) => !wire.ended);
  for (const wire of [resting, ...open]) await wire.send(ask);
  assert.equal((await resting.responses(2))[1].status, 200);
  for (const wire of open) { // the last of those that are closed may not have noticed yet
    const reply = await wire.responses(1).catch(() => null);
    assert.ok(reply ? reply[0].status === 200 : wire.ended);
  }
  await run("prlimit", ["--pid", String(pid), `--nofile=${limit}:`]);
  for (const wire of wires) wire.close();
  const again = await Promise.all(Array.from({ length: 40 }, () => api.wire()));
  for (const wire of again) await wire.send(ask);
  for (const wire of again) assert.equal((await wire.responses(1))[0].status, 200);
  for (const wire of [resting, ...again]) wire.close();
  assert.equal(api.pid, pid);
});
