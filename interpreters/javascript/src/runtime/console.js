// `console`: lines of the run's log. `console.info("charged", { amount: 5 })` is a message with fields.
(function (host, define) {
  const DEPTH_MAX = 4;
  const ITEMS_MAX = 100;

  function quoted(value) {
    return JSON.stringify(value);
  }

  function className(value) {
    try {
      const name = Object.getPrototypeOf(value)?.constructor?.name;
      return typeof name === "string" && name !== "Object" && name !== "Array" ? name + " " : "";
    } catch {
      return "";
    }
  }

  function list(open, items, close, total) {
    if (total > items.length) items.push(`… ${total - items.length} more`);
    return items.length === 0 ? open + close : `${open} ${items.join(", ")} ${close}`;
  }

  function entries(value, seen, depth) {
    const keys = Object.keys(value);
    const shown = keys.slice(0, ITEMS_MAX).map((key) => {
      const property = Object.getOwnPropertyDescriptor(value, key);
      const name = /^[A-Za-z_$][\w$]*$/.test(key) ? key : quoted(key);
      return `${name}: ${property && "value" in property ? inner(property.value, seen, depth) : "[Getter]"}`;
    });
    return [shown, keys.length];
  }

  function inner(value, seen, depth) {
    if (typeof value === "string") return quoted(value);
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "symbol") return value.toString();
    if (typeof value === "function") return `[Function ${value.name || "(anonymous)"}]`;
    if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
    if (seen.includes(value)) return "[Circular]";
    if (value instanceof Error) return host.describe(value);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
    if (value instanceof RegExp) return String(value);
    if (depth > DEPTH_MAX) return Array.isArray(value) ? "[Array]" : "[Object]";
    const within = [...seen, value];
    const item = (each) => inner(each, within, depth + 1);
    if (Array.isArray(value)) {
      return list("[", Array.from(value.slice(0, ITEMS_MAX), item), "]", value.length);
    }
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      return list(className(value) + "[", Array.from(value.subarray(0, ITEMS_MAX), item), "]", value.length);
    }
    if (value instanceof Map) {
      const shown = Array.from(value).slice(0, ITEMS_MAX);
      const pairs = shown.map(([key, each]) => `${item(key)} => ${item(each)}`);
      return list("Map {", pairs, "}", value.size);
    }
    if (value instanceof Set) {
      return list("Set {", Array.from(value).slice(0, ITEMS_MAX).map(item), "}", value.size);
    }
    const [shown, total] = entries(value, within, depth + 1);
    return list(className(value) + "{", shown, "}", total);
  }

  /** A value as a person reads it; strings as they are. Never throws, also not for what is made to. */
  function inspect(value) {
    if (typeof value === "string") return value;
    try {
      return inner(value, [], 0);
    } catch {
      return "[a value that cannot be shown]";
    }
  }

  function isPlain(value) {
    if (typeof value !== "object" || value === null) return false;
    const prototype = Object.getPrototypeOf(value);
    return prototype === Object.prototype || prototype === null;
  }

  /** A value as JSON, whatever it is: a field of the log is one. */
  function json(value) {
    const above = [];
    const replace = function (key, each) {
      if (typeof each === "bigint") return String(each);
      if (typeof each === "function" || typeof each === "symbol") return inspect(each);
      if (typeof each !== "object" || each === null) return each;
      if (each instanceof Error) return host.describe(each);
      while (above.length > 0 && above[above.length - 1] !== this) above.pop();
      if (above.includes(each)) return "[Circular]";
      above.push(each);
      return each;
    };
    try {
      return JSON.stringify(value, replace) ?? "null";
    } catch {
      return quoted(inspect(value));
    }
  }

  /** `%s` and the like are not formats here: what is given is shown. */
  function write(level, values) {
    const [message, fields] = values;
    if (values.length === 2 && typeof message === "string" && isPlain(fields)) return logFields(level, message, fields);
    host.log(level, values.map(inspect).join(" "), []);
  }

  function logFields(level, message, fields) {
    host.log(level, message, Object.entries(fields).flatMap(([name, value]) => [name, json(value)]));
  }

  const counts = new Map();
  const timers = new Map();
  const since = (label) => `${label}: ${(host.now() - (timers.get(label) ?? host.now())).toFixed(0)} ms`;
  define("console", {
    trace: (...values) => write("trace", values),
    debug: (...values) => write("debug", values),
    log: (...values) => write("info", values),
    info: (...values) => write("info", values),
    dir: (value) => write("info", [value]),
    table: (value) => write("info", [value]),
    warn: (...values) => write("warn", values),
    error: (...values) => write("error", values),
    assert(condition, ...values) {
      if (!condition) write("error", ["Assertion failed", ...values]);
    },
    count(label = "default") {
      counts.set(label, (counts.get(label) ?? 0) + 1);
      write("info", [`${label}: ${counts.get(label)}`]);
    },
    countReset: (label = "default") => void counts.delete(label),
    time: (label = "default") => void timers.set(label, host.now()),
    timeLog: (label = "default", ...values) => write("info", [since(label), ...values]),
    timeEnd(label = "default") {
      write("info", [since(label)]);
      timers.delete(label);
    },
    group: (...values) => values.length > 0 && write("info", values),
    groupCollapsed: (...values) => values.length > 0 && write("info", values),
    groupEnd() {},
  });
  host.inspect = inspect;
  host.logFields = logFields;
});
