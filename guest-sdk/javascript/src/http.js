import host from "#host/http";
import { bytes, decode } from "./bytes.js";
import { asking } from "./failure.js";

class Response {
  /** @param {import("fusebox:action/http").Response} answer */
  constructor({ status, headers, body }) {
    this.status = status;
    this.ok = status >= 200 && status <= 299;
    this.headers = headers;
    this.bytes = body instanceof Uint8Array ? body : Uint8Array.from(body);
  }

  header(name) {
    const wanted = name.toLowerCase();
    return this.headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? null;
  }

  text() {
    return decode(this.bytes);
  }

  json() {
    return JSON.parse(this.text());
  }
}

const isRaw = (body) => typeof body === "string" || body instanceof ArrayBuffer || ArrayBuffer.isView(body);

/** @type {typeof import("./index.js").http} */
export const http = {
  send({ method = "GET", url, headers = [], body, timeoutMs = null }) {
    /** @type {[string, string][]} */
    const pairs = (Array.isArray(headers) ? headers : Object.entries(headers)).map(([name, value]) => [name, String(value)]);
    const empty = body === undefined || body === null;
    if (!empty && !isRaw(body) && !pairs.some(([name]) => name.toLowerCase() === "content-type")) {
      pairs.push(["content-type", "application/json"]);
    }
    const request = { method, url: String(url), headers: pairs, body: empty ? new Uint8Array() : bytes(body), timeoutMs };
    return new Response(asking("http", () => host.send(request)));
  },
};
