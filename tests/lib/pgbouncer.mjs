// A PgBouncer of the test's own, transaction pooling, before the test's PostgreSQL; gone when the test ends. It refuses root: then
// it runs as the user postgres, like PostgreSQL itself.
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterTest, eventually } from "./scope.mjs";

const PORT = 6432; // only in the socket's name
const alive = (child) => child.exitCode === null && child.signalCode === null;

class Pgbouncer {
  constructor(postgres, settings) {
    this.dir = mkdtempSync(join(tmpdir(), "lpgb-"));
    chmodSync(this.dir, 0o777);
    this.log = "";
    writeFileSync(join(this.dir, "users"), '"app" ""\n"postgres" ""\n');
    const all = { auth_type: "trust", listen_addr: "", listen_port: PORT, unix_socket_dir: this.dir, admin_users: "postgres", pool_mode: "transaction", default_pool_size: 4, max_client_conn: 300, query_wait_timeout: 2, server_login_retry: 1, ...settings };
    const lines = Object.entries({ ...all, auth_file: join(this.dir, "users") }).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(join(this.dir, "pgbouncer.ini"), `[databases]\n* = host=${postgres.sockets}\n[pgbouncer]\n${lines.join("")}`);
  }

  async start() {
    const words = ["pgbouncer", "-q", join(this.dir, "pgbouncer.ini")];
    const as = process.getuid() === 0 ? ["--reuid=postgres", "--regid=postgres", "--init-groups", "--inh-caps=-all"] : [];
    this.child = spawn("setpriv", ["--pdeathsig=TERM", ...as, "--", ...words], { cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
    this.child.stderr.on("data", (data) => { this.log += data; });
    await eventually(async () => {
      if (!alive(this.child)) throw new Error(`pgbouncer ended: ${this.log}`);
      return (await this.admin("SHOW VERSION")).length > 0;
    }, { withinMs: 10000 });
    return this;
  }

  /** What PgBouncer says of itself: SHOW POOLS, SHOW STATS … */
  admin = (sql) => this.query("pgbouncer", sql);

  async query(database, sql, user = "postgres") {
    const client = await this.connect(database, user);
    try { return (await client.query(sql)).rows; } finally { await client.end(); }
  }

  async connect(database, user = "app") {
    const client = new pg.Client({ host: this.dir, port: PORT, database, user });
    client.on("error", () => {});
    await client.connect();
    return client;
  }

  url = (database, role = "app") => `postgresql://${role}@/${database}?host=${this.dir}&port=${PORT}`;

  async stop(signal = "SIGTERM") {
    if (!alive(this.child)) return;
    const ended = new Promise((ok) => this.child.once("exit", ok));
    this.child.kill(signal);
    await ended;
  }

  async drop() {
    await this.stop("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** For the test t; t null: for this process. settings: those of [pgbouncer] in its file. */
export async function startPgbouncer(t, postgres, settings = {}) {
  const bouncer = new Pgbouncer(postgres, settings);
  if (t) afterTest(t, () => bouncer.drop());
  else process.on("exit", () => { bouncer.child?.kill("SIGKILL"); rmSync(bouncer.dir, { recursive: true, force: true }); });
  await bouncer.start();
  if (!t) for (const held of [bouncer.child, bouncer.child.stderr]) held.unref();
  return bouncer;
}
