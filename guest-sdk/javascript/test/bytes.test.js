// Text and bytes are what Node's encoder and decoder make of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, decode, encode } from "../src/bytes.js";

const TEXTS = ["", "plain", "grün", "日本語", "🎈🎈", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", "a\ud83c", "\udf88b", "x".repeat(10_000)];

test("texts become the bytes that they become elsewhere, and come back", () => {
  for (const text of TEXTS) {
    const expected = new TextEncoder().encode(text);
    assert.deepEqual(encode(text), expected);
    assert.equal(decode(expected), new TextDecoder("utf-8", { ignoreBOM: true }).decode(expected));
  }
});

test("every two bytes before a letter are read as elsewhere, broken ones too", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let pair = 0; pair < 0x10000; pair++) {
    const given = Uint8Array.of(pair >> 8, pair & 0xff, 0x41);
    assert.equal(decode(given), decoder.decode(given), `${pair.toString(16)}`);
  }
});

test("broken sequences of three and four bytes are read as elsewhere", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const firsts = [0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5];
  const others = [0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
  for (const first of firsts)
    for (const second of others)
      for (const third of others)
        for (const fourth of others) {
          const given = Uint8Array.of(first, second, third, fourth, 0x42);
          assert.equal(decode(given), decoder.decode(given), given.join());
        }
});

test("bytes stay what they are and everything else becomes JSON", () => {
  assert.deepEqual(bytes(Uint8Array.of(1, 2)), Uint8Array.of(1, 2));
  assert.deepEqual(bytes(new DataView(Uint8Array.of(1, 2, 3).buffer, 1)), Uint8Array.of(2, 3));
  assert.deepEqual(bytes({ a: 1 }), encode('{"a":1}'));
  assert.throws(() => bytes(undefined), TypeError);
  assert.throws(() => decode(Uint8Array.of(0xff), true), TypeError);
});
