// Light load from several clients at once, with a record of every request: what was asked, what came, how long it took.
import { Client } from "./http.mjs";
import { afterTest, sleep } from "./scope.mjs";

export class Load {
  /**
   * Ends with the test t. ask(client, number): one request, as a promise of its Reply; clients: how many at once; pauseMs: each one's rest between two.
   * fresh: a connection of its own for each request, else keep-alive; share: how many clients are on one connection (over HTTP/2).
   */
  constructor(t, api, ask, { clients = 8, pauseMs = 2, fresh = false, share = 1 } = {}) {
    this.records = [];
    this.connections = [];
    const open = () => {
      const client = new Client(api.base, { tls: api.tls, protocol: api.protocol });
      this.connections.push(client.h2);
      return client;
    };
    const shared = share > 1 ? Array.from({ length: Math.ceil(clients / share) }, open) : [];
    this.running = true;
    afterTest(t, () => this.stop());
    let number = 0;
    this.done = Promise.all(Array.from({ length: clients }, async (_, index) => {
      let client = shared[Math.floor(index / share)] ?? open();
      while (this.running) {
        const record = { number: number++, at: Date.now() };
        try {
          record.reply = await ask(client, record.number);
          record.status = record.reply.status;
          record.code = record.status >= 400 ? record.reply.json?.error_code : undefined;
        } catch (error) {
          record.error = error;
        }
        record.tookMs = Date.now() - record.at;
        record.endedAt = Date.now();
        this.records.push(record);
        if (fresh || (record.error && share === 1)) { client.close(); client = open(); }
        if (pauseMs) await sleep(pauseMs);
      }
      if (share === 1) client.close();
    })).then(() => shared.forEach((client) => client.close()));
  }
  /** Over HTTP/2: how many requests went out once more, since the server had said that it did not serve them. */
  get sentAgain() { return this.connections.reduce((sum, h2) => sum + (h2.sentAgain ?? 0), 0); }
  async stop() {
    this.running = false;
    await this.done;
    return this.records;
  }
  /** How many of each outcome: { "200": 812, "503 database.unavailable": 12, "ECONNRESET": 1 }. */
  get outcomes() {
    const counts = {};
    for (const record of this.records) {
      const name = record.error ? record.error.code ?? record.error.message : record.code ? `${record.status} ${record.code}` : String(record.status);
      counts[name] = (counts[name] ?? 0) + 1;
    }
    return counts;
  }
  get slowestMs() { return Math.max(0, ...this.records.map((record) => record.tookMs)); }
  /** Waits until n more requests ended well. */
  async well(n, withinMs = 5000) {
    const from = this.records.length, deadline = Date.now() + withinMs;
    while (this.records.slice(from).filter((record) => record.status < 300).length < n) {
      if (Date.now() > deadline) throw new Error(`not ${n} good answers within ${withinMs} ms: ${JSON.stringify(this.outcomes)}`);
      await sleep(5);
    }
  }
}
