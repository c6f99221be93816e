// testssl.sh, the auditor that others trust, finds nothing above LOW in how we speak TLS. What it says of the certificate itself is left out:
// ours is made for the test, and no authority stands behind it.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, folder, serve, test } from "../lib/lintel.mjs";
import { certify } from "../lib/tls.mjs";

const OF_THE_CERTIFICATE = /^(cert_|cert$|DNS_CAA|OCSP|TLS_extensions)/;
const WORST = /^(MEDIUM|HIGH|CRITICAL|FATAL)$/;

for (const kind of ["ec", "rsa"]) {
  test(`testssl.sh finds nothing above low (${kind})`, { timeoutMs: 400000 }, async (t) => {
    const dir = folder(t);
    const { certificate, key } = await certify(dir, "server", { kind });
    const api = await serve(t, { tls: { rejectUnauthorized: false }, config: { tls: { certificate, key, hsts: "365d" } } });
    const report = join(dir, "report.json");
    await new Promise((ok) => execFile("testssl", ["--quiet", "--color", "0", "--warnings", "off", "--openssl-timeout", "5", "--jsonfile", report, `127.0.0.1:${api.port}`], { timeout: 380000, maxBuffer: 1 << 26 }, ok));
    const findings = JSON.parse(readFileSync(report, "utf8"));
    assert.ok(findings.some((f) => f.id === "TLS1_3" && f.severity === "OK") && findings.length > 80, `${findings.length} findings: it did not run to its end`);
    assert.deepEqual(findings.filter((f) => WORST.test(f.severity) && !OF_THE_CERTIFICATE.test(f.id)).map((f) => `${f.severity} ${f.id}: ${f.finding}`), []);
    await api.get("/livez").expect(200);
  });
}
