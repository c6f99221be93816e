// The client half of the harness: requests that read as a conversation, and bare sockets for bytes no client would send.
//
//   await api.get("/v1/things/7").expect(200, { ETag: /^"/, name: "lamp", "price.amount": "12.50" });
//   await api.post("/v1/things", { name: "" }).expect(422, { error_code: "validation.failed", "details.0.pointer": "/name" });
//   const reply = await api.get("/v1/things?limit=2");       // without expect: any status; reply.status, .headers, .json, .text
//
// In what expect() is given, a key that begins with a capital is a header, any other is a path into the JSON body. A value may be a
// regular expression, a predicate, null (absent), or anything else: equal, objects by the members named.
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { exchange2 } from "./h2.mjs";
import { isDeepStrictEqual, inspect } from "node:util";

export class Reply {
  constructor(message, body) {
    this.status = message.statusCode;
    this.headers = message.headers; // lower case, repeated ones joined
    this.rawHeaders = message.rawHeaders;
    this.trailers = message.trailers;
    this.bytes = body;
    this.complete = message.complete; // false: cut off before its end
  }
  get text() { return this.bytes.toString("utf8"); }
  get json() { return this.#json ??= this.text ? JSON.parse(this.text) : undefined; }
  #json;
  header(name) { return this.headers[name.toLowerCase()]; }
}

/** A request under way: awaiting it gives the Reply; .expect() adds what must hold. */
export class Request {
  #send; #wishes = [];
  constructor(send, title) { this.#send = send; this.title = title; }

  expect(status, matches = {}) {
    const wish = { status, matches, at: new Error() };
    Error.captureStackTrace(wish.at, this.expect);
    this.#wishes.push(wish);
    return this;
  }
  /** The whole body, exactly: parsed JSON where a value is given, the text where a string is. */
  expectBody(exact) {
    const wish = { exact, at: new Error() };
    Error.captureStackTrace(wish.at, this.expectBody);
    this.#wishes.push(wish);
    return this;
  }
  async #run() {
    const reply = await this.#send();
    for (const wish of this.#wishes) check(this.title, reply, wish);
    return reply;
  }
  #running;
  then(ok, bad) { return (this.#running ??= this.#run()).then(ok, bad); }
  catch(bad) { return this.then(undefined, bad); }
  finally(done) { return this.then((r) => { done(); return r; }, (e) => { done(); throw e; }); }
}

function check(title, reply, { status, matches, exact, at }) {
  const wrong = [];
  if (status !== undefined && ![status].flat().includes(reply.status)) wrong.push(`status ${reply.status}, expected ${status}`);
  if (exact !== undefined) {
    const got = typeof exact === "string" ? reply.text : reply.json;
    if (!isDeepStrictEqual(got, exact)) wrong.push(`body ${brief(got)}\n  expected ${brief(exact)}`);
  }
  for (const [key, want] of Object.entries(matches ?? {})) {
    let got;
    if (/^[A-Z]/.test(key)) got = reply.header(key);
    else {
      try { got = dig(reply.json, key); } catch (error) { wrong.push(`the body is not JSON: ${error.message}`); break; }
    }
    if (!holds(got, want)) wrong.push(`${key} is ${brief(got)}, expected ${brief(want)}`);
  }
  if (wrong.length === 0) return;
  const error = new Error(`${title}\n  ${wrong.join("\n  ")}\n  --- answered ${reply.status} ${brief(reply.headers)}\n  ${reply.text.slice(0, 2000)}`);
  error.stack = `${error.message}\n${at.stack.split("\n").slice(1).join("\n")}`;
  throw error;
}

const brief = (value) => (value instanceof Function ? value.toString() : inspect(value, { depth: 6, breakLength: 120 }));

/** data.0.id: a member named whole wins over a path, so that "a.b" can be asked for too. */
export function dig(value, path) {
  if (value && typeof value === "object" && path in value) return value[path];
  return path.split(".").reduce((at, step) => (at === null || at === undefined ? undefined : at[step]), value);
}

export function holds(got, want) {
  if (want === undefined) return got === undefined;
  if (want === null) return got === null || got === undefined;
  if (want instanceof RegExp) return got !== undefined && got !== null && want.test(String(got));
  if (want instanceof Function) return Boolean(want(got));
  if (Array.isArray(want)) return Array.isArray(got) && got.length === want.length && want.every((w, i) => holds(got[i], w));
  if (typeof want === "object") return got !== null && typeof got === "object" && Object.entries(want).every(([k, w]) => holds(got[k], w));
  return isDeepStrictEqual(got, want) || (typeof got === "string" && typeof want === "number" && got === String(want));
}

/** Requests against one base URL. with(headers) gives a client that sends them each time; as(token) one that is somebody.
 * protocol 2: over one HTTP/2 connection, by prior knowledge where the URL is http:. */
export class Client {
  constructor(base, { tls, agent = new (tls ? https : http).Agent({ keepAlive: true, maxSockets: 256, ...tls }), headers = {}, protocol = 1 } = {}) {
    this.base = base;
    this.tls = tls; // how an https server is trusted: node's { ca, … }
    this.agent = agent;
    this.fixed = headers;
    this.protocol = protocol;
    this.h2 = { session: null }; // shared by the clones
  }
  clone(headers) {
    const copy = Object.assign(Object.create(Object.getPrototypeOf(this)), this);
    copy.fixed = { ...this.fixed, ...headers };
    return copy;
  }
  with(headers) { return this.clone(headers); }
  as(token) { return this.clone({ Authorization: `Bearer ${token}` }); }

  get(path, headers) { return this.request("GET", path, { headers }); }
  head(path, headers) { return this.request("HEAD", path, { headers }); }
  options(path, headers) { return this.request("OPTIONS", path, { headers }); }
  delete(path, headers) { return this.request("DELETE", path, { headers }); }
  post(path, body, headers) { return this.request("POST", path, { body, headers }); }
  put(path, body, headers) { return this.request("PUT", path, { body, headers }); }
  patch(path, body, headers) { return this.request("PATCH", path, { body, headers }); }

  /** body: an object is sent as JSON, text and bytes as they are, an async iterable chunked. signal aborts. */
  request(method, path, { headers = {}, body, timeoutMs = 30000, signal } = {}) {
    const plain = body === undefined || typeof body === "string" || Buffer.isBuffer(body) || body?.[Symbol.asyncIterator];
    const bytes = plain ? body : JSON.stringify(body);
    const all = { ...(body !== undefined ? { "Content-Type": "application/json" } : {}), ...this.fixed, ...headers };
    for (const name of Object.keys(all)) if (all[name] === null || all[name] === undefined) delete all[name];
    const url = new URL(path, this.base);
    return new Request(() => (this.protocol === 2
      ? exchange2(this.h2, url, { method, headers: all, signal, tls: this.tls }, bytes, timeoutMs).then(({ message, body: got }) => new Reply(message, got))
      : exchange(url, { method, headers: all, agent: this.agent, signal }, bytes, timeoutMs)), `${method} ${path}`);
  }
  /** All pages of a list, following page.next. */
  async *pages(path, { pagesMax = 10000 } = {}) {
    for (let left = pagesMax, next = null; left > 0; left--) {
      const separator = path.includes("?") ? "&" : "?";
      const reply = await this.get(next ? `${path}${separator}after=${encodeURIComponent(next)}` : path).expect(200);
      yield reply.json;
      next = reply.json.page?.next;
      if (!next) return;
    }
    throw new Error(`${path}: more than ${pagesMax} pages`);
  }
  close() { this.agent.destroy(); this.h2.session?.destroy(); }
}

function exchange(url, options, body, timeoutMs) {
  return new Promise((resolve, reject) => {
    if (typeof body === "string" || Buffer.isBuffer(body)) options.headers["Content-Length"] ??= Buffer.byteLength(body);
    const request = (url.protocol === "https:" ? https : http).request(url, options, (message) => {
      const parts = [];
      message.on("data", (part) => parts.push(part));
      message.on("error", reject);
      message.on("end", () => resolve(new Reply(message, Buffer.concat(parts))));
      message.on("close", () => { if (!message.complete) reject(Object.assign(new Error(`${options.method} ${url.pathname}: cut off after ${Buffer.concat(parts).length} bytes`), { code: "CUT", status: message.statusCode, bytes: Buffer.concat(parts) })); });
    });
    request.setTimeout(timeoutMs, () => request.destroy(new Error(`${options.method} ${url.pathname}: no answer in ${timeoutMs} ms`)));
    request.on("error", reject);
    if (body?.[Symbol.asyncIterator]) {
      (async () => { for await (const part of body) if (!request.write(part)) await new Promise((go) => request.once("drain", go)); request.end(); })().catch((e) => request.destroy(e));
    } else request.end(body);
  });
}

/** A bare TCP conversation. */
export class Wire {
  static async open(port, host = "127.0.0.1", options = {}) {
    const wire = new Wire();
    wire.socket = net.connect({ port, host, allowHalfOpen: true, ...options });
    wire.socket.setNoDelay(true);
    await new Promise((ok, bad) => { wire.socket.once("connect", ok); wire.socket.once("error", bad); });
    wire.socket.on("data", (part) => { wire.received = Buffer.concat([wire.received, part]); wire.#wake(); });
    wire.socket.on("end", () => { wire.ended = true; wire.#wake(); });
    wire.socket.on("error", (error) => { wire.error = error; wire.ended = true; wire.#wake(); });
    wire.socket.on("close", () => { wire.ended = true; wire.closed = true; wire.#wake(); });
    return wire;
  }
  received = Buffer.alloc(0); // everything so far
  ended = false; // the other side said it will send no more, or the connection broke
  closed = false;
  error = null;
  #waiting = [];
  #wake() { for (const go of this.#waiting.splice(0)) go(); }

  get text() { return this.received.toString("latin1"); }
  async send(bytes) {
    await new Promise((ok) => this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes, () => ok()));
    return this;
  }
  /** Sends a piece at a time. */
  async drip(pieces, everyMs = 1) {
    for (const piece of pieces) { await this.send(piece); await new Promise((go) => setTimeout(go, everyMs)); }
    return this;
  }
  /** Waits until the predicate holds over what was received, or the other side is done; throws after the time. */
  async until(predicate, timeoutMs = 5000) {
    const deadline = Date.now() + timeoutMs;
    while (!predicate(this)) {
      if (this.ended) throw new Error(`the connection ended early, with ${inspect(this.text.slice(0, 1000))}`);
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`nothing more in ${timeoutMs} ms, after ${inspect(this.text.slice(0, 1000))}`);
      let timer;
      await new Promise((go) => { this.#waiting.push(go); timer = setTimeout(go, left); });
      clearTimeout(timer);
    }
    return this;
  }
  /** The next n responses, as [{ status, headers, body }]. */
  async responses(n = 1, timeoutMs = 5000, method = "GET") {
    await this.until((w) => parseResponses(w.received, method).length >= n, timeoutMs);
    return parseResponses(this.received, method).slice(0, n);
  }
  /** Waits for the other side's end and returns everything it said. */
  async rest(timeoutMs = 5000) {
    const deadline = Date.now() + timeoutMs;
    while (!this.ended) {
      if (Date.now() >= deadline) throw new Error(`not closed in ${timeoutMs} ms, after ${inspect(this.text.slice(0, 1000))}`);
      let timer;
      await new Promise((go) => { this.#waiting.push(go); timer = setTimeout(go, deadline - Date.now()); });
      clearTimeout(timer);
    }
    return this.text;
  }
  halfClose() { this.socket.end(); return this; }
  reset() { this.socket.resetAndDestroy(); return this; }
  close() { this.socket.destroy(); return this; }
}

/** Whole responses at the front of the bytes; an unfinished one is left out. */
export function parseResponses(bytes, method = "GET") {
  const found = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf("\r\n\r\n", at);
    if (end < 0) return found;
    const [line, ...rows] = bytes.toString("latin1", at, end).split("\r\n");
    const status = Number(line.split(" ")[1]);
    const headers = {};
    for (const row of rows) {
      const colon = row.indexOf(":");
      const name = row.slice(0, colon).toLowerCase();
      const value = row.slice(colon + 1).trim();
      headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    }
    let body, next = end + 4;
    if (status < 200 || status === 204 || status === 304 || method === "HEAD") body = Buffer.alloc(0);
    else if (/chunked/i.test(headers["transfer-encoding"] ?? "")) {
      const chunks = [];
      for (;;) {
        const eol = bytes.indexOf("\r\n", next);
        if (eol < 0) return found;
        const size = parseInt(bytes.toString("latin1", next, eol), 16);
        if (bytes.length < eol + 2 + size + 2) return found;
        if (size === 0) {
          const trailersEnd = bytes.indexOf("\r\n\r\n", eol);
          if (trailersEnd < 0) return found;
          next = trailersEnd + 4;
          break;
        }
        chunks.push(bytes.subarray(eol + 2, eol + 2 + size));
        next = eol + 2 + size + 2;
      }
      body = Buffer.concat(chunks);
    } else if ("content-length" in headers) {
      const size = Number(headers["content-length"]);
      if (bytes.length < next + size) return found;
      body = bytes.subarray(next, next + size);
      next += size;
    } else {
      body = bytes.subarray(next); // until the end of the connection
      next = bytes.length;
    }
    found.push({ status, headers, text: body.toString("utf8"), body, get json() { return JSON.parse(this.text); } });
    at = next;
  }
}
