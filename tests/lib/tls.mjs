// Certificates made on the spot, and clients that speak TLS in ways that node's https does not show.
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import net from "node:net";
import tls from "node:tls";
import { SLOWNESS } from "./scope.mjs";

const run = (words, options = {}) => new Promise((ok, bad) => execFile("openssl", words, { timeout: 30000 * SLOWNESS, ...options }, (error, stdout, stderr) => (error ? bad(new Error(`openssl ${words.join(" ")}\n${stderr}`)) : ok(stdout + stderr))));

/** A key and a certificate for the names, signed by itself or by `ca` (the prefix of its files), as DIR/NAME.pem and DIR/NAME.key. */
export async function certify(dir, name, { hosts = ["localhost"], days = 90, kind = "ec", ca, cn = hosts[0] } = {}) {
  const alg = kind === "rsa" ? ["-newkey", "rsa:2048"] : ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const names = [...hosts.map((host) => `DNS:${host}`), "IP:127.0.0.1"].join(",");
  const files = { certificate: join(dir, `${name}.pem`), key: join(dir, `${name}.key`) };
  if (ca) {
    const request = join(dir, `${name}.csr`);
    await run(["req", "-new", ...alg, "-nodes", "-subj", `/CN=${cn}`, "-keyout", files.key, "-out", request]);
    await run(["x509", "-req", "-in", request, "-CA", join(dir, `${ca}.pem`), "-CAkey", join(dir, `${ca}.key`), "-CAcreateserial", "-days", String(days), "-out", files.certificate]);
  } else {
    await run(["req", "-x509", ...alg, "-nodes", "-subj", `/CN=${cn}`, "-days", String(days), "-addext", `subjectAltName=${names}`, "-keyout", files.key, "-out", files.certificate]);
  }
  return { ...files, pem: readFileSync(files.certificate) };
}

/** The member `tls` of lintel.yaml and the option `tls` of serve(), with a fresh certificate under `dir`. */
export async function usualCertificate(dir, settings = {}) {
  const { certificate, key, pem } = await certify(dir, "server");
  return { config: { certificate, key, ...settings }, client: { ca: pem, servername: "localhost" } };
}

/** `openssl s_client WORDS…` against a port of ours; input is what it sends before it ends. Never throws for its exit code. */
export function sClient(port, words = [], input = "") {
  return new Promise((resolve) => {
    const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...words]);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => { text += part; });
    const timer = setTimeout(() => child.kill("SIGKILL"), 10000 * SLOWNESS);
    child.on("close", (code) => { clearTimeout(timer); resolve({ code, text }); });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** A TLS connection: { socket, raw, received }. Resolves after the handshake. */
export function connect(port, options = {}) {
  return new Promise((ok, bad) => {
    const raw = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    raw.on("error", bad);
    const socket = tls.connect({ socket: raw, servername: "localhost", rejectUnauthorized: false, allowHalfOpen: true, ...options });
    const wire = { socket, raw, received: Buffer.alloc(0), ended: false, error: null };
    socket.on("data", (part) => { wire.received = Buffer.concat([wire.received, part]); });
    socket.on("end", () => { wire.ended = true; });
    socket.on("close", () => { wire.ended = true; wire.closed = true; bad(new Error("closed before the handshake ended")); });
    socket.on("error", (error) => { wire.error = error; wire.ended = true; bad(error); });
    socket.on("secureConnect", () => ok(wire));
  });
}
