// `console`, into the run's log.

import { log } from "./log.js";
import { trace } from "./trace.js";

/** How deep and how long what is printed may be, as a person reads it. */
const SHOWN_MAX = 10_000;

function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return [`${value.name}: ${value.message}`, ...trace(value.stack)].join("\n");
  try {
    return (typeof value === "object" && JSON.stringify(value)?.slice(0, SHOWN_MAX)) || String(value);
  } catch {
    return String(value);
  }
}

const print = (level) => (...values) => log[level](values.map(shown).join(" "));

export const console = {
  trace: print("trace"),
  debug: print("debug"),
  log: print("info"),
  info: print("info"),
  warn: print("warn"),
  error: print("error"),
};
