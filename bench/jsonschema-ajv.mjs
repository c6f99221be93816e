// ajv over the same schema and body: JSON.parse and the compiled validator, MB/s of the processor's time, the best of several turns.
// Usage: node bench/jsonschema-ajv.mjs SCHEMA BODY [milliseconds a case]
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";

const [schemaPath, bodyPath, ms = "540"] = process.argv.slice(2);
const turns = 9;
const turnMs = Number(ms) / turns;
const body = readFileSync(bodyPath, "utf8");
const ajv = new Ajv2020.default({ strict: false, multipleOfPrecision: 6 });
// What ajv-formats calls its fast mode.
ajv.addFormat("uuid", /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i);
ajv.addFormat("date-time", /^\d\d\d\d-[0-1]\d-[0-3]\dt(?:[0-2]\d:[0-5]\d:[0-6]\d|23:59:60)(?:\.\d+)?(?:z|[+-]\d\d(?::?\d\d)?)$/i);
ajv.addFormat("email", /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i);
const validate = ajv.compile(JSON.parse(readFileSync(schemaPath, "utf8")));

function speed(work) {
  const bytes = Buffer.byteLength(body);
  for (let i = 0; i < 20000; i++) work();
  let best = 0;
  for (let turn = 0; turn < turns; turn++) {
    const start = process.cpuUsage();
    let rounds = 0;
    let spentUs;
    do {
      for (let i = 0; i < 200; i++) work();
      rounds += 200;
      const used = process.cpuUsage(start);
      spentUs = used.user + used.system;
    } while (spentUs < turnMs * 1000);
    best = Math.max(best, (bytes * rounds) / spentUs);
  }
  return best.toFixed(0).padStart(7);
}

const both = () => {
  if (!validate(JSON.parse(body))) throw new Error(ajv.errorsText(validate.errors));
};
const kept = JSON.parse(body);
console.log(`ajv: validate       ${String(Buffer.byteLength(body)).padStart(6)} bytes ${speed(() => validate(kept))} MB/s`);
console.log(`ajv: parse and val. ${String(Buffer.byteLength(body)).padStart(6)} bytes ${speed(both)} MB/s`);
