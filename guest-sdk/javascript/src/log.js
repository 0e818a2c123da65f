import host from "#host/log";
import { text } from "./failure.js";

/**
 * A log line is no place to fail: what JSON cannot say is said as text.
 *
 * @param {[string, unknown]} pair
 * @returns {[string, string]}
 */
function field([name, value]) {
  let json;
  try {
    json = JSON.stringify(value);
  } catch {
    // A value that contains itself, or a BigInt.
  }
  return [text(name), json ?? JSON.stringify(String(value))];
}

/** @param {import("fusebox:action/log").Level} level @returns {(message: string, fields?: object) => void} */
const at = (level) => (message, fields = {}) => host.write(level, text(message), Object.entries(fields).map(field));

/** @type {typeof import("./index.js").log} */
export const log = {
  trace: at("trace"),
  debug: at("debug"),
  info: at("info"),
  warn: at("warn"),
  error: at("error"),
};
