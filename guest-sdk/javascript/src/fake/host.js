// The host of a test: it keeps what the action did, and refuses as the real one does.

import { HostError } from "../failure.js";
import { bytes, decode } from "../bytes.js";

const refuse = (tag, val) => {
  throw { tag, val };
};

export class Host {
  logs = [];
  emitted = [];
  requests = [];

  constructor({ kv = {}, http, emit, cancelled = false, budget }) {
    this.values = new Map();
    this.versions = 0;
    for (const [key, value] of Object.entries(kv)) this.put("action", key, bytes(value));
    this.answer = http;
    this.receive = emit;
    this.cancelled = cancelled;
    this.budget = budget;
  }

  write(level, message, fields) {
    this.logs.push({ level, message, fields: Object.fromEntries(fields.map(([name, json]) => [name, JSON.parse(json)])) });
  }

  put(scope, key, value) {
    this.versions += 1;
    this.values.set(`${scope}/${key}`, { value, version: this.versions });
  }

  get(scope, key) {
    return this.values.get(`${scope}/${key}`) ?? null;
  }

  expected(scope, key, expect) {
    const there = this.get(scope, key);
    if (expect.tag === "nothing" ? there : expect.tag === "version" && there?.version !== expect.val) refuse("conflict");
  }

  set(scope, key, value, expect) {
    this.expected(scope, key, expect);
    this.put(scope, key, value);
  }

  remove(scope, key, expect) {
    this.expected(scope, key, expect);
    this.values.delete(`${scope}/${key}`);
  }

  list(scope, prefix, after, limit) {
    const keys = [...this.values.keys()].filter((key) => key.startsWith(`${scope}/`)).map((key) => key.slice(scope.length + 1));
    return keys.sort().filter((key) => key.startsWith(prefix) && (after === null || key > after)).slice(0, limit);
  }

  emit(eventType, payload, object) {
    const event = { eventType, payload: JSON.parse(payload), object };
    const refused = this.receive?.(event);
    if (refused instanceof HostError) refuse(refused.kind, refused.message);
    this.emitted.push(event);
  }

  send(request) {
    this.requests.push({ ...request, headers: Object.fromEntries(request.headers), body: decode(request.body) });
    if (!this.answer) refuse("denied", `the test lets nothing go out: ${request.method} ${request.url}`);
    const answer = this.answer(this.requests.at(-1));
    if (answer instanceof HostError) refuse(answer.kind, answer.message);
    const { status = 200, headers = {}, body = "" } = answer ?? {};
    return { status, headers: Object.entries(headers), body: bytes(body) };
  }

  left() {
    const { fuel, memoryBytes } = this.budget;
    return { fuel, memoryBytes, timeMs: 10_000, httpCalls: 10 };
  }

  /** What is in the store, as text. */
  stored() {
    const kept = [...this.values].filter(([key]) => key.startsWith("action/"));
    return Object.fromEntries(kept.map(([key, { value }]) => [key.slice("action/".length), decode(value)]));
  }
}
