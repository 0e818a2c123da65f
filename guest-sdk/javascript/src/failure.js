// Ways not to do the work. Thrown by actions, and by what the host refuses.

import { trace } from "./trace.js";

/** The result code of an error that an action did not mean to end with. */
const CODE_ERROR = 1;
/** The result code of a payload that is none, as in the other kits. */
export const CODE_INVALID = 2;
/** What the run's result code can be at most here: numbers cross the boundary as 32 bits with a sign. */
const CODE_MAX = 2 ** 31 - 1;

export class Reject extends Error {
  /** @param {string} message @param {{ code?: number; cause?: unknown }} options */
  constructor(message, { code = CODE_ERROR, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Reject";
    if (!Number.isInteger(code) || code < 1 || code > CODE_MAX) {
      throw new RangeError(`a result code is a whole number from 1 to ${CODE_MAX}, not ${code}`);
    }
    this.code = code;
  }
}

export class Retry extends Error {
  /** @param {string} message @param {{ afterMs?: number | null; cause?: unknown }} options */
  constructor(message, { afterMs = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "Retry";
    if (afterMs !== null && !(Number.isFinite(afterMs) && afterMs >= 0)) {
      throw new RangeError(`afterMs is a number of milliseconds, not ${afterMs}`);
    }
    this.afterMs = afterMs === null ? null : Math.min(Math.round(afterMs), Number.MAX_SAFE_INTEGER);
  }
}

export class HostError extends Error {
  constructor(source, kind, message) {
    super(message);
    this.name = "HostError";
    this.source = source;
    this.kind = kind;
  }
}

/** Those that another attempt may get past. */
const PASSING = new Set(["conflict", "timeout", "failed"]);

/** Calls the host, and throws what it refuses as a `HostError`. */
export function asking(source, call) {
  try {
    return call();
  } catch (error) {
    // Bindings throw the value of the contract, or an error around it.
    const refusal = typeof error?.tag === "string" ? error : error?.payload;
    if (typeof refusal?.tag !== "string") throw error;
    throw new HostError(source, refusal.tag, refusal.val ?? `the ${source} answered ${refusal.tag}`);
  }
}

/**
 * What was thrown, as the contract says it.
 *
 * @returns {import("fusebox:action/types").Failure}
 */
export function failure(error) {
  if (error instanceof Retry) {
    return { tag: "retry", val: { message: text(error.message), afterMs: error.afterMs } };
  }
  if (error instanceof Reject) {
    return { tag: "reject", val: { message: text(error.message), code: error.code } };
  }
  // What fetch throws has the host's reason within.
  if (error instanceof TypeError && error.cause instanceof HostError) return failure(error.cause);
  if (error instanceof HostError) {
    const message = text(error.message);
    if (PASSING.has(error.kind)) return { tag: "retry", val: { message, afterMs: null } };
    return { tag: "reject", val: { message, code: CODE_ERROR } };
  }
  return { tag: "reject", val: { message: text(told(error)), code: CODE_ERROR } };
}

/** An error that nobody meant: its name, what it says, and where it came from. */
function told(error) {
  if (!(error instanceof Error)) return `the action threw ${shown(error)}`;
  return [`${error.name}: ${error.message}`, ...trace(error.stack)].join("\n");
}

function shown(value) {
  try {
    return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  } catch {
    return String(value);
  }
}

/** Half a surrogate pair is no text to the other side, and would end the attempt. */
export function text(value) {
  return String(value).toWellFormed();
}
