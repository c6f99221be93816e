// A second PostgreSQL that follows the first by streaming replication, to be promoted when the first is gone.
import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync, readlinkSync, readdirSync, rmSync, writeFileSync, chownSync, statSync, existsSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./scope.mjs";
import { startPostgres } from "./postgres.mjs";

const BIN = process.env.LINTEL_PG_BIN ?? ["15", "16", "17", "18"].map((v) => `/usr/lib/postgresql/${v}/bin`).find((dir) => existsSync(join(dir, "postgres")));
/** Runs a program of PostgreSQL as the user that owns the clusters. */
function program(name, ...words) {
  const [head, ...rest] = process.getuid() === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--inh-caps=-all", "--", join(BIN, name), ...words] : [join(BIN, name), ...words];
  return execFileSync(head, rest, { cwd: "/", stdio: ["ignore", "ignore", "pipe"] });
}

/** A hot standby of `primary` (from startPostgres({ own: true })), dropped with the test; .promote() makes it the primary. */
export async function standbyOf(t, primary) {
  const standby = await startPostgres({ own: true, t }); // for its folder, its sockets and its end
  await standby.stop("immediate");
  const data = realpathSync(join(standby.dir, "data")), sockets = readlinkSync(join(standby.dir, "sockets"));
  const owner = statSync(data);
  for (const name of readdirSync(data)) rmSync(join(data, name), { recursive: true, force: true });
  program("pg_basebackup", "-D", data, "-h", primary.sockets, "-U", "postgres", "-X", "stream", "-c", "fast", "--no-sync");
  const conf = join(data, "postgresql.conf");
  writeFileSync(conf, `${readFileSync(conf, "utf8")}\nunix_socket_directories = '${sockets}'\n`);
  writeFileSync(join(data, "standby.signal"), "");
  chownSync(join(data, "standby.signal"), owner.uid, owner.gid);
  await standby.start({ primary_conninfo: `host=${primary.sockets} user=postgres`, hot_standby: "on", synchronous_commit: "on" });
  await eventually(async () => (await primary.query("postgres", "SELECT FROM pg_stat_replication WHERE state = 'streaming'")).length === 1, { withinMs: 10000 });
  standby.promote = async () => {
    const [{ promoted }] = await standby.query("postgres", "SELECT pg_promote(true, 30) AS promoted");
    if (!promoted) throw new Error("the standby was not promoted within 30 s");
  };
  return standby;
}
