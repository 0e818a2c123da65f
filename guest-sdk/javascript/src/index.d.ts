// What an action may use, in both ways of running one: as source text that Fusebox interprets, and as a component that
// was built ahead of time. The module is called "fusebox" in both.

/** Any value that JSON can say. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A thing in the user's world, such as `public.bookable` / `42`. */
export interface ObjectRef {
  readonly objectType: string;
  readonly objectId: string;
}

/** How the run that caused this event ended. */
export interface ParentOutcome {
  readonly run_id: string;
  readonly action: string;
  readonly state: "SUCCESS" | "WARNING" | "ERROR";
  readonly reason: string | null;
  readonly code: number;
  readonly message: string | null;
  readonly output: any;
}

/** Everything an action is told besides its payload. Times are milliseconds since 1970, as in `Date.now()`. */
export interface Context<Params = any, Input = any> {
  /** The same for all attempts: use it as idempotency key outside. */
  readonly runId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  readonly eventId: string;
  /** The display name of the event type that fired. */
  readonly trigger: string;
  /** When the event was accepted. */
  readonly eventTime: number;
  /** The owner of the run; empty for the shared tenant. */
  readonly tenant: string;
  /** The object the event was raised on. */
  readonly object: ObjectRef | null;
  /** The object the action is attached to, when that is what made it run. */
  readonly scope: ObjectRef | null;
  /** The resolved parameters of event type and action, secrets included. */
  readonly params: Params;
  /** What was configured where the action is attached. */
  readonly input: Input;
  readonly chain: {
    /** The event that began the chain; the event itself when nothing came before it. */
    readonly root: string;
    readonly parent: string | null;
    /** 0 for an event that nothing caused. */
    readonly depth: number;
    readonly parentOutcome: ParentOutcome | null;
  };
  /** What the attempt may use. What is left of it is in `budget.left()`. */
  readonly budget: { readonly fuel: number; readonly memoryBytes: number; readonly deadline: number };
  /** The time of this attempt. It stands still, and is the same when the attempt is repeated; so does `Date`. */
  readonly now: number;
}

/** What an action is: a function of the event's data that returns its output, or an `Outcome`. */
export type Handler<Payload = any, Params = any, Input = any> = (
  payload: Payload,
  ctx: Context<Params, Input>,
) => unknown;

/** Gives a handler its types. A plain `export default (payload, ctx) => …` does the same. */
export function action<Payload = any, Params = any, Input = any>(
  handler: Handler<Payload, Params, Input>,
): Handler<Payload, Params, Input>;

/** Done, with more to say than an output. Returned by `outcome`. */
export class Outcome {
  constructor(output?: unknown, more?: { warnings?: string[]; event?: unknown });
  readonly output: unknown;
  /** Any makes the run end as WARNING instead of SUCCESS. */
  readonly warnings: string[];
  /** The payload of the event that is chained on; without it the event's own is passed on. */
  readonly event: unknown;
}

/** `return outcome(output, { warnings: ["…"], event: { … } })`. */
export function outcome(output?: unknown, more?: { warnings?: string[]; event?: unknown }): Outcome;

/** Thrown: will not work however often it is tried. The code is the run's result code, from 1 to 2³¹ − 1. */
export class Reject extends Error {
  constructor(message: string, options?: { code?: number; cause?: unknown });
  readonly code: number;
}

/** Thrown: may work later. Another attempt follows, not before `afterMs`, while the action's retry policy allows it. */
export class Retry extends Error {
  constructor(message: string, options?: { afterMs?: number; cause?: unknown });
  readonly afterMs: number | null;
}

/**
 * What the host refused. `kind` says what:
 * kv: `conflict`, `limit`; emit: `refused`, `limit`; http: `denied`, `invalid`, `limit`, `timeout`, `failed`.
 *
 * When nobody catches it, `conflict`, `timeout` and `failed` are tried again, and the others are not.
 */
export class HostError extends Error {
  readonly source: "kv" | "emit" | "http";
  readonly kind: "conflict" | "limit" | "refused" | "denied" | "invalid" | "timeout" | "failed";
}

/** Names with values, kept beside a line so that it can be searched by them. */
export type Fields = Record<string, unknown>;

/** Lines for whoever reads the run's log. `console` writes there too, without fields. */
export const log: {
  trace(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
};

export interface KvEntry {
  readonly bytes: Uint8Array;
  /** Differs after every write; `expect` takes it. */
  readonly version: number;
  text(): string;
  json(): any;
}

export interface KvOptions {
  /** Whose value it is: of all runs of the action (the default), or of those by this attachment. */
  scope?: "action" | "attachment";
}

export interface KvExpect extends KvOptions {
  /** What must be there for the write to happen: anything (the default), nothing, or a value of this version. */
  expect?: "anything" | "nothing" | number;
}

/** A small store for each tenant and action. What an attempt writes is kept if it succeeds, and is gone if it does not. */
export const kv: {
  get(key: string, options?: KvOptions): KvEntry | null;
  /** Text and bytes are kept as they are, everything else as JSON. */
  set(key: string, value: unknown, options?: KvExpect & { ttlMs?: number }): void;
  delete(key: string, options?: KvExpect): void;
  /** Keys that start with `prefix`, in order: at most `limit` (1,000 unless told), after the key `after`. */
  list(prefix?: string, options?: KvOptions & { after?: string; limit?: number }): string[];
};

/** Fires another event when this run succeeds, on the same object unless told. */
export function emit(eventType: string, payload: unknown, object?: ObjectRef): void;

export interface HttpRequest {
  method?: string;
  url: string;
  headers?: Record<string, string> | [string, string][];
  /** Text and bytes are sent as they are, everything else as JSON (with its `content-type` if none is given). */
  body?: unknown;
  timeoutMs?: number;
}

export interface HttpResponse {
  readonly status: number;
  /** 200 to 299. */
  readonly ok: boolean;
  readonly headers: [string, string][];
  /** The first value of a header, whatever the case of its name. */
  header(name: string): string | null;
  readonly bytes: Uint8Array;
  text(): string;
  json(): any;
}

/** Outgoing HTTP in one call: to hosts that sink type and action allow. Redirects are answers. `fetch` goes this way too. */
export const http: {
  send(request: HttpRequest): HttpResponse;
};

/** What is left to the attempt, and whether it should stop. */
export const budget: {
  left(): { fuel: number; memoryBytes: number; timeMs: number; httpCalls: number };
  /** Whether somebody cancelled the run. Who asks has a moment from then on to put things in order. */
  cancelled(): boolean;
};

/** Random numbers of this attempt: other ones in each, the same when it is repeated. `Math.random` draws from them too. */
export const random: {
  /** From 0 up to but not including 1. */
  fraction(): number;
  /** A whole number from 0 up to but not including `bound`. */
  below(bound: number): number;
  bytes(count: number): Uint8Array;
  /** A UUID of version 4, as `crypto.randomUUID()` gives. */
  uuid(): string;
};
