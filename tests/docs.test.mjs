// What the documents tell a reader to type works as told: every ```sh block of README.md and docs/*.md with a `curl` or `lintel` line
// runs, line by line, in a shell of its own. A curl must be answered 2xx, or with the status that its comment names; every other line
// must exit 0. The YAML of docs/app-folder.md passes `lintel check`; the error of docs/errors.md is what the server answers; links lead
// somewhere.
//
// A block that runs `lintel init` begins with an empty folder and a database whose tables lie in `public`; any other finds the
// storefront served at $API. What a reader has to put in place of the examples is put there by the shell around the block: the
// database's URL, free ports, and patience where a server is started or told to read its folder again.
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { LINTEL, SLOWNESS, TOP, afterTest, assert, folder, freePort, lintel, serve, startPostgres, test } from "./lib/lintel.mjs";

const PAGES = ["README.md", "examples/storefront/README.md", "tests/README.md", ...readdirSync(join(TOP, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)];
const STOREFRONT = join(TOP, "examples/storefront");

// ---- the database ------------------------------------------------------------------------------------------------------------

const run = (command, words, options) => new Promise((resolve) => {
  const child = execFile(command, words, { maxBuffer: 64 << 20, ...options }, (error, stdout, stderr) => resolve({ code: error ? error.code ?? 1 : 0, stdout, stderr }));
  child.stdin.end();
});
/** A hundredth of the storefront, made once: a copy of it for each test. schema: where the shop's tables shall lie. */
let template = null;
async function storefront(t, { schema = "shop" } = {}) {
  const postgres = await startPostgres();
  template ??= (async () => {
    const name = await postgres.database("", { grant: false });
    const { code, stderr } = await run(join(STOREFRONT, "load"), ["app"], { env: { ...process.env, PGHOST: postgres.sockets, PGUSER: "postgres", PGDATABASE: name, STOREFRONT_SCALE: "0.01" } });
    assert.equal(code, 0, stderr);
    return name;
  })();
  const name = `docs${process.pid}_${++copies}`;
  await postgres.query("postgres", `CREATE DATABASE ${name} TEMPLATE ${await template}`);
  afterTest(t, () => postgres.dropDatabase(name).catch(() => {}));
  if (schema !== "shop") await postgres.query(name, `DROP SCHEMA ${schema}; ALTER SCHEMA shop RENAME TO ${schema}`);
  return { postgres, name };
}
let copies = 0;

// ---- blocks ------------------------------------------------------------------------------------------------------------------

function blocks(page, language) {
  const found = [];
  const text = readFileSync(join(TOP, page), "utf8");
  for (const match of text.matchAll(/^```(\w*)\n([^]*?)^```/gm)) {
    if (match[1] === language) found.push({ page, line: text.slice(0, match.index).split("\n").length, text: match[2] });
  }
  return found;
}
const COMMAND = /^(curl|(build\/)?lintel)\b/;
/** The lines of a block, those that end in a backslash joined; each with the status that its comment names. */
function commands(block) {
  return block.text.replace(/\\\n\s*/g, " ").split("\n").filter((line) => line.trim() && !line.startsWith("#")).map((line) => {
    const comment = /\s#\s(.*)$/.exec(line)?.[1] ?? "";
    return { line, curl: line.startsWith("curl"), status: /\b([1-5]\d\d)\b/.exec(comment)?.[1] ?? "2.." };
  });
}

/** The shell around a block. Each line reports what became of it on descriptor 3. */
function script(block, { dir, url, port, adminPort }) {
  const lines = commands(block).map(({ line, curl, status }, i) => {
    const typed = line.replace(/postgres:\/\/[^\s'"]+/g, url).replaceAll("127.0.0.1:8080", `127.0.0.1:${port}`).replaceAll("127.0.0.1:9090", `127.0.0.1:${adminPort}`);
    if (/^(make|git)\b/.test(line)) return ""; // the block's own binary is there already
    if (/\blintel (serve|dev)\b/.test(line)) return `${typed.replace(/\s*&?\s*(#.*)?$/, "")} >server.log 2>&1 &\nready; report ${i} $?`;
    return curl ? `wish=${status}; ${typed}\nreport ${i} $? "$(cat status)"` : `${typed}\nreport ${i} $?`;
  });
  return `
    exec 3>report
    report() { echo "$@" >&3; }
    lintel() { ${LINTEL} "$@"; }
    mkdir -p build; ln -sf ${LINTEL} build/lintel
    # A curl that meets the server before it has read its folder again is sent once more.
    curl() {
      for try in $(seq ${100 * SLOWNESS}); do
        command curl -sS -o answer -w '%{http_code}' "$@" >status || return
        case "$(cat status)" in $wish) return 0 ;; esac
        [ -e reloaded ] || return 0
        sleep 0.05
      done
    }
    kill() { touch reloaded; builtin kill "$@"; }
    ready() { for try in $(seq ${200 * SLOWNESS}); do command curl -sf -o /dev/null http://127.0.0.1:${port}/readyz && return; sleep 0.05; done; cat server.log >&2; return 1; }
    export DATABASE_URL=${JSON.stringify(url)} API=http://127.0.0.1:${port}
    ${lines.join("\n").replace(/(\blintel (?:serve|dev)\b[^\n]*?) >server/g, `$1 --listen 127.0.0.1:${port} --admin 127.0.0.1:${adminPort} >server`)}
    for job in $(jobs -p); do builtin kill "$job"; wait "$job"; done
  `.replace(/\$wish\)/, "$(echo $wish | tr . '?'))").replace(/^ {4}/gm, "") + `# ${dir}\n`;
}

async function play(block, place) {
  const file = join(place.dir, "block.sh");
  writeFileSync(file, script(block, place));
  const { stdout, stderr } = await run("bash", [file], { cwd: place.dir, timeout: 40000 * SLOWNESS, env: { ...process.env, LINTEL_DATABASE_URL: "", ...(place.ctl && { LINTEL_CTL: place.ctl }) } });
  const report = new Map(readFileSync(join(place.dir, "report"), "utf8").trim().split("\n").map((line) => { const [i, code, status] = line.split(" "); return [Number(i), { code, status }]; }));
  for (const [i, { line, curl, status }] of commands(block).entries()) {
    if (/^(make|git)\b/.test(line)) continue;
    const said = `${block.page}:${block.line}: ${line}\n${report.get(i) ? JSON.stringify(report.get(i)) : "never ran"}\n${stdout.slice(-1500)}${stderr.slice(-1500)}`;
    assert.equal(report.get(i)?.code, "0", said);
    if (curl) assert.match(report.get(i).status, new RegExp(`^${status}$`), `${said}\n${existsSync(join(place.dir, "answer")) ? readFileSync(join(place.dir, "answer"), "utf8").slice(0, 1500) : ""}`);
  }
}

const scratch = (t) => { const dir = mkdtempSync(join(tmpdir(), "lintel-docs-")); afterTest(t, () => rmSync(dir, { recursive: true, force: true })); return dir; };

let played = 0;
for (const page of PAGES) {
  for (const block of blocks(page, "sh").filter((b) => b.text.split("\n").some((line) => COMMAND.test(line)))) {
    played++;
    const skip = /build-fuzz/.test(LINTEL) && /ctl (--json )?heap/.test(block.text) && "sanitizers have malloc for themselves";
    test(`${page}, line ${block.line}: the commands do what they say`, { skip }, async (t) => {
      const dir = scratch(t);
      if (/lintel init\b/.test(block.text)) {
        const { postgres, name } = await storefront(t, { schema: "public" });
        await play(block, { dir, url: postgres.url(name), port: await freePort(), adminPort: await freePort() });
        return;
      }
      const { postgres, name } = await storefront(t);
      const api = await serve(t, { app: STOREFRONT, database: name });
      await play(block, { dir, url: postgres.url(name), port: api.port, adminPort: new URL(api.admin.base).port, ctl: join(api.dir, ".lintel/ctl.sock") });
    });
  }
}
test("the documents have commands to try", () => assert.ok(played >= 6, `only ${played} blocks were found`));

test("the demo's first steps work when pasted", async (t) => {
  const { postgres, name } = await storefront(t);
  const api = await serve(t, { app: STOREFRONT, database: name });
  const lines = readFileSync(join(STOREFRONT, "first-steps.txt"), "utf8").split("\n").map((line) => line.trim()).filter((line) => line.startsWith("curl"));
  assert.equal(lines.length, 3);
  const text = lines.map((line, i) => `${line.replaceAll("{address}", `127.0.0.1:${api.port}`)}${i === 2 ? "  # 422" : ""}`).join("\n");
  await play({ page: "first-steps.txt", line: 1, text }, { dir: scratch(t), url: postgres.url(name), port: api.port, adminPort: 0 });
});

// ---- declarations ------------------------------------------------------------------------------------------------------------

test("the YAML of the app folder's page passes `lintel check`", async (t) => {
  const { postgres, name } = await storefront(t);
  const [config, resource, ...more] = blocks("docs/app-folder.md", "yaml");
  assert.deepEqual(more, []);
  const dir = folder(t, STOREFRONT);
  writeFileSync(join(dir, "lintel.yaml"), config.text);
  writeFileSync(join(dir, "resources/products.yaml"), resource.text);
  const { code, stdout, stderr } = await lintel(["check", dir], { env: { DATABASE_URL: postgres.url(name), LINTEL_DATABASE_URL: "" } });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /0 errors, 0 warnings/);
});

// ---- the rest of what is promised --------------------------------------------------------------------------------------------

test("the error of docs/errors.md is what the server answers", async (t) => {
  const { name } = await storefront(t);
  const api = await serve(t, { app: STOREFRONT, database: name });
  const shown = JSON.parse(blocks("docs/errors.md", "json")[0].text);
  const { json, status } = await api.post("/v1/products", { price: "12", sku: "ABC-000001", category_id: 1 });
  assert.equal(status, 422);
  const sorted = (details) => [...details].sort((a, b) => (a.pointer < b.pointer ? -1 : 1));
  assert.deepEqual(sorted(json.details), sorted(shown.details));
  for (const key of ["error_code", "message"]) assert.equal(json[key], shown[key]);
  assert.deepEqual(Object.keys(json).sort(), Object.keys(shown).sort());
  assert.match(shown.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.match(json.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test("codes that the pages name exist, with the status they name", async () => {
  const catalogue = new Map([...(await lintel(["reference", "problems"])).stdout.matchAll(/^\| `([^`]+)` \| (\d+)/gm)].map((m) => [m[1], m[2]]));
  for (const match of readFileSync(join(TOP, "docs/errors.md"), "utf8").matchAll(/^\| .* \| (\d{3}) \| (.*) \|$/gm)) {
    const codes = [...match[2].matchAll(/`([a-z_.]+)`/g)].map((m) => m[1]);
    assert.ok(codes.length, match[0]);
    for (const code of codes) assert.equal(catalogue.get(code), match[1], `${code} in docs/errors.md`);
  }
  for (const page of PAGES) {
    for (const [, status, code] of readFileSync(join(TOP, page), "utf8").matchAll(/\b([45]\d\d) `([a-z]+(?:[._][a-z_]+)+)`/g)) assert.equal(catalogue.get(code), status, `${page}: ${status} \`${code}\``);
  }
});

test("settings that the pages name exist", async () => {
  const problems = (await lintel(["reference", "problems"])).stdout;
  const sections = new Map((await lintel(["reference", "knobs"])).stdout.split(/^## /m).map((part) => [/^`(\w+):`/.exec(part)?.[1] ?? "", new Set([...part.matchAll(/^\| `([^`]+)`/gm)].map((m) => m[1]))]));
  for (const page of PAGES) {
    for (const [, section, name] of readFileSync(join(TOP, page), "utf8").matchAll(/`(\w+)\.(\w+)(?:: \w+)?`/g)) {
      if (sections.has(section) && !problems.includes(`| \`${section}.${name}\` |`)) assert.ok(sections.get(section).has(name), `${page}: there is no setting ${section}.${name}`);
    }
  }
});
