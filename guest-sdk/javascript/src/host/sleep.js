import clock from "wasi:clocks/monotonic-clock";

const NS_PER_MS = 1e6;

/** Lets the time pass. What the attempt may take of it is the host's to say. */
export function sleep(ms) {
  const until = clock.subscribeDuration(Math.round(ms * NS_PER_MS));
  until.block();
  until[Symbol.dispose]();
}
