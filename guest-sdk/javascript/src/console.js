// `console`, into the run's log. `console.info("charged", { amount: 5 })` is a message with fields to search by.

import { log } from "./log.js";
import { trace } from "./trace.js";

/** How long what is printed may be, of a value that is no text: it is for a person to read. */
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

function isPlain(value) {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const print = (level) => (...values) => {
  const [message, fields] = values;
  if (values.length === 2 && typeof message === "string" && isPlain(fields)) log[level](message, fields);
  else log[level](values.map(shown).join(" "));
};

export const console = {
  trace: print("trace"),
  debug: print("debug"),
  log: print("info"),
  info: print("info"),
  warn: print("warn"),
  error: print("error"),
};
