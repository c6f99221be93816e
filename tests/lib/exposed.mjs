// A database that is exposed by the commands alone, the way a newcomer does it: lintel init, lintel check, lintel serve.
import { join } from "node:path";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { assert, folder, lintel, serve } from "./lintel.mjs";
import { startPostgres } from "./postgres.mjs";
import { afterTest } from "./scope.mjs";

/** A server on the folder that `lintel init --expose … ` wrote and `lintel check` accepted, unchanged. */
export async function exposed(t, { sql, grant = true, expose, config = {} }) {
  const { postgres, database } = await exposed.database(t, sql, grant);
  const { dir } = await exposed.folder(t, { postgres, database, expose });
  const checked = await lintel(["check", dir]);
  assert.equal(checked.code, 0, `lintel check: ${checked.stdout}${checked.stderr}`);
  const extra = Object.entries(config).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`).join("");
  if (extra) writeFileSync(join(dir, "lintel.yaml"), readFileSync(join(dir, "lintel.yaml"), "utf8") + extra);
  return serve(t, { app: dir, postgres, database });
}

/** A database of its own for the test, dropped at its end. */
exposed.database = async (t, sql, grant = true) => {
  const postgres = await startPostgres();
  const database = await postgres.database(sql, { grant });
  afterTest(t, () => postgres.dropDatabase(database).catch(() => {}));
  return { postgres, database };
};

/** What `lintel init` wrote: { dir, init }. Names with odd characters are given as SCHEMA or [SCHEMA, TABLE]. */
exposed.folder = async (t, { postgres, database, expose = [], words = [] }) => {
  const dir = join(folder(t), "app");
  afterTest(t, () => rmSync(dir, { recursive: true, force: true }));
  const init = await lintel(["init", "--db", postgres.url(database), ...expose.flatMap((name) => ["--expose", name]), ...words, dir]);
  assert.equal(init.code, 0, `lintel init: ${init.stdout}${init.stderr}`);
  return { dir, init };
};
