// The conformance guest in AssemblyScript, see ../../README.md. `fusebox.ts` is copied from guest-sdk/assemblyscript when it is built.

import {
  Answer, Context, Expect, Http, Level, ObjectRef, Result, Said, Scope, cancelled, emit, field, handle, kvDelete, kvGet, kvList, kvSet, left, log,
  names, ok, quote, reject, retry, retryAfter, send, stringOf,
} from "./fusebox";

export { run, cabi_realloc } from "./fusebox";

/** The code of a behaviour that there is none of. */
const UNKNOWN: u32 = 64;
const FAILED_AFTER: u32 = 9;

function text(ctx: Context, name: string): string {
  const value = stringOf(field(ctx.payload, name));
  return value === null ? "" : value;
}

function number(ctx: Context, name: string): u64 {
  const value = field(ctx.payload, name);
  return value === null ? 0 : U64.parseInt(value);
}

function payload(ctx: Context): string {
  const value = field(ctx.payload, "payload");
  return value === null ? "null" : value;
}

function conform(ctx: Context): Result {
  const what = text(ctx, "do");
  if (what == "echo") return ok(ctx.payload);
  if (what == "reject") return reject(<u32>number(ctx, "code"), text(ctx, "message"));
  if (what == "retry") {
    const message = text(ctx, "message");
    return field(ctx.payload, "after_ms") === null ? retry(message) : retryAfter(number(ctx, "after_ms"), message);
  }
  if (what == "trap") unreachable();
  if (what == "loop") return loop();
  if (what == "hog") return hog();
  if (what == "log") return writeLog();
  if (what == "params") return ok(ctx.params);
  if (what == "input") return ok(ctx.input);
  if (what == "context") return ok(told(ctx));
  if (what == "time") return ok('{"now":' + ctx.now.toString() + ',"random":"' + ctx.random().toString(16).padStart(16, "0") + '"}');
  if (what == "big") return ok('"' + "x".repeat(<i32>number(ctx, "bytes")) + '"');
  if (what == "warn") {
    ctx.warn("first warning");
    ctx.warn("second warning");
    return ok('{"warned":true}');
  }
  if (what == "event") {
    ctx.event = payload(ctx);
    return ok(null);
  }
  return asksTheHost(ctx, what);
}

function asksTheHost(ctx: Context, what: string): Result {
  if (what == "kv") return values(ctx);
  if (what == "emit") return said(emitted(ctx), "emitted");
  if (what == "emit_then") {
    emitted(ctx);
    return reject(FAILED_AFTER, text(ctx, "message"));
  }
  if (what == "http") return fetched(ctx);
  if (what == "left") {
    const l = left();
    return ok(
      '{"fuel":' + l.fuel.toString() + ',"memory_bytes":' + l.memoryBytes.toString() +
      ',"time_ms":' + l.timeMs.toString() + ',"http_calls":' + l.httpCalls.toString() + "}",
    );
  }
  if (what == "cancel") {
    while (!cancelled()) {}
    log(Level.Warn, "stopping");
    return ok('{"cancelled":true}');
  }
  return reject(UNKNOWN, "unknown: " + what);
}

let turns: u64 = 0;

function loop(): Result {
  while (true) turns++;
}

function hog(): Result {
  while (true) memory.fill(heap.alloc(1 << 20), 1, 1 << 20);
}

function writeLog(): Result {
  for (let n: i32 = 1; n <= 5; n++) {
    const fields = ["n", n.toString()];
    if (n == 5) {
      fields.push("text");
      fields.push('"grün 🎈"');
    }
    log(<Level>(n - 1), "line " + n.toString(), fields);
  }
  return ok('{"logged":5}');
}

function option(value: string | null): string {
  return value === null ? "null" : quote(value);
}

function object(value: ObjectRef | null): string {
  return value === null ? "null" : '{"object_type":' + quote(value.objectType) + ',"object_id":' + quote(value.objectId) + "}";
}

