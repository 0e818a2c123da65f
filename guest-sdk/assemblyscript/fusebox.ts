// Actions of Fusebox in AssemblyScript: this file, beside the action's own.
//
//   import { Context, Result, handle, ok, reject } from "./fusebox";
//   export { run, cabi_realloc } from "./fusebox";
//
//   function greet(ctx: Context): Result { … }
//   handle(greet);
//
// It is compiled with `--runtime stub`: nothing is given free, since an attempt is a fresh instance whose end gives
// everything free.

/** A thing in the user's world, such as public.bookable / 42. */
export class ObjectRef {
  constructor(public objectType: string, public objectId: string) {}
}

/** Everything an action is told. Times are milliseconds since 1970. */
export class Context {
  runId: string = "";
  /** 1 for the first attempt. */
  attempt: u32 = 1;
  eventId: string = "";
  /** The display name of the event type. */
  trigger: string = "";
  eventTime: u64 = 0;
  /** Empty for the shared tenant. */
  tenant: string = "";
  object: ObjectRef | null = null;
  scope: ObjectRef | null = null;
  /** Three separate JSON texts, never merged. */
  payload: string = "{}";
  params: string = "{}";
  input: string = "{}";
  root: string = "";
  parent: string | null = null;
  depth: u32 = 0;
  /** JSON. */
  parentOutcome: string | null = null;
  fuel: u64 = 0;
  memoryBytes: u64 = 0;
  deadline: u64 = 0;
  now: u64 = 0;
  seed0: u64 = 0;
  seed1: u64 = 0;
  warnings: string[] = [];
  /** The payload of the event that is chained on, as JSON. */
  event: string | null = null;

  /** Makes the run end as WARNING. */
  warn(message: string): void {
    this.warnings.push(message);
  }

  /** The next 64 random bits: others in another attempt, the same in a repeated one. This is splitmix64. */
  random(): u64 {
    this.seed0 += 0x9e3779b97f4a7c15;
    let mixed = this.seed0 ^ this.seed1;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }
}

export enum Ending { Ok, Reject, Retry }

/** How an attempt ends: made by ok, reject, retry and retryAfter. */
export class Result {
  constructor(
    public ending: Ending,
    public text: string | null,
    public code: u32,
    public hasAfter: bool,
    public afterMs: u64,
  ) {}
}

/** The output is this JSON text; null for none. */
export function ok(json: string | null): Result {
  return new Result(Ending.Ok, json, 0, false, 0);
}

/** It will not work however often it is tried; 0 is taken as 1. */
export function reject(code: u32, message: string): Result {
  return new Result(Ending.Reject, message, max<u32>(code, 1), false, 0);
}

/** It may work later. */
export function retry(message: string): Result {
  return new Result(Ending.Retry, message, 0, false, 0);
}

/** It may work later, not before so many milliseconds. */
export function retryAfter(ms: u64, message: string): Result {
  return new Result(Ending.Retry, message, 0, true, ms);
}

// -- JSON: to pick values out of a text ------------------------------------------------------------------------------

/** How deep a JSON text may be nested. */
const DEPTH_MAX: i32 = 128;

function isBlank(c: i32): bool {
  return c == 0x20 || c == 0x09 || c == 0x0a || c == 0x0d;
}

function skipBlanks(text: string, at: i32): i32 {
  while (at < text.length && isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** Behind the string that begins at `at`; -1 if it does not end. */
function skipString(text: string, at: i32): i32 {
  for (at++; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c == 0x5c) at++;
    else if (c == 0x22) return at + 1;
  }
  return -1;
}

/** Behind the value that begins at `at`; -1 if there is none. */
function skipValue(text: string, at: i32): i32 {
  const start = at;
  let depth = 0;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    if (c == 0x22) {
      at = skipString(text, at);
      if (at < 0) return -1;
    } else if (c == 0x7b || c == 0x5b) {
      if (++depth > DEPTH_MAX) return -1;
      at++;
    } else if (c == 0x7d || c == 0x5d) {
      if (depth == 0) break;
      depth--;
      at++;
    } else if (depth == 0 && (c == 0x2c || isBlank(c))) {
      break;
    } else {
      at++;
    }
    if (depth == 0 && (c == 0x22 || c == 0x7d || c == 0x5d)) break;
  }
  return depth == 0 && at > start ? at : -1;
}

