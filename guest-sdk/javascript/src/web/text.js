// TextEncoder and TextDecoder (WHATWG Encoding) for UTF-8, the one encoding there is here.

import { bytes, decode, encode } from "../bytes.js";

const LABELS = ["utf-8", "utf8", "unicode-1-1-utf-8"];

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }

  encode(text = "") {
    return encode(String(text));
  }
}

export class TextDecoder {
  #fatal;
  #ignoreBom;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!LABELS.includes(String(label).trim().toLowerCase())) throw new RangeError(`the encoding ${label} is not known here; utf-8 is`);
    this.#fatal = fatal;
    this.#ignoreBom = ignoreBOM;
  }

  get encoding() {
    return "utf-8";
  }

  decode(given = new Uint8Array(), { stream = false } = {}) {
    if (stream) throw new TypeError("what comes in pieces has to be put together before it is decoded");
    const text = decode(bytes(given), this.#fatal);
    return !this.#ignoreBom && text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}