function told(ctx: Context): string {
  const outcome = ctx.parentOutcome;
  return '{"run_id":' + quote(ctx.runId) + ',"attempt":' + ctx.attempt.toString() + ',"event_id":' + quote(ctx.eventId) +
    ',"trigger":' + quote(ctx.trigger) + ',"event_time":' + ctx.eventTime.toString() + ',"tenant":' + quote(ctx.tenant) +
    ',"object":' + object(ctx.object) + ',"scope":' + object(ctx.scope) +
    ',"chain":{"root":' + quote(ctx.root) + ',"parent":' + option(ctx.parent) + ',"depth":' + ctx.depth.toString() +
    ',"parent_outcome":' + (outcome === null ? "null" : outcome) +
    '},"budget":{"fuel":' + ctx.fuel.toString() + ',"memory_bytes":' + ctx.memoryBytes.toString() + ',"deadline":' + ctx.deadline.toString() +
    '},"now":' + ctx.now.toString() + "}";
}

function said(answer: Answer, done: string): Result {
  if (answer.said == Said.Done) return ok('{"' + done + '":true}');
  if (answer.said == Said.Conflict) return ok('{"conflict":true}');
  return ok('{"' + (answer.said == Said.Limit ? "limit" : "refused") + '":' + quote(answer.message) + "}");
}

function values(ctx: Context): Result {
  const op = text(ctx, "op"), key = text(ctx, "key"), value = text(ctx, "value"), expected = text(ctx, "expect");
  const scope = text(ctx, "scope") == "attachment" ? Scope.Attachment : Scope.Action;
  const expect = expected == "nothing" ? Expect.Nothing : expected == "stale" ? Expect.Version : Expect.Anything;
  if (op == "count") return count(scope, key);
  if (op == "get") {
    const entry = kvGet(scope, key);
    return ok('{"value":' + (entry === null ? "null" : quote(entry.value)) + "}");
  }
  if (op == "set") return said(kvSet(scope, key, value, expect, u64.MAX_VALUE, number(ctx, "ttl_ms")), "set");
  if (op == "delete") return said(kvDelete(scope, key, expect, u64.MAX_VALUE), "deleted");
  if (op == "list") {
    const keys = kvList(scope, text(ctx, "prefix"), stringOf(field(ctx.payload, "after")), <u32>number(ctx, "limit"));
    return ok('{"keys":[' + keys.map<string>((name) => quote(name)).join(",") + "]}");
  }
  if (op == "set_then") {
    kvSet(scope, key, value);
    return reject(FAILED_AFTER, text(ctx, "message"));
  }
  return reject(UNKNOWN, "unknown: " + op);
}

function count(scope: Scope, key: string): Result {
  const entry = kvGet(scope, key);
  const next = (entry === null ? 0 : U64.parseInt(entry.value)) + 1;
  const expect = entry === null ? Expect.Nothing : Expect.Version;
  const answer = kvSet(scope, key, next.toString(), expect, entry === null ? 0 : entry.version);
  if (answer.said == Said.Conflict) return retry("conflict");
  return answer.said == Said.Done ? ok('{"count":' + next.toString() + "}") : reject(1, answer.message);
}

function emitted(ctx: Context): Answer {
  const given = field(ctx.payload, "object");
  if (given === null) return emit(text(ctx, "event_type"), payload(ctx));
  const objectType = stringOf(field(given, "object_type")), objectId = stringOf(field(given, "object_id"));
  return emit(
    text(ctx, "event_type"), payload(ctx),
    new ObjectRef(objectType === null ? "" : objectType, objectId === null ? "" : objectId),
  );
}

function fetched(ctx: Context): Result {
  const headers: string[] = [];
  const given = field(ctx.payload, "headers");
  if (given !== null) {
    const all = names(given);
    for (let i = 0; i < all.length; i++) {
      const value = stringOf(field(given, all[i]));
      headers.push(all[i]);
      headers.push(value === null ? "" : value);
    }
  }
  const method = text(ctx, "method");
  const response = send(method == "" ? "GET" : method, text(ctx, "url"), headers, text(ctx, "body"), number(ctx, "timeout_ms"));
  if (response.http == Http.Answered) return ok('{"status":' + response.status.toString() + ',"body":' + quote(response.text) + "}");
  const kinds = ["", "denied", "invalid", "limit", "timeout", "failed"];
  return ok('{"' + kinds[response.http] + '":' + quote(response.text) + "}");
}

handle(conform);