/** The member of that name of a JSON object, as it stands in the text; null if there is none. */
export function field(json: string, name: string): string | null {
  let at = skipBlanks(json, 0);
  if (at >= json.length || json.charCodeAt(at) != 0x7b) return null;
  at = skipBlanks(json, at + 1);
  while (at < json.length && json.charCodeAt(at) == 0x22) {
    const behind = skipString(json, at);
    if (behind < 0) return null;
    const found = json.substring(at + 1, behind - 1) == name;
    at = skipBlanks(json, behind);
    if (at >= json.length || json.charCodeAt(at) != 0x3a) return null;
    at = skipBlanks(json, at + 1);
    const end = skipValue(json, at);
    if (end < 0) return null;
    if (found) return json.substring(at, end);
    at = skipBlanks(json, end);
    if (at < json.length && json.charCodeAt(at) == 0x2c) at = skipBlanks(json, at + 1);
  }
  return null;
}

/** The names of a JSON object, in order. */
export function names(json: string): string[] {
  const found: string[] = [];
  let at = skipBlanks(json, 0);
  if (at >= json.length || json.charCodeAt(at) != 0x7b) return found;
  at = skipBlanks(json, at + 1);
  while (at < json.length && json.charCodeAt(at) == 0x22) {
    const behind = skipString(json, at);
    if (behind < 0) break;
    found.push(json.substring(at + 1, behind - 1));
    at = skipBlanks(json, behind);
    const end = skipValue(json, skipBlanks(json, at + 1));
    if (end < 0) break;
    at = skipBlanks(json, end);
    if (at < json.length && json.charCodeAt(at) == 0x2c) at = skipBlanks(json, at + 1);
  }
  return found;
}

/** The text that a JSON string means; null if the value is none. */
export function stringOf(value: string | null): string | null {
  if (value === null || value.length < 2 || value.charCodeAt(0) != 0x22) return null;
  const parts: string[] = [];
  let from = 1;
  for (let at = 1; at < value.length - 1; at++) {
    if (value.charCodeAt(at) != 0x5c) continue;
    parts.push(value.substring(from, at));
    const c = value.charCodeAt(++at);
    if (c == 0x75) {
      parts.push(String.fromCharCode(<i32>parseInt(value.substring(at + 1, at + 5), 16)));
      at += 4;
    } else if (c == 0x6e) parts.push("\n");
    else if (c == 0x74) parts.push("\t");
    else if (c == 0x72) parts.push("\r");
    else if (c == 0x62) parts.push("\b");
    else if (c == 0x66) parts.push("\f");
    else parts.push(String.fromCharCode(c));
    from = at + 1;
  }
  parts.push(value.substring(from, value.length - 1));
  return parts.join("");
}

/** A JSON string of a text, with its quotes. */
export function quote(text: string): string {
  const parts: string[] = ['"'];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    parts.push(text.substring(from, at));
    parts.push(c >= 0x20 ? "\\" + String.fromCharCode(c) : "\\u00" + (c < 16 ? "0" : "") + c.toString(16));
    from = at + 1;
  }
  parts.push(text.substring(from));
  parts.push('"');
  return parts.join("");
}

// -- What it may ask of the host -------------------------------------------------------------------------------------

export enum Level { Trace, Debug, Info, Warn, Error }

/** A line of the run's log; `fields` are names and JSON texts in turn. */
export function log(level: Level, message: string, fields: string[] = []): void {
  const line = lower(message);
  importLog(level, line.start, line.length, lowerAll(fields), fields.length >> 1);
}

export class Remaining {
  constructor(public fuel: u64, public memoryBytes: u64, public timeMs: u64, public httpCalls: u32) {}
}

export function left(): Remaining {
  importLeft(place);
  return new Remaining(load<u64>(place), load<u64>(place, 8), load<u64>(place, 16), load<u32>(place, 24));
}

/** Whether somebody cancelled the run; there is a moment from then on. */
export function cancelled(): bool {
  return importCancelled() != 0;
}

/** What the host said to a write or an event. */
export enum Said { Done, Conflict, Limit, Refused }

export class Answer {
  constructor(public said: Said, public message: string) {}
}

export class Entry {
  constructor(public value: string, public version: u64) {}
}

export enum Expect { Anything, Nothing, Version }

/** Whose values these are: those of all runs of the action for this tenant, or those of this attachment. */
export enum Scope { Action, Attachment }

export function kvGet(scope: Scope, key: string): Entry | null {
  const name = lower(key);
  importGet(scope, name.start, name.length, place);
  return load<u8>(place) == 0 ? null : new Entry(textAt(place + 8), load<u64>(place, 16));
}

/** Gone again after `ttlMs` if that is not 0. `version` matters with Expect.Version. */
export function kvSet(scope: Scope, key: string, value: string, expect: Expect = Expect.Anything, version: u64 = 0, ttlMs: u64 = 0): Answer {
  const name = lower(key), bytes = lower(value);
  importSet(scope, name.start, name.length, bytes.start, bytes.length, expect, version, ttlMs != 0 ? 1 : 0, ttlMs, place);
  return answered(Said.Conflict);
}

