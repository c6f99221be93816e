// PostgreSQL 16, 17 and 18 from npm: the optional packages pg16, pg17 and pg18 (x86-64 alone; Debian 12 has 15).
// `node tests/lib/pgversions.mjs 18` prints the folder of its programs, for LINTEL_PG_BIN; exit code 3: it is not installed.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, lstatSync, mkdtempSync, readFileSync, readdirSync, renameSync, statSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const TOP = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const packageOf = (version) => join(TOP, `node_modules/pg${version}/native`);
/** What a test of a version says where it is not there; else false. */
export const absent = (version) => (existsSync(join(packageOf(version), "bin/postgres")) ? false : `PostgreSQL ${version} is not here: npm's optional package pg${version} is not installed`);

/** Whether the user that runs servers (postgres when we are root) can run this file. */
function runs(path) {
  const words = process.getuid() === 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", path, "--version"] : [path, "--version"];
  try { execFileSync(words[0], words.slice(1), { stdio: "ignore", cwd: "/" }); return true; } catch { return false; }
}
/** The folder of its programs. The package leaves out symbolic links, which npm cannot carry; its own script, which we don't run, makes them. */
export function programs(version) {
  let home = packageOf(version);
  for (const { source, target } of JSON.parse(readFileSync(join(home, "pg-symlinks.json"), "utf8"))) {
    try { symlinkSync(basename(source), join(dirname(home), target)); } catch (there) { if (there.code !== "EEXIST") throw there; }
  }
  for (const name of readdirSync(join(home, "bin"))) chmodSync(join(home, "bin", name), 0o755);
  return join(runs(join(home, "bin/postgres")) ? home : copied(home, version), "bin");
}
/** Under a folder that the user postgres may not enter: a copy in one that it may, made once. */
function copied(home, version) {
  let copy = `/var/tmp/lintel-npm-pg${version}-${statSync(join(home, "bin/postgres")).mtimeMs}`;
  if (existsSync(copy) && lstatSync(copy).uid === process.getuid() && runs(join(copy, "bin/postgres"))) return copy;
  const fresh = mkdtempSync(`${copy}-`);
  cpSync(home, fresh, { recursive: true, verbatimSymlinks: true });
  chmodSync(fresh, 0o755);
  try { renameSync(fresh, copy); } catch { copy = fresh; } // somebody else's
  return copy;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const version = process.argv[2];
  if (absent(version)) {
    console.error(absent(version));
    process.exitCode = 3;
  } else console.log(programs(version));
}
