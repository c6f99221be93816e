// Failures by name in a running server (started with LINTEL_INJECT, be it empty): armed and counted over its ctl socket, which they spare.
import net from "node:net";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { SLOWNESS, eventually } from "./scope.mjs";

/** One question over the unix socket. It is hung up on where it was itself the one that accept() refused. */
export async function ctl(api, ...argv) {
  for (let tries = 0; ; tries++) {
    const answer = await new Promise((ok, bad) => {
      let text = "";
      const socket = net.connect(join(api.dir, ".lintel/ctl.sock"), () => socket.write(`${JSON.stringify({ argv })}\n`));
      socket.setEncoding("utf8").on("data", (part) => { text += part; }).on("error", () => {}).on("close", () => ok(text));
      socket.setTimeout(10000 * SLOWNESS, () => { socket.destroy(); bad(new Error(`ctl ${argv} was not answered`)); });
    });
    if (answer) {
      const said = JSON.parse(answer);
      if (!said.data) throw new Error(said.message);
      return said.data;
    }
    await new Promise((ok) => setTimeout(ok, tries * 10)); // the door rests after it found no descriptor
    if (tries === 20) throw new Error(`ctl ${argv.join(" ")}: hung up`);
  }
}
export const arm = (api, list) => ctl(api, "inject", list);
/** Disarms; what was passed and hit meanwhile. */
export async function disarm(api, point) {
  const { points, here } = await ctl(api, "inject", "");
  for (const { name, hit } of points) if (hit) hits.set(name, (hits.get(name) ?? 0) + hit);
  return { ...points.find(({ name }) => name === point), here };
}
/** How often each point was hit, over all of this file. */
export const hits = new Map();

/** What is held, from inside and from outside; what a pool may keep is taken off. */
export async function held(api) {
  const { here } = await ctl(api, "inject");
  const value = await api.metrics();
  const kept = value("lintel_pools_lanes") + value("lintel_pools_writers") + value("lintel_pools_sessions");
  return {
    fibers: here.fibers, chunks: here.chunks_lent, inFlight: value("lintel_pools_in_flight"), waiting: value("lintel_pools_waiting"), requests: value("lintel_http_requests_in_flight"),
    descriptors: readdirSync(`/proc/${api.pid}/fd`).length - kept - value("lintel_http_connections_open"), kept,
  };
}
export async function atRest(api, before, title) {
  let now;
  await eventually(async () => {
    now = await held(api);
    return now.fibers === before.fibers && now.chunks === before.chunks && now.inFlight === 0 && now.waiting === 0 && now.requests === before.requests && now.descriptors === before.descriptors && now.kept >= 1 && now.kept <= 8;
  }, { withinMs: 4000 }).catch(() => { throw new Error(`${title}: not back at the start\nbefore ${JSON.stringify(before)}\nnow    ${JSON.stringify(now)}`); });
}
