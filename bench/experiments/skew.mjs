// Few busy connections on two cores, with few database connections to share: four clients that never rest, max_connections = 20. Prints
// the cores' busy times: nobody may do all the work, and PostgreSQL may never refuse a connection (53300). Needs wrk.
//   node bench/experiments/skew.mjs [seconds, 5]
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { staged } from "./stage.mjs";

const seconds = Number(process.argv[2] ?? 5);
await staged({
  settings: { max_connections: 20 }, words: ["--cores", "2"],
  sql: "CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, 100000) n",
  app: { "resources/items.yaml": "table: public.items\naccess: public\n" },
}, async (api) => {
  const busy = async () => { const value = await api.metrics(); return [0, 1].map((core) => value("lintel_core_busy_seconds_total", { core: String(core) })); };
  for (const connections of [4, 8, 64]) {
    const before = await busy();
    const { stdout } = await promisify(execFile)("wrk", ["-t1", `-c${connections}`, `-d${seconds}s`, `${api.base}/v1/items/77`]);
    const spent = (await busy()).map((now, core) => now - before[core]);
    console.log(`${connections} connections: ${/Requests\/sec:\s+(\S+)/.exec(stdout)[1]} requests/s, ${/Non-2xx.*/.exec(stdout)?.[0] ?? "no errors"}, busy ${spent.map((s) => s.toFixed(2)).join(" and ")} s, skew ${(Math.max(...spent) / Math.min(...spent)).toFixed(2)} (wanted: below 1.5)`);
  }
  const refused = /too many clients|remaining connection slots/.test(readFileSync(join(api.postgres.dir, "log"), "utf8"));
  console.log(refused ? "PostgreSQL refused connections (53300)" : "no connection was refused");
});
