// What authors import: everything here is described in index.d.ts.

export { HostError, Reject, Retry } from "./failure.js";
export { Outcome, outcome } from "./outcome.js";
export { log } from "./log.js";
export { kv } from "./kv.js";
export { emit } from "./emit.js";
export { http } from "./http.js";
export { budget } from "./budget.js";
export { random } from "./random.js";

export const action = (handler) => handler;
