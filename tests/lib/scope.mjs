// What surrounds a test: its time limit, what it must undo, what to print when it fails, and patience.
import nodeTest, { after } from "node:test";

/** More than 1 where the binary is slowed down by sanitizers: multiply time limits by it, and leave speed alone. */
export const SLOWNESS = Number(process.env.LINTEL_TEST_SLOWNESS ?? 1);

// What a failed test left hanging (a socket, a timer) must not keep the file from ending.
after(() => { setTimeout(() => process.exit(), 1000).unref(); });

// What a test must undo, the last first; and what to print when it fails.
const scopes = new WeakMap();
const scopeOf = (t) => scopes.get(t) ?? { undo: { push: (action) => t?.after(action) }, reports: [] };

/** node:test's test() with a time limit, so that a hang is a failure and not a silence; with the server's log in the failure. */
export function test(title, options, body) {
  if (typeof options === "function") [options, body] = [{}, options];
  const { timeoutMs = 60000, ...rest } = options;
  return nodeTest(title, rest, async (t) => {
    const scope = { undo: [], reports: [] };
    scopes.set(t, scope);
    const errors = [];
    let timer;
    const late = new Promise((_, bad) => { timer = setTimeout(() => bad(new Error(`took longer than ${timeoutMs * SLOWNESS} ms`)), timeoutMs * SLOWNESS); });
    try { await Promise.race([body(t), late]); } catch (error) {
      errors.push(error);
      for (const report of scope.reports) error.message += `\n${report()}`;
    }
    clearTimeout(timer);
    for (const action of scope.undo.reverse()) try { await action(); } catch (error) { errors.push(error); }
    if (errors.length > 1) errors[0].message += errors.slice(1).map((e) => `\nand then: ${e.message}`).join("");
    if (errors.length) throw errors[0];
  });
}
/** What to print when the test fails. */
export const reportOnFailure = (t, report) => scopeOf(t).reports.push(report);
/** Done when the test ends, the last registered first. */
export const afterTest = (t, action) => scopeOf(t).undo.push(action);
export const sleep = (ms) => new Promise((go) => setTimeout(go, ms));

/** Asks until the answer is true; for what becomes so by itself. Throws with the last error or answer after the time. */
export async function eventually(question, { withinMs = 5000, everyMs = 20 } = {}) {
  const deadline = Date.now() + withinMs * SLOWNESS;
  for (;;) {
    let answer, error;
    try { answer = await question(); if (answer) return answer; } catch (e) { error = e; }
    if (Date.now() > deadline) throw error ?? new Error(`not so within ${withinMs * SLOWNESS} ms: ${question} gave ${answer}`);
    await sleep(everyMs);
  }
}
