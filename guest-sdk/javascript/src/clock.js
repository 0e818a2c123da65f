// Time and randomness of an attempt. Both come from its context, so that an attempt can be repeated exactly.

import { attempt } from "#host/attempt";

const WORD = 2 ** 32;
/** Drawn and thrown away after seeding: the first numbers still look like the seed. */
const WARM_UP = 12;

/** Spreads every bit of a word over all of it (the finalizer of MurmurHash3). */
function mixed(word) {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

/** Random words of 32 bits: sfc32, by Chris Doty-Humphrey (PractRand). */
function generator(seed) {
  const words = seed.flatMap((half) => [Number(half) % WORD, Math.floor(Number(half) / WORD)]);
  // Halves come as numbers, and so without their lowest bits: what is left is spread over all words.
  let spread = 0;
  for (let round = 0; round < 2; round++) {
    for (let index = 0; index < words.length; index++) {
      spread = mixed((spread ^ words[index]) + 0x9e3779b9 + index);
      words[index] = spread;
    }
  }
  let [a, b, c, counter] = words;
  const next = () => {
    const drawn = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + drawn) >>> 0;
    return drawn;
  };
  for (let drawn = 0; drawn < WARM_UP; drawn++) next();
  return next;
}

/** The time and the randomness of one attempt. */
export class Clock {
  constructor(now, seed) {
    this.started = now;
    /** How long the attempt has waited in timers, by which its clock goes on. */
    this.waited = 0;
    this.seed = seed;
  }

  /** The next random word. Most attempts draw none. */
  word() {
    this.word = generator(this.seed);
    return this.word();
  }

  get now() {
    return this.started + this.waited;
  }
}

function clock() {
  const running = attempt();
  if (running) return running.clock;
  throw new Error(
    "there is no time and no randomness here: what stands outside of the action's function runs once, when the component is built",
  );
}

/** Milliseconds since 1970, standing still but for timers. */
export const now = () => clock().now;

/** How long the attempt has waited in timers, in milliseconds. */
export const elapsed = () => clock().waited;

/** From 0 up to but not including 1, in steps of 2⁻⁵³. */
export function fraction() {
  const attempts = clock();
  return ((attempts.word() >>> 5) * 2 ** 26 + (attempts.word() >>> 6)) / 2 ** 53;
}

export function randomBytes(count) {
  const attempts = clock();
  return Uint8Array.from({ length: count }, () => attempts.word() >>> 24);
}
