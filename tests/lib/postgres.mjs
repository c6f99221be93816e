// A private PostgreSQL for the tests, by tools/pgtemp: one for the whole run where tests/run started it (LINTEL_TEST_PG names its
// directory), else one for this process. Databases are copies of a template made once for each SQL text, so a fresh one costs
// some 30 ms. A test that stops, kills or pauses its PostgreSQL asks for its own: startPostgres({ own: true }).
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { afterTest, eventually } from "./scope.mjs";

export const TOP = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const PGTEMP = join(TOP, "tools/pgtemp");
const run = promisify(execFile);

// Values as PostgreSQL writes them: a test compares text with text, never a rounded double.
const AS_TEXT = { getTypeParser: (oid) => ({ 16: (v) => v === "t", 20: Number, 21: Number, 23: Number, 114: JSON.parse, 3802: JSON.parse })[oid] ?? ((v) => v) };

class Postgres {
  constructor(dir) {
    this.dir = dir;
    this.sockets = null;
    this.made = 0;
  }

  async start(settings = {}, flags = []) {
    const words = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const { stdout } = await run(PGTEMP, ["start", this.dir, "--until", String(process.pid), ...flags, ...words]);
    this.sockets = new URLSearchParams(stdout.trim().split("?")[1]).get("host");
    this.settings = settings;
    return this;
  }

  /** The URL of a database, for a role: `app` is who the server is, `postgres` may do anything. */
  url(database = "postgres", role = "app") {
    return `postgresql://${role}@/${database}?host=${this.sockets}`;
  }

  get pid() {
    return Number(execFileSync(PGTEMP, ["pid", this.dir], { encoding: "utf8" }));
  }

  /** Runs SQL (several statements are fine without parameters) and returns the rows of the last. */
  async query(database, text, values = [], role = "postgres") {
    const client = await this.connect(database, role);
    try {
      const result = await client.query(values.length ? { text, values } : text);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } finally {
      await client.end();
    }
  }

  /** A connected `pg` client, to be ended by the caller: for locks, LISTEN, open transactions. */
  async connect(database = "postgres", role = "postgres") {
    const client = new pg.Client({ host: this.sockets, database, user: role, types: AS_TEXT });
    client.on("error", () => {}); // the tests that kill PostgreSQL mean it
    await client.connect();
    return client;
  }

  /** A new database holding what `sql` makes; the role `app` may use everything unless grant is false. */
  async database(sql = "", { grant = true } = {}) {
    const name = `t${process.pid}_${++this.made}`;
    const template = `template_${createHash("sha256").update(`${grant}\0${sql}`).digest("hex").slice(0, 24)}`;
    const admin = await this.connect();
    try {
      await this.#template(admin, template, sql, grant);
      await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`);
    } finally {
      await admin.end();
    }
    return name;
  }

  // Other test processes may want the same template at the same moment: an advisory lock lets one make it.
  async #template(admin, template, sql, grant) {
    const there = () => admin.query("SELECT FROM pg_database WHERE datname = $1 AND datistemplate", [template]);
    if ((await there()).rowCount) return;
    await admin.query("SELECT pg_advisory_lock(hashtext($1))", [template]);
    try {
      if ((await there()).rowCount) return;
      await admin.query(`DROP DATABASE IF EXISTS ${template}`);
      await admin.query(`CREATE DATABASE ${template} TEMPLATE template0`);
      if (sql) await this.query(template, sql);
      if (grant) await this.query(template, GRANT_ALL);
      await admin.query(`ALTER DATABASE ${template} IS_TEMPLATE true`);
    } finally {
      await admin.query("SELECT pg_advisory_unlock(hashtext($1))", [template]);
    }
  }

  async dropDatabase(name) {
    await this.query("postgres", `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }

  // The bad days. SIGSTOP goes to the postmaster and its children alike, as a frozen machine would look.
  stop = (mode = "fast") => run(PGTEMP, ["stop", this.dir, mode]);
  restart = async (mode = "fast") => { await this.stop(mode); await this.start(this.settings); };
  pause = () => this.#signalAll("SIGSTOP");
  resume = () => this.#signalAll("SIGCONT");
  kill = async () => {
    await this.#signalAll("SIGKILL");
    const alive = (pid) => { try { return process.kill(pid, 0); } catch { return false; } };
    await eventually(() => !this.family.some(alive), { withinMs: 1000 }).catch(() => {}); // a zombie that nobody reaps stays
    for (const lock of [join(this.dir, "data/postmaster.pid"), join(this.sockets, ".s.PGSQL.5432.lock")]) rmSync(lock, { force: true });
  };
  drop = () => run(PGTEMP, ["drop", this.dir]);

  async #signalAll(signal) {
    // Who there is, asked before the first SIGSTOP, remembered for the SIGCONT: a stopped server answers nothing.
    if (signal !== "SIGCONT") {
      const rows = await this.query("postgres", "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
      this.family = [this.pid, ...rows.map((row) => row.pid)];
    }
    for (const pid of this.family) {
      try { process.kill(pid, signal); } catch (gone) { if (gone.code !== "ESRCH") throw gone; }
    }
  }
}

const GRANT_ALL = `DO $$ DECLARE s record; BEGIN
  FOR s IN SELECT quote_ident(nspname) AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO app', s.name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO app', s.name);
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %s TO app', s.name);
  END LOOP;
END $$`;

let shared = null;

/** The PostgreSQL of this run; with { own: true, settings } one for this test alone, gone when the test ends. */
export async function startPostgres({ own = false, settings = {}, durable = false, t = null } = {}) {
  if (own) {
    const server = new Postgres(mkdtempSync(join(tmpdir(), "lintel-pg-")));
    await server.start(settings, durable ? ["--durable"] : []);
    if (t) afterTest(t, () => server.drop());
    return server;
  }
  shared ??= (async () => {
    const given = process.env.LINTEL_TEST_PG;
    const server = new Postgres(given ?? mkdtempSync(join(tmpdir(), "lintel-pg-")));
    if (given) server.sockets = new URLSearchParams(execFileSync(PGTEMP, ["url", given], { encoding: "utf8" }).trim().split("?")[1]).get("host");
    else {
      await server.start({ max_connections: 200 });
      process.on("exit", () => { try { execFileSync(PGTEMP, ["drop", server.dir], { stdio: "ignore" }); } catch { /* its --until watcher does it */ } });
    }
    return server;
  })();
  return shared;
}