export function kvDelete(scope: Scope, key: string, expect: Expect = Expect.Anything, version: u64 = 0): Answer {
  const name = lower(key);
  importDelete(scope, name.start, name.length, expect, version, place);
  return answered(Said.Conflict);
}

/** Keys that start with `prefix`, in order, after the key `after` (null: from the first); at most `limit`, and at most 1,000. */
export function kvList(scope: Scope, prefix: string, after: string | null, limit: u32): string[] {
  const start = lower(prefix), from = lower(after === null ? "" : after);
  importList(scope, start.start, start.length, after === null ? 0 : 1, from.start, from.length, limit, place);
  const list = load<u32>(place), count = load<u32>(place, 4);
  const keys: string[] = [];
  for (let i: u32 = 0; i < count; i++) keys.push(textAt(list + 8 * i));
  return keys;
}

/** Fires a further event once the run has succeeded; without an object, on that of this run's event. */
export function emit(eventType: string, json: string, object: ObjectRef | null = null): Answer {
  const name = lower(eventType), payload = lower(json);
  const objectType = lower(object === null ? "" : object.objectType), objectId = lower(object === null ? "" : object.objectId);
  importEmit(
    name.start, name.length, payload.start, payload.length, object === null ? 0 : 1,
    objectType.start, objectType.length, objectId.start, objectId.length, place,
  );
  return answered(Said.Refused);
}

export enum Http { Answered, Denied, Invalid, Limit, Timeout, Failed }

export class Response {
  /** Names and values in turn. */
  headers: string[] = [];
  constructor(
    public http: Http,
    public status: u16,
    /** The body, or why there is no answer. */
    public text: string,
  ) {}
}

/** One request to a host that the action and its sink type allow; `headers` are names and values in turn. Redirects are answers like others. */
export function send(method: string, url: string, headers: string[] = [], body: string = "", timeoutMs: u64 = 0): Response {
  const verb = lower(method), where = lower(url), content = lower(body);
  importSend(
    verb.start, verb.length, where.start, where.length, lowerAll(headers), headers.length >> 1,
    content.start, content.length, timeoutMs != 0 ? 1 : 0, timeoutMs, place,
  );
  if (load<u8>(place) != 0) return new Response(<Http>(load<u8>(place, 4) + 1), 0, textAt(place + 8));
  const response = new Response(Http.Answered, load<u16>(place, 4), textAt(place + 16));
  const list = load<u32>(place, 8), count = load<u32>(place, 12);
  for (let i: u32 = 0; i < 2 * count; i++) response.headers.push(textAt(list + 8 * i));
  return response;
}

// -- The boundary: the canonical ABI of the contract -----------------------------------------------------------------

/** Where the host puts what it answers, and where it finds what the action returned. */
const place: usize = memory.data(32, 8);
const returned: usize = memory.data(40, 8);

@unmanaged class Bytes {
  start: usize;
  length: u32;
}

/** A text as UTF-8. Half of a pair is replaced: the host takes well-formed text only. */
function lower(text: string): Bytes {
  const encoded = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
  const bytes = changetype<Bytes>(heap.alloc(offsetof<Bytes>()));
  bytes.start = changetype<usize>(encoded);
  bytes.length = encoded.byteLength;
  return bytes;
}

/** A list of texts. */
function lowerAll(texts: string[]): usize {
  const list = heap.alloc(8 * texts.length + 8);
  for (let i = 0; i < texts.length; i++) put(list + 8 * i, texts[i]);
  return list;
}

function put(at: usize, text: string): void {
  const bytes = lower(text);
  store<u32>(at, <u32>bytes.start);
  store<u32>(at, bytes.length, 4);
}

/** An empty text may come without memory. */
function textAt(at: usize): string {
  const length = load<u32>(at, 4);
  return length == 0 ? "" : String.UTF8.decodeUnsafe(load<u32>(at), length);
}

function optionAt(at: usize): string | null {
  return load<u8>(at) == 0 ? null : textAt(at + 4);
}

function objectAt(at: usize): ObjectRef | null {
  return load<u8>(at) == 0 ? null : new ObjectRef(textAt(at + 4), textAt(at + 12));
}

/** `first` is the first error of the interface; the other is a limit. */
function answered(first: Said): Answer {
  if (load<u8>(place) == 0) return new Answer(Said.Done, "");
  if (load<u8>(place, 4) != 0) return new Answer(Said.Limit, textAt(place + 8));
  return new Answer(first, first == Said.Conflict ? "somebody else changed the value" : textAt(place + 8));
}

