// One attempt: from what the host sends to what it takes back.

import { begin } from "#host/attempt";
import { Clock } from "./clock.js";
import { context, parsed } from "./context.js";
import { success } from "./outcome.js";

/** The function of the author's module: its default export, or one that is called `run`. */
export function handler(module) {
  const found = module.default ?? module.run;
  if (typeof found === "function") return found;
  throw new TypeError("an action's file exports its function: `export default (payload, ctx) => …`");
}

/** Begins the attempt and calls the action; what comes out may be a promise. */
export function call(action, sent) {
  begin({ clock: new Clock(Number(sent.now), sent.seed) });
  return action(parsed("payload", sent.payload), context(sent));
}

export { success };
