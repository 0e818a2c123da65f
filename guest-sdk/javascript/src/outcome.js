// What an action that did its work hands back.

import { text } from "./failure.js";

export class Outcome {
  /** @param {unknown} output @param {{ warnings?: string[]; event?: unknown }} more */
  constructor(output, { warnings = [], event } = {}) {
    this.output = output;
    this.warnings = warnings;
    this.event = event;
  }
}

export function outcome(output, more) {
  return new Outcome(output, more);
}

/**
 * What an action returned, as the contract says it.
 *
 * @returns {import("fusebox:action/types").Outcome}
 */
export function success(returned) {
  const { output, warnings, event } = returned instanceof Outcome ? returned : new Outcome(returned);
  return { output: json("output", output), warnings: Array.from(warnings, text), event: json("event", event) };
}

/** A JSON text, or null where there is no value. */
function json(what, value) {
  if (value === undefined) return null;
  const written = JSON.stringify(value);
  if (written === undefined) throw new TypeError(`the ${what} is a ${typeof value}, which JSON cannot say`);
  return written;
}
