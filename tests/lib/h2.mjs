// HTTP/2 for the harness: node:http2 behind Client, and frames written by hand for what no client would send.
//
//   const api = await serve(t, { protocol: 2, … });             // api.get(…).expect(…) as ever
//   const frames = await Frames.open(api.port);                 // preface and SETTINGS are said
//   await frames.request(1, "/v1/things/7");
//   await frames.until((f) => f.ended(1));                      // frames.status(1), frames.body(1), frames.reset(1), frames.goaway
import http2 from "node:http2";
import { Wire } from "./http.mjs";

/** One request over the holder's session, which is made anew once it has ended. Resolves to { message, body }.
 * What was never sent, or was refused unprocessed, since the server's GOAWAY crossed it, goes out once more, as with any client. */
export async function exchange2(holder, url, options, body, timeoutMs) {
  for (let left = 3; ; left--) {
    const answer = attempt(holder, url, options, body, timeoutMs), used = holder.session;
    try { return await answer; } catch (error) {
      if (left === 0 || (error.code !== "ERR_HTTP2_GOAWAY_SESSION" && error.rstCode !== 7) || body?.[Symbol.asyncIterator]) throw error;
      used.close();
      if (holder.session === used) holder.session = null; // else another stream of it has opened the next already
      holder.sentAgain = (holder.sentAgain ?? 0) + 1;
    }
  }
}

function attempt(holder, url, { method, headers, signal, tls }, body, timeoutMs) {
  if (!holder.session || holder.session.closed || holder.session.destroyed) {
    holder.session = http2.connect(url.origin, tls);
    holder.session.on("error", () => {}); // its requests tell
    holder.session.on("goaway", () => holder.session.close());
  }
  const session = holder.session;
  return new Promise((resolve, reject) => {
    const all = { ":method": method, ":path": url.pathname + url.search };
    for (const [name, value] of Object.entries(headers)) all[name.toLowerCase() === "host" ? ":authority" : name.toLowerCase()] = value;
    if (typeof body === "string" || Buffer.isBuffer(body)) all["content-length"] ??= Buffer.byteLength(body);
    const stream = session.request(all, { endStream: body === undefined, signal });
    const what = `${method} ${url.pathname}`;
    const message = { statusCode: 0, headers: {}, rawHeaders: [], trailers: {}, complete: false };
    const parts = [];
    stream.on("response", (fields) => {
      message.statusCode = fields[":status"];
      for (const [name, value] of Object.entries(fields)) {
        if (name.startsWith(":")) continue;
        message.headers[name] = Array.isArray(value) && name !== "set-cookie" ? value.join(", ") : value;
        for (const one of [value].flat()) message.rawHeaders.push(name, one);
      }
    });
    stream.on("data", (part) => parts.push(part));
    stream.on("end", () => { message.complete = stream.rstCode === 0 && !stream.aborted; });
    stream.on("error", (error) => { stream.problem = error; });
    stream.on("close", () => {
      const whole = Buffer.concat(parts);
      if (message.statusCode && message.complete && stream.rstCode === 0) return resolve({ message, body: whole });
      if (message.statusCode) return reject(Object.assign(new Error(`${what}: cut off after ${whole.length} bytes (code ${stream.rstCode})`), { code: "CUT", status: message.statusCode, bytes: whole, rstCode: stream.rstCode }));
      reject(Object.assign(stream.problem ?? Object.assign(new Error(`${what}: reset with code ${stream.rstCode}`), { code: "RESET" }), { rstCode: stream.rstCode }));
    });
    stream.setTimeout(timeoutMs, () => stream.destroy(new Error(`${what}: no answer in ${timeoutMs} ms`)));
    if (body?.[Symbol.asyncIterator]) {
      (async () => { for await (const part of body) if (!stream.write(part)) await new Promise((go) => stream.once("drain", go)); stream.end(); })().catch((e) => stream.destroy(e));
    } else if (body !== undefined) stream.end(body);
  });
}

export const TYPES = { DATA: 0, HEADERS: 1, PRIORITY: 2, RST_STREAM: 3, SETTINGS: 4, PUSH_PROMISE: 5, PING: 6, GOAWAY: 7, WINDOW_UPDATE: 8, CONTINUATION: 9 };
export const CODES = { NO_ERROR: 0, PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2, FLOW_CONTROL_ERROR: 3, REFUSED_STREAM: 7, CANCEL: 8, ENHANCE_YOUR_CALM: 11 };
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const number = (value, bytes) => { const b = Buffer.alloc(bytes); b.writeUIntBE(value, 0, bytes); return b; };

function integer(value, prefix, first) {
  const most = (1 << prefix) - 1;
  if (value < most) return Buffer.from([first | value]);
  const bytes = [first | most];
  for (value -= most; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}
const text = (value) => { const b = Buffer.from(value, "latin1"); return Buffer.concat([integer(b.length, 7, 0), b]); };

/** Fields as literals that enter no table: [[name, value], …]. */
export const hpack = (fields) => Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(String(value))])));

