// Written by `cargo xtask bindings` from the contract in guest-sdk/wit; never edited.
// How a component's engine sees it: names in camel case, numbers as numbers (64 bits of them as far as 2^53 is exact),
// nothing as null. A function that refuses throws the value that is named behind it.

declare module "fusebox:action/types" {
  /** A JSON text (RFC 8259) in UTF-8. */
  export type Json = string;
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  export type TimestampMs = number;
  /** A thing in the user's world, such as `public.bookable` / `42`. */
  export interface ObjectRef {
    objectType: string;
    objectId: string;
  }
  /** What the attempt may use. Past any of these the host ends it. */
  export interface Budget {
    /** Deterministic instructions. */
    fuel: number;
    /** Sum over all linear memories, in bytes. */
    memoryBytes: number;
    /** When the attempt is ended, running or waiting. */
    deadline: TimestampMs;
  }
  /** Where the event stands in its chain. */
  export interface Chain {
    /** The event that began the chain; the event itself when nothing came before it. */
    root: string;
    /** The event whose run caused this one. */
    parent: string | null;
    /** 0 for an event that nothing caused. */
    depth: number;
    /** The outcome of the run that caused this event. */
    parentOutcome: Json | null;
  }
  /**
   * Everything an action is told. Payload, params and input are three separate JSON values,
   * never merged: the event's data, the resolved parameters, the attachment's input.
   */
  export interface Context {
    runId: string;
    /** 1 for the first attempt. */
    attempt: number;
    eventId: string;
    /** The display name of the event type that fired. */
    trigger: string;
    /** When the event was accepted. */
    eventTime: TimestampMs;
    /** The owner of the run; empty for the shared tenant. */
    tenant: string;
    /** The object the event was raised on. */
    object: ObjectRef | null;
    /** The object the action is attached to, when that is what made it run. */
    scope: ObjectRef | null;
    payload: Json;
    params: Json;
    input: Json;
    chain: Chain;
    budget: Budget;
    /** The time of this attempt. A guest without WASI has no other clock. */
    now: TimestampMs;
    /**
     * 128 random bits of this attempt, so that a guest without WASI does not repeat itself
     * and a run can be repeated exactly.
     */
    seed: [number, number];
  }
  /** The action did its work. */
  export interface Outcome {
    /** Kept as the run's output. */
    output: Json | null;
    /** Anything here makes the run end as WARNING instead of SUCCESS. */
    warnings: Array<string>;
    /** The payload of the event that is chained on; without it the event's own payload is passed on. */
    event: Json | null;
  }
  export interface Retry {
    message: string;
    /** Not before this many milliseconds; without it the retry policy decides. */
    afterMs: number | null;
  }
  export interface Reject {
    message: string;
    /** The run's result code. 0 is taken as 1: 0 means success. */
    code: number;
  }
  /** The action did not do its work. A refusal is a value; a trap is a bug. */
  export type Failure = { tag: "retry"; val: Retry } | { tag: "reject"; val: Reject };
}

declare module "fusebox:action/log" {
  import { Json } from "fusebox:action/types";
  export type Level = "trace" | "debug" | "info" | "warn" | "error";
  const host: {
    /** `fields` are names with JSON values, kept beside the message so that they can be searched. */
    write(level: Level, message: string, fields: Array<[string, Json]>): void;
  };
  export default host;
}

declare module "fusebox:action/budget" {
  export interface Remaining {
    fuel: number;
    memoryBytes: number;
    /** Until the attempt is ended, running or waiting. */
    timeMs: number;
    httpCalls: number;
  }
  const host: {
    left(): Remaining;
    /**
     * Whether somebody cancelled the run. Whoever imports this interface has a moment from then on to put things in
     * order; what it returns does not matter any more.
     */
    cancelled(): boolean;
  };
  export default host;
}

declare module "fusebox:action/kv" {
  /** Whose values these are. */
  export type Scope = "action" | "attachment";
  export interface Entry {
    value: Uint8Array;
    /** Differs after every write. */
    version: number;
  }
  /** What a write asks of what is there. */
  export type Expect = { tag: "anything" } | { tag: "nothing" } | { tag: "version"; val: number };
  export type Error = { tag: "conflict" } | { tag: "limit"; val: string };
  const host: {
    get(scope: Scope, key: string): Entry | null;
    /**
     * Gone after `ttl-ms` if given. Whether what was expected still holds is looked at again when the attempt ends; if
     * it does not, the attempt has failed with a conflict and is tried again.
     */
    set(scope: Scope, key: string, value: Uint8Array, expect: Expect, ttlMs: number | null): void; // throws Error
    delete(scope: Scope, key: string, expect: Expect): void; // throws Error
    /** Keys that start with `prefix`, in order, after the key `after`: at most `limit` of them, and at most 1,000. */
    list(scope: Scope, prefix: string, after: string | null, limit: number): Array<string>;
  };
  export default host;
}

declare module "fusebox:action/emit" {
  import { Json } from "fusebox:action/types";
  import { ObjectRef } from "fusebox:action/types";
  export type Error = { tag: "refused"; val: string } | { tag: "limit"; val: string };
  const host: {
    /** `object` is the object of this run's event when it is not given. */
    event(eventType: string, payload: Json, object: ObjectRef | null): void; // throws Error
  };
  export default host;
}

declare module "fusebox:action/http" {
  export interface Request {
    method: string;
    /** `https://host/path?query`. */
    url: string;
    headers: Array<[string, string]>;
    body: Uint8Array;
    /** Of this call; the attempt's time limit holds all the same. */
    timeoutMs: number | null;
  }
  export interface Response {
    status: number;
    headers: Array<[string, string]>;
    body: Uint8Array;
  }
  export type Error = { tag: "denied"; val: string } | { tag: "invalid"; val: string } | { tag: "limit"; val: string } | { tag: "timeout"; val: string } | { tag: "failed"; val: string };
  const host: {
    /** Redirects are answers like others: they are not followed. */
    send(request: Request): Response; // throws Error
  };
  export default host;
}

declare module "fusebox:action" {
  import { Context, Failure, Outcome } from "fusebox:action/types";
  export function run(ctx: Context): Outcome; // throws Failure
}
