// What `import … from "fusebox"` gives, what an action is called with, and what becomes of what it returns or throws.
(function (host, define) {
  const MESSAGE_CHARACTERS_MAX = 8000;
  const CAUSES_MAX = 5;

  /** Not now, but maybe later. */
  class Retry extends Error {
    constructor(message, { afterMs, cause } = {}) {
      super(message, { cause });
      this.afterMs = afterMs;
    }
    get name() {
      return "Retry";
    }
  }

  /** Not now and not later. */
  class Reject extends Error {
    constructor(message, { code = 1, cause } = {}) {
      super(message, { cause });
      this.code = code;
    }
    get name() {
      return "Reject";
    }
  }

  /** An output with warnings, or with the payload of the event that is chained on. */
  class Outcome {
    constructor(output, { warnings = [], event } = {}) {
      this.output = output;
      this.warnings = warnings;
      this.event = event;
    }
  }

  /** What the host refused, and which of its interfaces did. */
  class HostError extends Error {
    constructor(source, kind, message) {
      super(message);
      this.source = source;
      this.kind = kind;
    }
    get name() {
      return "HostError";
    }
  }

  /** Those that another attempt may get past. */
  const PASSING = ["conflict", "timeout", "failed"];

  function checked(source, answer) {
    if (typeof answer === "object" && answer !== null && answer.error !== undefined) {
      throw new HostError(source, answer.error, answer.message);
    }
    return answer;
  }

  /** Text and bytes as they are, everything else as JSON. */
  function bytes(value) {
    const given = host.bytesOf(value);
    if (given !== undefined) return given;
    const text = typeof value === "string" ? value : JSON.stringify(value);
    if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON`);
    return new Uint8Array(host.utf8Encode(text));
  }

  const textOf = (given) => host.utf8Decode(given, false);

  class Entry {
    constructor({ value, version }) {
      this.bytes = new Uint8Array(value);
      this.version = version;
    }
    text() {
      return textOf(this.bytes);
    }
    json() {
      return JSON.parse(this.text());
    }
  }

  const kv = {
    get(key, { scope = "action" } = {}) {
      const entry = host.kvGet(scope, String(key));
      return entry ? new Entry(entry) : null;
    },
    set(key, value, { scope = "action", expect = "anything", ttlMs } = {}) {
      checked("kv", host.kvSet(scope, String(key), bytes(value), String(expect), ttlMs ?? undefined));
    },
    delete(key, { scope = "action", expect = "anything" } = {}) {
      checked("kv", host.kvDelete(scope, String(key), String(expect)));
    },
    list(prefix = "", { scope = "action", after, limit = 1000 } = {}) {
      return host.kvList(scope, String(prefix), after ?? undefined, limit);
    },
  };

  function emit(eventType, payload, object) {
    const text = JSON.stringify(payload ?? null);
    checked("emit", host.emit(String(eventType), text, object?.objectType, object?.objectId));
  }

  class HttpResponse {
    constructor({ status, headers, body }) {
      this.status = status;
      this.ok = status >= 200 && status <= 299;
      this.headers = [];
      for (let at = 0; at < headers.length; at += 2) this.headers.push([headers[at], headers[at + 1]]);
      this.bytes = new Uint8Array(body);
    }
    header(name) {
      const wanted = String(name).toLowerCase();
      return this.headers.find(([each]) => each.toLowerCase() === wanted)?.[1] ?? null;
    }
    text() {
      return textOf(this.bytes);
    }
    json() {
      return JSON.parse(this.text());
    }
  }

  const http = {
    send({ method = "GET", url, headers = [], body, timeoutMs }) {
      const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
      const flat = pairs.flatMap(([name, value]) => [String(name), String(value)]);
      const isEmpty = body === undefined || body === null;
      const isRaw = isEmpty || typeof body === "string" || host.bytesOf(body) !== undefined;
      const isTyped = pairs.some(([name]) => String(name).toLowerCase() === "content-type");
      if (!isRaw && !isTyped) flat.push("content-type", "application/json");
      const sent = isEmpty ? undefined : bytes(body);
      return new HttpResponse(checked("http", host.httpSend(String(method), String(url), flat, sent, timeoutMs ?? undefined)));
    },
  };

  const budget = { left: () => host.budgetLeft(), cancelled: () => host.cancelled() };

  const random = {
    fraction: host.random,
    below: (bound) => Math.floor(host.random() * bound),
    bytes: (count) => new Uint8Array(host.randomBytes(count)),
    uuid: () => crypto.randomUUID(),
  };

  const line = (level) => (message, fields = {}) => host.logFields(level, String(message), fields);
  const log = Object.fromEntries(["trace", "debug", "info", "warn", "error"].map((level) => [level, line(level)]));

  function once(make) {
    let value;
    return () => (make && ([value, make] = [make(), undefined]), value);
  }

  /** Made as it is asked for: most actions read little of it. */
  function context() {
    const told = (name) => once(() => host.context(name));
    const json = (name) => once(() => JSON.parse(host.context(name)) ?? {});
    const place = (name) => once(() => host.context(name) ?? null);
    const parts = {
      params: json("params"),
      input: json("input"),
      object: place("object"),
      scope: place("scope"),
      chain: once(() => {
        const { parentOutcome, ...rest } = host.context("chain");
        return { ...rest, parentOutcome: parentOutcome === null ? null : JSON.parse(parentOutcome) };
      }),
    };
    for (const name of ["runId", "attempt", "eventId", "trigger", "eventTime", "tenant", "budget", "now"]) {
      parts[name] = told(name);
    }
    const ctx = {};
    for (const [name, get] of Object.entries(parts)) Object.defineProperty(ctx, name, { get, enumerable: true });
    return ctx;
  }

  function isErrorLike(value) {
    return typeof value === "object" && value !== null && typeof value.message === "string";
  }

  /** The author's own lines of a stack. */
  function stackOf(error) {
    const stack = typeof error.stack === "string" ? error.stack : "";
    const own = stack.split("\n").filter((line) => line.includes("action.js"));
    return own.map((line) => line.trim());
  }

  function head(error) {
    const name = typeof error.name === "string" && error.name !== "" ? error.name : "Error";
    return error instanceof Retry || error instanceof Reject ? error.message : `${name}: ${error.message}`;
  }

  /** An error with where it was thrown and what caused it. */
  function describe(error) {
    try {
      const lines = [head(error), ...stackOf(error)];
      let cause = error.cause;
      for (let depth = 0; depth < CAUSES_MAX && cause !== undefined && cause !== null; depth++) {
        lines.push(`caused by ${isErrorLike(cause) ? head(cause) : host.inspect(cause)}`);
        if (isErrorLike(cause)) lines.push(...stackOf(cause));
        cause = cause.cause;
      }
      const text = lines.join("\n");
      return text.length > MESSAGE_CHARACTERS_MAX ? text.slice(0, MESSAGE_CHARACTERS_MAX) + "…" : text;
    } catch {
      return "an error that cannot be shown";
    }
  }

  /** `[true, message, afterMs]` of what is worth another attempt, `[false, message, code]` of all else. */
  function failure(thrown) {
    if (thrown instanceof Retry) {
      const after = Number(thrown.afterMs);
      return [true, String(thrown.message), thrown.afterMs !== undefined && after >= 0 ? Math.round(after) : undefined];
    }
    if (thrown instanceof Reject) {
      const code = Number(thrown.code);
      return [false, String(thrown.message), Number.isInteger(code) && code > 0 && code < 2 ** 32 ? code : 1];
    }
    if (thrown instanceof HostError && PASSING.includes(thrown.kind)) return [true, String(thrown.message), undefined];
    if (thrown instanceof HostError) return [false, String(thrown.message), 1];
    if (thrown instanceof Error || isErrorLike(thrown)) return [false, describe(thrown), 1];
    return [false, `threw ${typeof thrown === "string" ? JSON.stringify(thrown) : host.inspect(thrown)}, which is no Error`, 1];
  }

  function written(what, value) {
    try {
      if (value === undefined) return undefined;
      const text = JSON.stringify(value);
      if (text === undefined) throw new TypeError(`a ${typeof value} has none`);
      return text;
    } catch (error) {
      throw new TypeError(`the ${what} cannot be written as JSON: ${error.message}`);
    }
  }

  async function settled(evaluated, namespace) {
    try {
      await evaluated;
      const action = namespace.default;
      if (typeof action !== "function") {
        throw new TypeError(`the default export of an action is a function, not ${host.inspect(action)}`);
      }
      const returned = await action(JSON.parse(host.context("payload")), context());
      const outcome = returned instanceof Outcome ? returned : new Outcome(returned);
      const warnings = Array.from(outcome.warnings ?? [], String);
      return [undefined, written("output", outcome.output), warnings, written("event", outcome.event)];
    } catch (thrown) {
      return failure(thrown);
    }
  }

  host.describe = describe;
  host.failure = failure;
  host.settled = settled;
  host.checked = checked;
  const action = (handler) => handler;
  const outcome = (output, more) => new Outcome(output, more);
  host.exports = { action, outcome, Outcome, Reject, Retry, HostError, log, kv, emit, http, budget, random };
});