/** The status that a header block of nghttp2's begins with. Digits are all of HPACK's Huffman code that this needs. */
function statusOf(block) {
  let at = 0;
  while ((block[at] & 0xe0) === 0x20) { // table size updates
    if ((block[at++] & 31) === 31) while (block[at++] & 128);
  }
  const fixed = { 0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500 }[block[at]];
  if (fixed) return fixed;
  if (block[at] & 128) return null; // from the dynamic table
  const length = block[at + 1] & 127, value = block.subarray(at + 2, at + 2 + length);
  if (!(block[at + 1] & 128)) return Number(value.toString("latin1"));
  const codes = { "00000": 0, "00001": 1, "00010": 2, "011001": 3, "011010": 4, "011011": 5, "011100": 6, "011101": 7, "011110": 8, "011111": 9 };
  let status = "", bits = "";
  for (const bit of [...value].map((b) => b.toString(2).padStart(8, "0")).join("")) {
    bits += bit;
    if (bits in codes) { status += codes[bits]; bits = ""; }
    if (status.length === 3) break;
  }
  return Number(status);
}

/** An HTTP/2 conversation frame by frame. */
export class Frames {
  /** settings: { 4: 0 } and the like, ours to the server; preface: false leaves all of it to the test. */
  static async open(port, { host = "127.0.0.1", settings = {}, preface = true } = {}) {
    const frames = new Frames();
    frames.wire = await Wire.open(port, host);
    if (preface) {
      const payload = Buffer.concat(Object.entries(settings).map(([id, value]) => Buffer.concat([number(Number(id), 2), number(value, 4)])));
      await frames.wire.send(Buffer.concat([Buffer.from(PREFACE), Frames.frame("SETTINGS", 0, 0, payload)]));
    }
    return frames;
  }
  static frame(type, flags, stream, payload = Buffer.alloc(0)) {
    const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(payload, "latin1");
    return Buffer.concat([number(bytes.length, 3), Buffer.from([typeof type === "string" ? TYPES[type] : type, flags]), number(stream, 4), bytes]);
  }
  send(type, flags, stream, payload) { return this.wire.send(Frames.frame(type, flags, stream, payload)); }
  /** Header fields of a request; a field given as null is left out. */
  static head(path, { method = "GET", headers = {}, pseudo = {} } = {}) {
    const first = { ":method": method, ":scheme": "http", ":path": path, ":authority": "localhost", ...pseudo };
    return hpack([...Object.entries(first), ...Object.entries(headers)].filter(([, value]) => value !== null));
  }
  request(stream, path, { end = true, ...options } = {}) { return this.send("HEADERS", end ? 5 : 4, stream, Frames.head(path, options)); }
  data(stream, bytes, end = false) { return this.send("DATA", end ? 1 : 0, stream, bytes); }
  rst(stream, code = CODES.CANCEL) { return this.send("RST_STREAM", 0, stream, number(code, 4)); }
  window(stream, size) { return this.send("WINDOW_UPDATE", 0, stream, number(size, 4)); }

  /** All frames received so far: { type, flags, stream, payload }. */
  get all() {
    const found = [], bytes = this.wire.received;
    for (let at = 0; at + 9 <= bytes.length;) {
      const size = bytes.readUIntBE(at, 3);
      if (at + 9 + size > bytes.length) break;
      found.push({ type: bytes[at + 3], flags: bytes[at + 4], stream: bytes.readUInt32BE(at + 5) & 0x7fffffff, payload: bytes.subarray(at + 9, at + 9 + size) });
      at += 9 + size;
    }
    return found;
  }
  of(type, stream) { return this.all.filter((f) => f.type === TYPES[type] && (stream === undefined || f.stream === stream)); }
  status(stream) { const frame = this.of("HEADERS", stream).at(-1); return frame && statusOf(frame.payload); }
  statuses(stream) { return this.of("HEADERS", stream).map((f) => statusOf(f.payload)); }
  body(stream) { return Buffer.concat(this.of("DATA", stream).map((f) => f.payload)); }
  ended(stream) { return this.all.some((f) => f.stream === stream && (f.type === TYPES.DATA || f.type === TYPES.HEADERS) && f.flags & 1); }
  /** The code that the stream was reset with, or null. */
  reset(stream) { const frame = this.of("RST_STREAM", stream)[0]; return frame ? frame.payload.readUInt32BE(0) : null; }
  /** The last GOAWAY: { last, code }, or null. */
  get goaway() { const frame = this.of("GOAWAY").at(-1); return frame ? { last: frame.payload.readUInt32BE(0) & 0x7fffffff, code: frame.payload.readUInt32BE(4) } : null; }

  async until(predicate, timeoutMs = 5000 * Number(process.env.LINTEL_TEST_SLOWNESS ?? 1)) { await this.wire.until(() => predicate(this), timeoutMs); return this; }
  async closed(timeoutMs = 8000 * Number(process.env.LINTEL_TEST_SLOWNESS ?? 1)) { await this.wire.rest(timeoutMs); return this; }
  close() { this.wire.close(); }
}
