// What is wrong or missing in the engine of a component, put right before anything of the author's runs.

import { elapsed, fraction, now } from "./clock.js";
import { attemptsDate } from "./date.js";
import { queueMicrotask } from "./loop.js";
import { Promise } from "./promise.js";

/** The engine's own would give a promise of its own, which nobody drives. */
async function fromAsync(items, map, self) {
  const all = [];
  for await (const item of items) all.push(map ? await map.call(self, item, all.length) : item);
  return all;
}

function define(where, name, value) {
  Object.defineProperty(where, name, { value, writable: true, configurable: true, enumerable: false });
}

define(globalThis, "Promise", Promise);
define(Promise, "name", "Promise");
define(globalThis, "queueMicrotask", queueMicrotask);
define(globalThis, "Date", attemptsDate(Date, now));
define(globalThis, "performance", { now: elapsed });
define(Math, "random", fraction);
define(Array, "fromAsync", fromAsync);
delete globalThis.AsyncDisposableStack;
