// A client that reads a few hundred bytes a second, until it is told to hurry.
//
//   const slow = await Slow.get(api, "/v1/big?limit=20000");
//   …                                    // its socket is full meanwhile; slow.size says how little it has read
//   const { status, body, complete } = await slow.rest();
import net from "node:net";
import tls from "node:tls";

export class Slow {
  /** headers: of the request. every: milliseconds between reads; bytes: of each. */
  static async get(api, path, { headers = {}, every = 250, bytes = 100, version = "1.1" } = {}) {
    const slow = new Slow(), url = new URL(api.base);
    const to = { port: Number(url.port), host: url.hostname };
    slow.socket = api.tls ? tls.connect({ ...to, servername: "localhost", rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] }) : net.connect(to);
    slow.socket.on("error", (error) => { slow.error = error; });
    await new Promise((ok, bad) => { slow.socket.once(api.tls ? "secureConnect" : "connect", ok); slow.socket.once("close", () => bad(slow.error ?? new Error("closed before it was open"))); });
    const lines = Object.entries({ Host: "localhost", Connection: "close", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    slow.socket.write(`GET ${path} HTTP/${version}\r\n${lines.join("")}\r\n`);
    slow.timer = setInterval(() => { const part = slow.socket.read(bytes); if (part) slow.#take(part); }, every);
    return slow;
  }
  parts = [];
  size = 0; // bytes read so far
  #take(part) { this.parts.push(part); this.size += part.length; }

  /** Reads on as fast as it can, to the connection's end. complete: by the answer's own framing. */
  async rest() {
    clearInterval(this.timer);
    if (!this.socket.destroyed) {
      const closed = new Promise((ok) => this.socket.once("close", ok));
      this.socket.on("data", (part) => this.#take(part));
      this.socket.resume();
      await closed;
    }
    const all = Buffer.concat(this.parts), end = all.indexOf("\r\n\r\n");
    if (end < 0) return { status: 0, head: "", body: Buffer.alloc(0), complete: false };
    const head = all.toString("latin1", 0, end), status = Number(head.split(" ")[1]);
    if (!/^transfer-encoding: chunked$/im.test(head)) {
      const length = /^content-length: (\d+)$/im.exec(head), body = all.subarray(end + 4);
      return { status, head, body, complete: length ? body.length === Number(length[1]) : !this.error };
    }
    const parts = [];
    for (let at = end + 4; ;) {
      const line = all.indexOf("\r\n", at), size = line < 0 ? NaN : parseInt(all.toString("latin1", at, line), 16);
      if (!(line + 2 + size + 2 <= all.length)) return { status, head, body: Buffer.concat([...parts, ...(line < 0 ? [] : [all.subarray(line + 2)])]), complete: false };
      if (size === 0) return { status, head, body: Buffer.concat(parts), complete: true };
      parts.push(all.subarray(line + 2, line + 2 + size));
      at = line + 2 + size + 2;
    }
  }
  close() { clearInterval(this.timer); this.socket.destroy(); }
}
