import host from "#host/kv";
import { bytes, decode } from "./bytes.js";
import { asking } from "./failure.js";

/** The host's own bound on a list. */
const KEYS_MAX = 1000;

class Entry {
  /** @param {import("fusebox:action/kv").Entry} entry */
  constructor({ value, version }) {
    this.bytes = value instanceof Uint8Array ? value : Uint8Array.from(value);
    this.version = version;
  }

  text() {
    return decode(this.bytes);
  }

  json() {
    return JSON.parse(this.text());
  }
}

/** @param {number | "anything" | "nothing"} expect @returns {import("fusebox:action/kv").Expect} */
function expecting(expect = "anything") {
  return typeof expect === "number" ? { tag: "version", val: expect } : { tag: expect };
}

/** @type {typeof import("./index.js").kv} */
export const kv = {
  get(key, { scope = "action" } = {}) {
    const entry = asking("kv", () => host.get(scope, key));
    return entry ? new Entry(entry) : null;
  },

  set(key, value, { scope = "action", expect, ttlMs = null } = {}) {
    asking("kv", () => host.set(scope, key, bytes(value), expecting(expect), ttlMs));
  },

  delete(key, { scope = "action", expect } = {}) {
    asking("kv", () => host.delete(scope, key, expecting(expect)));
  },

  list(prefix = "", { scope = "action", after = null, limit = KEYS_MAX } = {}) {
    return asking("kv", () => host.list(scope, prefix, after, limit));
  },
};