let action: ((ctx: Context) => Result) | null = null;

/** Makes a function the action of this component. */
export function handle(f: (ctx: Context) => Result): void {
  action = f;
}

export function cabi_realloc(old: usize, oldSize: usize, align: usize, size: usize): usize {
  const taken = heap.alloc(max<usize>(size, 1));
  if (oldSize > 0) memory.copy(taken, old, min(oldSize, size));
  return taken;
}

function lift(at: usize): Context {
  const ctx = new Context();
  ctx.runId = textAt(at);
  ctx.attempt = load<u32>(at, 8);
  ctx.eventId = textAt(at + 12);
  ctx.trigger = textAt(at + 20);
  ctx.eventTime = load<u64>(at, 32);
  ctx.tenant = textAt(at + 40);
  ctx.object = objectAt(at + 48);
  ctx.scope = objectAt(at + 68);
  ctx.payload = textAt(at + 88);
  ctx.params = textAt(at + 96);
  ctx.input = textAt(at + 104);
  ctx.root = textAt(at + 112);
  ctx.parent = optionAt(at + 120);
  ctx.depth = load<u32>(at, 132);
  ctx.parentOutcome = optionAt(at + 136);
  ctx.fuel = load<u64>(at, 152);
  ctx.memoryBytes = load<u64>(at, 160);
  ctx.deadline = load<u64>(at, 168);
  ctx.now = load<u64>(at, 176);
  ctx.seed0 = load<u64>(at, 184);
  ctx.seed1 = load<u64>(at, 192);
  return ctx;
}

export function run(context: usize): usize {
  const ctx = lift(context);
  const chosen = action;
  const result = chosen === null ? reject(1, "no action was given to handle()") : chosen(ctx);
  memory.fill(returned, 0, 40);
  const text = result.text;
  if (result.ending == Ending.Ok) {
    if (text !== null) putOption(returned + 8, text);
    store<u32>(returned, <u32>lowerAll(ctx.warnings), 20);
    store<u32>(returned, ctx.warnings.length, 24);
    const event = ctx.event;
    if (event !== null) putOption(returned + 28, event);
    return returned;
  }
  store<u8>(returned, 1);
  put(returned + 16, text === null ? "" : text);
  if (result.ending == Ending.Reject) {
    store<u8>(returned, 1, 8);
    store<u32>(returned, result.code, 24);
  } else if (result.hasAfter) {
    store<u8>(returned, 1, 24);
    store<u64>(returned, result.afterMs, 32);
  }
  return returned;
}

function putOption(at: usize, text: string): void {
  store<u8>(at, 1);
  put(at + 4, text);
}

/** What a failed assertion calls: a trap, after a line of the log. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log(Level.Error, (message === null ? "aborted" : message) + " at " + (file === null ? "" : file) + ":" + line.toString() + ":" + column.toString());
  unreachable();
}

@external("fusebox:action/log@0.1.0", "write")
declare function importLog(level: u32, message: usize, messageLength: u32, fields: usize, count: u32): void;
@external("fusebox:action/budget@0.1.0", "left")
declare function importLeft(result: usize): void;
@external("fusebox:action/budget@0.1.0", "cancelled")
declare function importCancelled(): u32;
@external("fusebox:action/kv@0.1.0", "get")
declare function importGet(scope: u32, key: usize, keyLength: u32, result: usize): void;
@external("fusebox:action/kv@0.1.0", "set")
declare function importSet(
  scope: u32, key: usize, keyLength: u32, value: usize, valueLength: u32, expect: u32, version: u64, hasTtl: u32, ttlMs: u64, result: usize,
): void;
@external("fusebox:action/kv@0.1.0", "delete")
declare function importDelete(scope: u32, key: usize, keyLength: u32, expect: u32, version: u64, result: usize): void;
@external("fusebox:action/kv@0.1.0", "list")
declare function importList(
  scope: u32, prefix: usize, prefixLength: u32, hasAfter: u32, after: usize, afterLength: u32, limit: u32, result: usize,
): void;
@external("fusebox:action/emit@0.1.0", "event")
declare function importEmit(
  type: usize, typeLength: u32, payload: usize, payloadLength: u32, hasObject: u32,
  objectType: usize, objectTypeLength: u32, objectId: usize, objectIdLength: u32, result: usize,
): void;
@external("fusebox:action/http@0.1.0", "send")
declare function importSend(
  method: usize, methodLength: u32, url: usize, urlLength: u32, headers: usize, headerCount: u32,
  body: usize, bodyLength: u32, hasTimeout: u32, timeoutMs: u64, result: usize,
): void;
