// Text and bytes: TextEncoder, TextDecoder, atob, btoa, structuredClone, crypto.
(function (host, define) {
  /** The bytes of what may stand for bytes, without a copy; `undefined` of anything else. */
  function bytesOf(value) {
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return undefined;
  }

  class TextEncoder {
    get encoding() {
      return "utf-8";
    }
    encode(text = "") {
      return new Uint8Array(host.utf8Encode(String(text)));
    }
    encodeInto(text, target) {
      let [read, written] = [0, 0];
      for (const character of String(text)) {
        const bytes = this.encode(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }

  const UTF_8 = ["utf-8", "utf8", "unicode-1-1-utf-8"];

  class TextDecoder {
    #fatal;
    #ignoreBom;
    #kept = new Uint8Array(0);
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      if (!UTF_8.includes(String(label).trim().toLowerCase())) {
        throw new RangeError(`the encoding \`${label}\` is not known here; utf-8 is`);
      }
      this.#fatal = Boolean(fatal);
      this.#ignoreBom = Boolean(ignoreBOM);
    }
    get encoding() {
      return "utf-8";
    }
    get fatal() {
      return this.#fatal;
    }
    get ignoreBOM() {
      return this.#ignoreBom;
    }
    decode(input = new Uint8Array(0), { stream = false } = {}) {
      const given = bytesOf(input);
      if (given === undefined) throw new TypeError("bytes are expected: an ArrayBuffer or a view of one");
      let bytes = given;
      if (this.#kept.length > 0) {
        bytes = new Uint8Array(this.#kept.length + given.length);
        bytes.set(this.#kept);
        bytes.set(given, this.#kept.length);
      }
      const end = stream ? wholeEnd(bytes) : bytes.length;
      this.#kept = bytes.slice(end);
      const text = host.utf8Decode(bytes.subarray(0, end), this.#fatal);
      if (text === undefined) throw new TypeError("these bytes are not UTF-8");
      return !this.#ignoreBom && text.startsWith("\ufeff") ? text.slice(1) : text;
    }
  }

  /** Where the last character that is whole ends. */
  function wholeEnd(bytes) {
    for (let back = 1; back <= 3 && back <= bytes.length; back++) {
      const byte = bytes[bytes.length - back];
      if (byte < 0x80) return bytes.length;
      if (byte >= 0xc0) {
        const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
        return needed > back ? bytes.length - back : bytes.length;
      }
    }
    return bytes.length;
  }

  function dataCloneError(value) {
    return new DOMException(`${typeof value === "object" ? "this object" : host.inspect(value)} cannot be cloned`, "DataCloneError");
  }

  function clone(value, seen) {
    if (typeof value === "function" || typeof value === "symbol") throw dataCloneError(value);
    if (typeof value !== "object" || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    const keep = (copy) => (seen.set(value, copy), copy);
    if (value instanceof Date) return keep(new Date(value.getTime()));
    if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
    if (value instanceof ArrayBuffer) return keep(value.slice(0));
    if (value instanceof DataView) {
      return keep(new DataView(clone(value.buffer, seen), value.byteOffset, value.byteLength));
    }
    if (ArrayBuffer.isView(value)) {
      return keep(new value.constructor(clone(value.buffer, seen), value.byteOffset, value.length));
    }
    if (value instanceof Map) {
      const copy = keep(new Map());
      for (const [key, each] of value) copy.set(clone(key, seen), clone(each, seen));
      return copy;
    }
    if (value instanceof Set) {
      const copy = keep(new Set());
      for (const each of value) copy.add(clone(each, seen));
      return copy;
    }
    if (value instanceof Error) {
      const copy = keep(Object.create(Object.getPrototypeOf(value)));
      for (const name of ["name", "message", "stack", "cause"]) {
        if (Object.hasOwn(value, name)) {
          const each = clone(value[name], seen);
          Object.defineProperty(copy, name, { value: each, configurable: true, writable: true });
        }
      }
      return copy;
    }
    if (value instanceof Number || value instanceof String || value instanceof Boolean) {
      return keep(Object(value.valueOf()));
    }
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) throw dataCloneError(value);
    const copy = keep(Array.isArray(value) ? new Array(value.length) : {});
    for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
    return copy;
  }

  const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  function btoa(text) {
    const characters = String(text);
    let encoded = "";
    for (let at = 0; at < characters.length; at += 3) {
      const codes = [0, 1, 2].map((step) => characters.charCodeAt(at + step));
      if (codes.some((code) => code > 255)) {
        throw new DOMException("a character is not a byte; encode the text first", "InvalidCharacterError");
      }
      const [a, b, c] = codes.map((code) => code || 0);
      encoded += BASE64[a >> 2] + BASE64[((a & 3) << 4) | (b >> 4)];
      encoded += at + 1 < characters.length ? BASE64[((b & 15) << 2) | (c >> 6)] : "=";
      encoded += at + 2 < characters.length ? BASE64[c & 63] : "=";
    }
    return encoded;
  }

  function atob(text) {
    let characters = String(text).replace(/[\t\n\f\r ]/g, "");
    if (characters.length % 4 === 0) characters = characters.replace(/==?$/, "");
    if (characters.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(characters)) {
      throw new DOMException("this is not base64", "InvalidCharacterError");
    }
    let [decoded, bits, held] = ["", 0, 0];
    for (const character of characters) {
      held = ((held << 6) | BASE64.indexOf(character)) & 0xffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        decoded += String.fromCharCode((held >> bits) & 255);
      }
    }
    return decoded;
  }

  const crypto = {
    randomUUID() {
      const bytes = new Uint8Array(host.randomBytes(16));
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
    },
    getRandomValues(view) {
      const bytes = ArrayBuffer.isView(view) ? bytesOf(view) : undefined;
      if (bytes === undefined || view instanceof Float32Array || view instanceof Float64Array) {
        throw new TypeError("an array of integers is expected");
      }
      if (bytes.length > 65536) {
        throw new DOMException(`${bytes.length} bytes are more than 65536`, "QuotaExceededError");
      }
      bytes.set(new Uint8Array(host.randomBytes(bytes.length)));
      return view;
    },
  };

  define("TextEncoder", TextEncoder);
  define("TextDecoder", TextDecoder);
  define("structuredClone", (value) => clone(value, new Map()));
  define("atob", atob);
  define("btoa", btoa);
  define("crypto", crypto);
  Math.random = host.random;
  host.bytesOf = bytesOf;
});
