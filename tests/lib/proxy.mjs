// A wire between the server and its PostgreSQL that a test can cut, delay or hold, at a byte of its choosing.
import net from "node:net";
import { join } from "node:path";
import { afterTest } from "./scope.mjs";

/** Listens on a port of its own and passes on to the unix socket of `postgres`. */
export async function proxyOf(t, postgres) {
  const proxy = { connections: new Set(), accepted: 0, cutAfter: null, held: false, refusing: false, delayMs: 0 }; // delayMs: what each direction takes longer
  const server = net.createServer((near) => {
    proxy.accepted++;
    if (proxy.refusing) return near.destroy();
    const far = net.connect(join(postgres.sockets, ".s.PGSQL.5432"));
    const pair = { near, far, up: 0, down: 0 };
    proxy.connections.add(pair);
    const end = () => { near.destroy(); far.destroy(); proxy.connections.delete(pair); };
    for (const [from, to, count] of [[near, far, "up"], [far, near, "down"]]) {
      from.on("data", (part) => {
        const { cutAfter } = proxy;
        if (cutAfter && cutAfter.direction === count && cutAfter.bytes < part.length && (cutAfter.match?.(part) ?? true)) {
          proxy.cutAfter = null; // once
          to.write(part.subarray(0, cutAfter.bytes), () => { cutAfter.done?.(); (cutAfter.reset ? near.resetAndDestroy() : end()); far.destroy(); proxy.connections.delete(pair); });
          return;
        }
        if (cutAfter && cutAfter.direction === count) cutAfter.bytes -= cutAfter.match && !cutAfter.match(part) ? 0 : part.length;
        pair[count] += part.length;
        if (proxy.delayMs) return void setTimeout(() => { if (!to.destroyed) to.write(part); }, proxy.delayMs); // timers of one length keep order
        if (!to.write(part)) { from.pause(); to.once("drain", () => { if (!proxy.held) from.resume(); }); }
      });
      from.on("error", end);
      from.on("close", end);
    }
    if (proxy.held) { near.pause(); far.pause(); }
  });
  await new Promise((ok) => server.listen(0, "127.0.0.1", ok));
  proxy.port = server.address().port;
  proxy.url = (database, role = "app") => `postgresql://${role}@127.0.0.1:${proxy.port}/${database}?sslmode=disable&gssencmode=disable`;
  /** Cuts every connection there is. */
  proxy.cut = ({ reset = false } = {}) => {
    for (const { near, far } of proxy.connections) { reset ? near.resetAndDestroy() : near.destroy(); far.destroy(); }
    proxy.connections.clear();
  };
  /** Nothing passes until release(): a network that swallows. */
  proxy.hold = () => { proxy.held = true; for (const { near, far } of proxy.connections) { near.pause(); far.pause(); } };
  proxy.release = () => { proxy.held = false; for (const { near, far } of proxy.connections) { near.resume(); far.resume(); } };
  proxy.close = () => { proxy.cut(); server.close(); };
  afterTest(t, proxy.close);
  return proxy;
}
