// Runs an action natively, without any host, in a plain `node --test`.

import type { Context, Handler, HostError, ObjectRef } from "./index.js";

export interface Request {
  method: string;
  url: string;
  headers: Record<string, string>;
  /** As text. */
  body: string;
  timeoutMs: number | null;
}

export interface Emitted {
  eventType: string;
  payload: any;
  object: ObjectRef | null;
}

/** What the host would send, and how it answers. Everything has a sensible value to begin with. */
export interface Sample extends Partial<Omit<Context, "chain" | "budget">> {
  payload?: unknown;
  chain?: Partial<Context["chain"]>;
  budget?: Partial<Context["budget"]>;
  seed?: [number, number];
  /** What the store holds: text and bytes as they are, everything else as JSON. */
  kv?: Record<string, unknown>;
  /** Answers a request. Without it nothing goes out. */
  http?: (request: Request) => { status?: number; headers?: Record<string, string>; body?: unknown } | HostError | void;
  /** Refuses an event by returning `refused(…)`. */
  emit?: (event: Emitted) => HostError | void;
  cancelled?: boolean;
}

export interface Report {
  /** As the run would end (a retry only after its last attempt). */
  state: "SUCCESS" | "WARNING" | "ERROR";
  output: any;
  warnings: string[];
  /** The payload of the event that is chained on, when the action gave one. */
  event: any;
  failure: null | { retry: boolean; afterMs: number | null; code: number; message: string; error: unknown };
  logs: { level: "trace" | "debug" | "info" | "warn" | "error"; message: string; fields: Record<string, any> }[];
  emitted: Emitted[];
  requests: Request[];
  /** What the store holds afterwards, as text; after a failure, what it held before. */
  kv: Record<string, string>;
}

/** Runs an action once. Nothing is thrown: how it ended is in the report. */
export function run(action: Handler<any, any, any>, sample?: Sample): Promise<Report>;

/** What a fake of `http` or `emit` returns to refuse, as the host would. */
export function refused(kind: HostError["kind"], message?: string): HostError;
