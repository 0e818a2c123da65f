// The conformance guest in TypeScript, as source text and ahead of time alike. README.md says what each behaviour is.

import { HostError, Reject, Retry, action, budget, emit, http, kv, log, outcome, random } from "fusebox";
import type { Context, Json, ObjectRef } from "fusebox";

type Scope = "action" | "attachment";
type Expected = "anything" | "nothing" | "stale";

interface Payload {
  do: string;
  code?: number;
  message?: string;
  after_ms?: number;
  op?: string;
  key?: string;
  scope?: Scope;
  value?: string;
  ttl_ms?: number;
  expect?: Expected;
  prefix?: string;
  after?: string;
  limit?: number;
  event_type?: string;
  payload?: Json;
  object?: { object_type: string; object_id: string };
  url?: string;
  method?: string;
  body?: string;
  headers?: Record<string, string>;
  timeout_ms?: number;
  bytes?: number;
}

type Behaviour = (payload: Payload, ctx: Context) => unknown;

/** A version that no value ever has. */
const STALE: number = Number.MAX_SAFE_INTEGER;

/** What the host refuses, as the answers have it: `{"denied": TEXT}`. */
function refusable<T>(call: () => T): T | Record<string, string> {
  try {
    return call();
  } catch (error) {
    if (error instanceof HostError) return { [error.kind]: error.message };
    throw error;
  }
}

function hog(): never {
  const held: Uint8Array[] = [];
  for (;;) held.push(new Uint8Array(1 << 20).fill(1));
}

function lines() {
  log.trace("line 1", { n: 1 });
  log.debug("line 2", { n: 2 });
  log.info("line 3", { n: 3 });
  log.warn("line 4", { n: 4 });
  log.error("line 5", { n: 5, text: "grün 🎈" });
  return { logged: 5 };
}

const reference = (object: ObjectRef | null) => object && { object_type: object.objectType, object_id: object.objectId };

function context(ctx: Context) {
  const { root, parent, depth, parentOutcome } = ctx.chain;
  const { fuel, memoryBytes, deadline } = ctx.budget;
  return {
    run_id: ctx.runId,
    attempt: ctx.attempt,
    event_id: ctx.eventId,
    trigger: ctx.trigger,
    event_time: ctx.eventTime,
    tenant: ctx.tenant,
    object: reference(ctx.object),
    scope: reference(ctx.scope),
    chain: { root, parent, depth, parent_outcome: parentOutcome as unknown },
    budget: { fuel, memory_bytes: memoryBytes, deadline },
    now: ctx.now,
  };
}

function count(key: string, scope: Scope) {
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
function written(name: string, call: () => void): Record<string, unknown> {
  const answer: Record<string, unknown> = refusable(() => (call(), { [name]: true as unknown }));
  return "conflict" in answer ? { conflict: true } : answer;
}

function store({ op, key = "", scope = "action", expect = "anything", ...more }: Payload) {
  const options = { scope, expect: expect === "stale" ? STALE : expect } as const;
  switch (op) {
    case "count":
      return count(key, scope);
    case "get":
      return { value: kv.get(key, { scope })?.text() ?? null };
    case "set":
      return written("set", () => kv.set(key, more.value!, { ...options, ttlMs: more.ttl_ms }));
    case "delete":
      return written("deleted", () => kv.delete(key, options));
    case "list":
      return { keys: kv.list(more.prefix, { scope, after: more.after, limit: more.limit }) };
    case "set_then":
      kv.set(key, more.value!, { scope });
      throw new Reject(more.message!, { code: 9 });
    default:
      throw new Reject(`unknown: kv ${op}`, { code: 64 });
  }
}

function fire({ event_type, payload, object }: Payload) {
  const target = object && { objectType: object.object_type, objectId: object.object_id };
  return refusable(() => (emit(event_type!, payload, target), { emitted: true }));
}

function request({ url, method, body, headers, timeout_ms: timeoutMs }: Payload) {
  return refusable<object>(() => {
    const answer = http.send({ url: url!, method, body, headers, timeoutMs });
    return { status: answer.status, body: answer.text() };
  });
}

function left() {
  const { fuel, memoryBytes, timeMs, httpCalls } = budget.left();
  return { fuel, memory_bytes: memoryBytes, time_ms: timeMs, http_calls: httpCalls };
}

const BEHAVIOURS: Record<string, Behaviour> = {
  echo: (payload) => payload,
  reject: ({ code, message }) => {
    throw new Reject(message!, { code });
  },
  retry: ({ message, after_ms: afterMs }) => {
    throw new Retry(message!, { afterMs });
  },
  trap: () => {
    throw new Error("trapped");
  },
  loop: () => {
    for (;;);
  },
  hog,
  log: lines,
  print: () => {
    console.log("printed");
    console.error("complained");
    return { printed: true };
  },
  params: (_, ctx) => ctx.params,
  input: (_, ctx) => ctx.input,
  context: (_, ctx) => context(ctx),
  kv: store,
  emit: fire,
  emit_then: (payload) => {
    fire(payload);
    throw new Reject(payload.message!, { code: 9 });
  },
  http: request,
  time: () => ({ now: Date.now(), random: random.uuid() }),
  left,
  cancel: () => {
    while (!budget.cancelled());
    log.warn("stopping");
    return { cancelled: true };
  },
  big: ({ bytes = 0 }) => "x".repeat(bytes),
  warn: () => outcome({ warned: true }, { warnings: ["first warning", "second warning"] }),
  event: ({ payload }) => outcome(null, { event: payload }),
};

export default action<Payload>(async (payload, ctx) => {
  const behaviour = Object.hasOwn(BEHAVIOURS, payload.do) ? BEHAVIOURS[payload.do] : undefined;
  if (!behaviour) throw new Reject(`unknown: ${payload.do}`, { code: 64 });
  return await behaviour(payload, ctx);
});
