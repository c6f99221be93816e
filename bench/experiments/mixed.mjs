// What slow and locked statements do to a fast one: the p99 of one row by key, alone, then beside a few slow reads and writers that
// wait for a lock. Lanes must not be held up: ROUNDS rounds of each in turns, the medians compared. Needs wrk.
//   node bench/experiments/mixed.mjs [seconds each, 4] [rounds, 3]
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Client, sleep } from "../../tests/lib/lintel.mjs";
import { staged } from "./stage.mjs";

const [seconds, rounds] = [Number(process.argv[2] ?? 4), Number(process.argv[3] ?? 3)];
const run = promisify(execFile);
const inMs = (text) => parseFloat(text) * (text.endsWith("us") ? 0.001 : text.endsWith("ms") ? 1 : 1000);
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function measure(api) {
  const { stdout } = await run("wrk", ["-t1", "-c32", `-d${seconds}s`, "--latency", `${api.base}/v1/items/77`]);
  return { p50: inMs(/50%\s+(\S+)/.exec(stdout)[1]), p99: inMs(/99%\s+(\S+)/.exec(stdout)[1]), rps: Number(/Requests\/sec:\s+(\S+)/.exec(stdout)[1]) };
}

await staged({
  sql: `CREATE TABLE items (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO items SELECT n, 'item ' || n FROM generate_series(1, 100000) n;
    CREATE VIEW slow AS SELECT id, name, pg_sleep(0.02)::text AS nap FROM items WHERE id = 5; CREATE TABLE hot (id integer PRIMARY KEY, n integer); INSERT INTO hot VALUES (1, 0);`,
  app: {
    "resources/items.yaml": "table: public.items\naccess: public\n", "resources/slow.yaml": "table: public.slow\naccess: public\nkey: [id]\n",
    "resources/hot.yaml": "table: public.hot\naccess: public\noperations: [get, update]\n",
  },
}, async (api) => {
  const alone = [], beside = [];
  await measure(api); // warm
  for (let round = 0; round < rounds; round++) {
    alone.push(await measure(api));
    let running = true, slow = 0, locked = 0;
    const locker = await api.postgres.connect(api.database);
    const others = Promise.all([
      ...Array.from({ length: 4 }, async () => { const client = new Client(api.base); while (running) { await client.get("/v1/slow/5"); slow++; await sleep(5); } client.close(); }),
      ...Array.from({ length: 4 }, async () => { const client = new Client(api.base); while (running) { await client.patch("/v1/hot/1", { n: 1 }); locked++; } client.close(); }),
      (async () => { while (running) { await locker.query("BEGIN; SELECT * FROM hot WHERE id = 1 FOR UPDATE"); await sleep(100); await locker.query("COMMIT"); await sleep(5); } })(),
    ]);
    beside.push({ ...(await measure(api)), slow, locked });
    running = false;
    await others;
    await locker.end();
  }
  console.table({ alone: alone.at(-1), beside: beside.at(-1) });
  const ratio = median(beside.map((m) => m.p99)) / median(alone.map((m) => m.p99));
  console.log(`p99 alone ${alone.map((m) => m.p99).join(", ")} ms; beside ${beside.map((m) => m.p99).join(", ")} ms; medians' ratio ${ratio.toFixed(2)} (wanted: at most 2)`);
});
