// fetch, Headers and Response, over the host's HTTP. A call is over when it is made; redirects are answers.

import { bytes, decode } from "../bytes.js";
import { HostError } from "../failure.js";
import { http } from "../http.js";
import { URLSearchParams } from "./params.js";

export class Headers {
  #pairs = [];

  constructor(init = []) {
    const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [name, value] of pairs) this.append(name, value);
  }

  append(name, value) {
    this.#pairs.push([String(name).toLowerCase(), String(value).trim()]);
  }

  delete(name) {
    const key = String(name).toLowerCase();
    this.#pairs = this.#pairs.filter(([each]) => each !== key);
  }

  set(name, value) {
    this.delete(name);
    this.append(name, value);
  }

  get(name) {
    const key = String(name).toLowerCase();
    const values = this.#pairs.filter(([each]) => each === key).map(([, value]) => value);
    return values.length ? values.join(", ") : null;
  }

  has(name) {
    return this.get(name) !== null;
  }

  getSetCookie() {
    return this.#pairs.filter(([name]) => name === "set-cookie").map(([, value]) => value);
  }

  *entries() {
    for (const name of [...new Set(this.#pairs.map(([name]) => name))].sort()) yield [name, this.get(name)];
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  forEach(call, self) {
    for (const [name, value] of this.entries()) call.call(self, value, name, this);
  }

  [Symbol.iterator]() {
    return this.entries();
  }
}

/** What stands for a body, with the type that goes without saying. */
function body(value) {
  if (value === undefined || value === null) return [new Uint8Array(), null];
  if (value instanceof URLSearchParams) return [bytes(String(value)), "application/x-www-form-urlencoded;charset=UTF-8"];
  if (typeof value === "string") return [bytes(value), "text/plain;charset=UTF-8"];
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return [bytes(value), null];
  throw new TypeError("a body is a text or bytes; send an object as JSON.stringify(object)");
}

export class Response {
  #bytes;
  #used = false;

  constructor(content, { status = 200, headers = [], url = "" } = {}) {
    const [bytes, type] = body(content);
    this.#bytes = bytes;
    this.status = status;
    this.ok = status >= 200 && status <= 299;
    this.statusText = "";
    this.redirected = false;
    this.type = "basic";
    this.url = url;
    this.headers = new Headers(headers);
    if (type && !this.headers.has("content-type")) this.headers.set("content-type", type);
  }

  get bodyUsed() {
    return this.#used;
  }

  #take() {
    if (this.#used) throw new TypeError("the body was read already");
    this.#used = true;
    return this.#bytes;
  }

  async bytes() {
    return this.#take();
  }

  async arrayBuffer() {
    const taken = this.#take();
    return taken.buffer.slice(taken.byteOffset, taken.byteOffset + taken.byteLength);
  }

  async text() {
    return decode(this.#take());
  }

  async json() {
    return JSON.parse(await this.text());
  }
}

export async function fetch(input, { method = "GET", headers, body: content } = {}) {
  const sent = new Headers(headers);
  const [given, type] = body(content);
  if (type && !sent.has("content-type")) sent.set("content-type", type);
  const url = String(input);
  const known = method.toUpperCase();
  try {
    const request = { method: known === "PATCH" ? method : known, url, headers: [...sent], body: given };
    const { status, headers: answered, bytes: received } = http.send(request);
    return new Response(received, { status, headers: answered, url });
  } catch (error) {
    // As fetch has it, with the host's reason within: whoever does not catch it still fails for that reason.
    if (error instanceof HostError) throw Object.assign(new TypeError(`fetch failed: ${error.message}`), { cause: error });
    throw error;
  }
}
