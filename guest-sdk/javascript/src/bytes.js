// Text and bytes. The engine of a component has no TextEncoder of its own.

/** The bytes of a body or a value: text and bytes as they are, everything else as JSON. */
export function bytes(value) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === undefined) throw new TypeError(`a ${typeof value} is no value that can be written`);
  return encode(text);
}

/** UTF-8 of a text; half a surrogate pair becomes U+FFFD. */
export function encode(text) {
  const out = new Uint8Array(text.length * 3);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    let point = text.codePointAt(index);
    if (point > 0xffff) index++;
    else if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd;
    if (point < 0x80) {
      out[length++] = point;
      continue;
    }
    const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    out[length++] = [0, 0xc0, 0xe0, 0xf0][more] | (point >> (6 * more));
    for (let left = more - 1; left >= 0; left--) out[length++] = 0x80 | ((point >> (6 * left)) & 0x3f);
  }
  return out.slice(0, length);
}

/** How many code units `String.fromCharCode` takes at once: its arguments lie on the stack. */
const UNITS_AT_ONCE = 2048;

/** The text of UTF-8; whatever is none becomes U+FFFD, as the WHATWG's decoder has it, or is an error if `fatal`. */
export function decode(bytes, fatal = false) {
  let text = "";
  let units = [];
  const flush = () => {
    text += String.fromCharCode.apply(null, units);
    units = [];
  };
  const put = (point) => {
    if (point > 0xffff) units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + (point & 0x3ff));
    else units.push(point);
    if (units.length >= UNITS_AT_ONCE) flush();
  };
  const refuse = () => {
    if (fatal) throw new TypeError("these bytes are no UTF-8");
    put(0xfffd);
  };
  for (let index = 0; index < bytes.length; ) {
    const first = bytes[index++];
    if (first < 0x80) {
      put(first);
      continue;
    }
    const more = first >= 0xc2 && first <= 0xdf ? 1 : first >= 0xe0 && first <= 0xef ? 2 : first >= 0xf0 && first <= 0xf4 ? 3 : 0;
    if (more === 0) {
      refuse();
      continue;
    }
    // The second byte is narrower where the text would be longer than needed, a surrogate, or past U+10FFFF.
    let lower = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    let upper = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    let point = first & (0x3f >> more);
    let seen = 0;
    while (seen < more && index < bytes.length && bytes[index] >= lower && bytes[index] <= upper) {
      point = (point << 6) | (bytes[index++] & 0x3f);
      seen++;
      lower = 0x80;
      upper = 0xbf;
    }
    if (seen === more) put(point);
    else refuse();
  }
  flush();
  return text;
}
