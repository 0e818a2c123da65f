// URLSearchParams (WHATWG URL).

import { encode } from "../bytes.js";
import { percentDecoded } from "./percent.js";

const PLAIN = /[A-Za-z0-9*\-._]/;

function encoded(text) {
  let out = "";
  for (const byte of encode(String(text))) {
    const character = String.fromCharCode(byte);
    if (byte === 0x20) out += "+";
    else out += PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

const decoded = (text) => percentDecoded(text.replaceAll("+", " "));

export class URLSearchParams {
  #pairs = [];
  #changed;

  /** `changed` is for the URL whose parameters these are. */
  constructor(init = "", changed = () => {}) {
    this.#changed = changed;
    if (typeof init === "object" && init !== null) {
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      this.#pairs = Array.from(pairs, ([name, value]) => [String(name), String(value)]);
    } else {
      const text = String(init).replace(/^\?/, "");
      for (const part of text.split("&").filter(Boolean)) {
        const [name, ...value] = part.split("=");
        this.#pairs.push([decoded(name), decoded(value.join("="))]);
      }
    }
  }

  get size() {
    return this.#pairs.length;
  }

  append(name, value) {
    this.#pairs.push([String(name), String(value)]);
    this.#changed();
  }

  delete(name, value) {
    this.#pairs = this.#pairs.filter(([key, each]) => key !== String(name) || (value !== undefined && each !== String(value)));
    this.#changed();
  }

  get(name) {
    return this.#pairs.find(([key]) => key === String(name))?.[1] ?? null;
  }

  getAll(name) {
    return this.#pairs.filter(([key]) => key === String(name)).map(([, value]) => value);
  }

  has(name, value) {
    return this.#pairs.some(([key, each]) => key === String(name) && (value === undefined || each === String(value)));
  }

  set(name, value) {
    const first = this.#pairs.find(([key]) => key === String(name));
    if (!first) return this.append(name, value);
    this.#pairs = this.#pairs.filter((pair) => pair === first || pair[0] !== first[0]);
    first[1] = String(value);
    this.#changed();
  }

  sort() {
    this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed();
  }

  forEach(call, self) {
    for (const [name, value] of this.#pairs) call.call(self, value, name, this);
  }

  *entries() {
    for (const [name, value] of this.#pairs) yield [name, value];
  }

  *keys() {
    for (const [name] of this.#pairs) yield name;
  }

  *values() {
    for (const [, value] of this.#pairs) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  toString() {
    return this.#pairs.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join("&");
  }
}
