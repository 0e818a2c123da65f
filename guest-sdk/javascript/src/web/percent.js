import { decode, encode } from "../bytes.js";

/** Text with its percent signs read; what is no UTF-8 afterwards becomes U+FFFD. */
export function percentDecoded(text) {
  const bytes = encode(text);
  const out = [];
  for (let index = 0; index < bytes.length; index++) {
    const hex = bytes[index] === 0x25 ? String.fromCharCode(bytes[index + 1], bytes[index + 2]) : "";
    if (/^[0-9a-fA-F]{2}$/.test(hex)) {
      out.push(parseInt(hex, 16));
      index += 2;
    } else out.push(bytes[index]);
  }
  return decode(Uint8Array.from(out));
}

/** Text with everything percent-encoded that is no ASCII, a control, or one of these. */
export function percentEncoded(text, unsafe) {
  let out = "";
  for (const byte of encode(text)) {
    const character = String.fromCharCode(byte);
    const safe = byte > 0x20 && byte < 0x7f && !unsafe.includes(character);
    out += safe ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}
