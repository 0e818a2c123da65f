// The conformance guest in JavaScript, as source text and ahead of time alike. README.md says what each behaviour is.

import { HostError, Reject, Retry, budget, emit, http, kv, log, outcome, random } from "fusebox";

/** A version that no value ever has. */
const STALE = Number.MAX_SAFE_INTEGER;

/** What the host refuses, as the answers have it: `{"denied": TEXT}`. */
function refusable(call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof HostError) return { [error.kind]: error.message };
    throw error;
  }
}

function spin() {
  for (;;);
}

function hog() {
  const held = [];
  for (;;) held.push(new Uint8Array(1 << 20).fill(1));
}

function trap() {
  throw new Error("trapped");
}

function lines() {
  log.trace("line 1", { n: 1 });
  log.debug("line 2", { n: 2 });
  log.info("line 3", { n: 3 });
  log.warn("line 4", { n: 4 });
  log.error("line 5", { n: 5, text: "grün 🎈" });
  return { logged: 5 };
}

function print() {
  console.log("printed");
  console.error("complained");
  return { printed: true };
}

const reference = (object) => object && { object_type: object.objectType, object_id: object.objectId };

function context({ runId, attempt, eventId, trigger, eventTime, tenant, object, scope, chain, budget, now }) {
  const { root, parent, depth, parentOutcome } = chain;
  return {
    run_id: runId,
    attempt,
    event_id: eventId,
    trigger,
    event_time: eventTime,
    tenant,
    object: reference(object),
    scope: reference(scope),
    chain: { root, parent, depth, parent_outcome: parentOutcome },
    budget: { fuel: budget.fuel, memory_bytes: budget.memoryBytes, deadline: budget.deadline },
    now,
  };
}

function count(key, scope) {
  const seen = kv.get(key, { scope });
  const next = Number(seen?.text() ?? 0) + 1;
  try {
    kv.set(key, String(next), { scope, expect: seen?.version ?? "nothing" });
  } catch (error) {
    if (error instanceof HostError && error.kind === "conflict") throw new Retry("conflict");
    throw error;
  }
  return { count: next };
}

/** A conflict says nothing but that it is one. */
const written = (name, call) => {
  const answer = refusable(() => (call(), { [name]: true }));
  return "conflict" in answer ? { conflict: true } : answer;
};

function store({ op, key, scope = "action", value, ttl_ms: ttlMs, expect = "anything", message, prefix, after, limit }) {
  const options = { scope, expect: expect === "stale" ? STALE : expect };
  switch (op) {
    case "count":
      return count(key, scope);
    case "get":
      return { value: kv.get(key, { scope })?.text() ?? null };
    case "set":
      return written("set", () => kv.set(key, value, { ...options, ttlMs }));
    case "delete":
      return written("deleted", () => kv.delete(key, options));
    case "list":
      return { keys: kv.list(prefix, { scope, after, limit }) };
    case "set_then":
      kv.set(key, value, { scope });
      throw new Reject(message, { code: 9 });
    default:
      throw new Reject(`unknown: kv ${op}`, { code: 64 });
  }
}

function fire({ event_type, payload, object }) {
  const target = object && { objectType: object.object_type, objectId: object.object_id };
  return refusable(() => (emit(event_type, payload, target), { emitted: true }));
}

function request({ url, method, body, headers, timeout_ms: timeoutMs }) {
  return refusable(() => {
    const answer = http.send({ url, method, body, headers, timeoutMs });
    return { status: answer.status, body: answer.text() };
  });
}

function left() {
  const { fuel, memoryBytes, timeMs, httpCalls } = budget.left();
  return { fuel, memory_bytes: memoryBytes, time_ms: timeMs, http_calls: httpCalls };
}

function cancel() {
  while (!budget.cancelled());
  log.warn("stopping");
  return { cancelled: true };
}

const BEHAVIOURS = {
  echo: (payload) => payload,
  reject: ({ code, message }) => {
    throw new Reject(message, { code });
  },
  retry: ({ message, after_ms: afterMs }) => {
    throw new Retry(message, { afterMs });
  },
  trap,
  loop: spin,
  hog,
  log: lines,
  print,
  params: (_, ctx) => ctx.params,
  input: (_, ctx) => ctx.input,
  context: (_, ctx) => context(ctx),
  kv: store,
  emit: fire,
  emit_then: (payload) => {
    fire(payload);
    throw new Reject(payload.message, { code: 9 });
  },
  http: request,
  time: () => ({ now: Date.now(), random: random.uuid() }),
  left,
  cancel,
  big: ({ bytes }) => "x".repeat(bytes),
  warn: () => outcome({ warned: true }, { warnings: ["first warning", "second warning"] }),
  event: ({ payload }) => outcome(null, { event: payload }),
};

export default async function (payload, ctx) {
  const behaviour = Object.hasOwn(BEHAVIOURS, payload.do) ? BEHAVIOURS[payload.do] : undefined;
  if (!behaviour) throw new Reject(`unknown: ${payload.do}`, { code: 64 });
  return await behaviour(payload, ctx);
}
