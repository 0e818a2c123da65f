// What authors see, natively: the same files that a component is made of, with the host's fakes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HostError, Reject, Retry, action, budget, emit, http, kv, log, outcome, random } from "fusebox-sdk";
import { refused, run } from "fusebox-sdk/testing";

test("what is returned is the output", async () => {
  assert.deepEqual((await run((payload) => ({ got: payload }), { payload: 7 })).output, { got: 7 });
  assert.equal((await run(async () => "later")).output, "later");
  assert.equal((await run(() => {})).output, null);
});

test("an outcome brings warnings and the next event", async () => {
  const report = await run(action(() => outcome({ done: true }, { warnings: ["look"], event: { next: 1 } })));
  assert.equal(report.state, "WARNING");
  assert.deepEqual([report.output, report.warnings, report.event], [{ done: true }, ["look"], { next: 1 }]);
});

test("a refusal has its code and message, and a retry its time", async () => {
  const rejected = await run(() => {
    throw new Reject("no such door", { code: 42 });
  });
  assert.equal(rejected.state, "ERROR");
  const { retry, code, message } = rejected.failure;
  assert.deepEqual([retry, code, message], [false, 42, "no such door"]);
  const retried = await run(async () => {
    throw new Retry("busy", { afterMs: 1500 });
  });
  assert.deepEqual([retried.failure.retry, retried.failure.afterMs], [true, 1500]);
});

test("a code that the run could not have is refused where it is made", () => {
  for (const code of [0, -1, 1.5, 2 ** 31, "7"]) assert.throws(() => new Reject("x", { code }), RangeError);
  assert.equal(new Reject("x", { code: 2 ** 31 - 1 }).code, 2 ** 31 - 1);
  assert.throws(() => new Retry("x", { afterMs: -1 }), RangeError);
});

test("an error that nobody meant is a rejection that says where it came from", async () => {
  const report = await run(function triage() {
    return undefined.length;
  });
  assert.equal(report.failure.retry, false);
  assert.equal(report.failure.code, 1);
  assert.match(report.failure.message, /^TypeError: .*\n.*triage/);
  const thrown = await run(() => {
    throw { odd: true };
  });
  assert.equal(thrown.failure.message, 'the action threw {"odd":true}');
});

test("an output that JSON cannot say is an error with the reason", async () => {
  assert.match((await run(() => () => {})).failure.message, /the output is a function/);
});

test("half a surrogate pair in a message does no harm", async () => {
  const report = await run(() => {
    log.info("\ud83c");
    throw new Reject("\udf88 x");
  });
  assert.equal(report.failure.message, "\ufffd x");
  assert.equal(report.logs[0].message, "\ufffd");
});

test("the context has everything, with null for what there is not", async () => {
  const sample = { params: { key: "k" }, input: null, object: { objectType: "public.bookable", objectId: "42" }, chain: { parentOutcome: { code: 3 } } };
  const { output } = await run((_, ctx) => ctx, sample);
  assert.deepEqual(output.params, { key: "k" });
  assert.deepEqual(output.input, {});
  assert.deepEqual(output.object, { objectType: "public.bookable", objectId: "42" });
  assert.equal(output.scope, null);
  assert.deepEqual(output.chain, { root: output.eventId, parent: null, depth: 0, parentOutcome: { code: 3 } });
  assert.equal(output.budget.deadline - output.now, 10_000);
});

test("lines are kept with their level and fields", async () => {
  const cycle = {};
  cycle.self = cycle;
  const { logs } = await run(() => {
    log.trace("step");
    log.warn("odd", { n: 1, cycle, nothing: undefined });
  });
  assert.deepEqual(logs, [
    { level: "trace", message: "step", fields: {} },
    { level: "warn", message: "odd", fields: { n: 1, cycle: "[object Object]", nothing: "undefined" } },
  ]);
});

test("the store keeps what succeeds, and conflicts are tried again", async () => {
  const count = () => {
    const seen = kv.get("seen");
    kv.set("seen", String(Number(seen?.text() ?? 0) + 1), { expect: seen?.version ?? "nothing" });
    kv.set("other", { list: [1] });
    kv.set("mine", "m", { scope: "attachment" });
    return [kv.list(), kv.list("s"), kv.list("", { limit: 1 }), kv.get("other").json(), kv.get("mine")];
  };
  const report = await run(count, { kv: { seen: "4" } });
  assert.deepEqual(report.kv, { seen: "5", other: '{"list":[1]}' });
  assert.deepEqual(report.output, [["other", "seen"], ["seen"], ["other"], { list: [1] }, null]);
  const conflict = await run(() => kv.set("seen", "x", { expect: "nothing" }), { kv: { seen: "4" } });
  assert.deepEqual([conflict.failure.retry, conflict.failure.error.kind], [true, "conflict"]);
  const undone = await run(() => {
    kv.delete("seen");
    throw new Reject("no");
  }, { kv: { seen: "4" } });
  assert.deepEqual(undone.kv, { seen: "4" });
});

test("events are fired with a success and not without", async () => {
  const fire = (payload) => {
    emit("door_opened", { id: 1 });
    emit("told", "x", { objectType: "t", objectId: "1" });
    if (payload.fail) throw new Reject("no");
  };
  const report = await run(fire);
  assert.deepEqual(report.emitted[0], { eventType: "door_opened", payload: { id: 1 }, object: null });
  assert.equal(report.emitted.length, 2);
  assert.equal((await run(fire, { payload: { fail: true } })).emitted.length, 0);
  const no = await run(fire, { emit: () => refused("refused", "there is no such event type") });
  assert.deepEqual([no.failure.retry, no.failure.message], [false, "there is no such event type"]);
});

test("requests go out as they are meant, and answers come back", async () => {
  const send = async () => {
    const answer = http.send({ method: "POST", url: "https://chat.test/hook", headers: { "X-Key": "k" }, body: { text: "grün 🎈" }, timeoutMs: 500 });
    return [answer.status, answer.ok, answer.header("CONTENT-type"), answer.json()];
  };
  const report = await run(send, { http: () => ({ status: 201, headers: { "content-type": "application/json" }, body: { ok: true } }) });
  assert.deepEqual(report.output, [201, true, "application/json", { ok: true }]);
  const [request] = report.requests;
  assert.equal(request.body, '{"text":"grün 🎈"}');
  assert.deepEqual(request.headers, { "X-Key": "k", "content-type": "application/json" });
  assert.equal(request.timeoutMs, 500);
});

test("who is denied is told, and who was not answered may try again", async () => {
  const get = () => http.send({ url: "https://example.test" });
  const denied = await run(get);
  assert.ok(denied.failure.error instanceof HostError);
  assert.deepEqual([denied.failure.retry, denied.failure.error.kind], [false, "denied"]);
  const timeout = await run(get, { http: () => refused("timeout", "no answer") });
  assert.deepEqual([timeout.failure.retry, timeout.failure.message], [true, "no answer"]);
});

test("budget and cancellation can be asked for", async () => {
  const report = await run(() => [budget.left().fuel, budget.cancelled()], { cancelled: true, budget: { fuel: 5 } });
  assert.deepEqual(report.output, [5, true]);
});

test("time stands still and chance repeats with its seed, also for Date and Math.random", async () => {
  const draw = async (_, ctx) => [Date.now() === ctx.now, new Date().getTime() === ctx.now, Math.random(), random.uuid(), random.below(6)];
  const [first, again, other] = [await run(draw), await run(draw), await run(draw, { seed: [1, 3] })];
  assert.deepEqual(first.output, again.output);
  assert.notDeepEqual(first.output.slice(2), other.output.slice(2));
  assert.deepEqual(first.output.slice(0, 2), [true, true]);
  assert.match(first.output[3], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  // Outside of an action it is Node's time.
  assert.ok(Date.now() > 1_700_000_000_000 && Math.random() < 1);
});

test("chance is even", async () => {
  const { output } = await run(() => Array.from({ length: 6000 }, () => random.below(6)));
  const counts = output.reduce((counts, face) => ((counts[face] += 1), counts), [0, 0, 0, 0, 0, 0]);
  assert.ok(counts.every((count) => count > 880 && count < 1120), counts.join());
});

test("runs side by side do not see each other", async () => {
  const slow = async (payload) => {
    log.info(payload);
    await new Promise((resolve) => setImmediate(resolve));
    log.info(payload);
  };
  const reports = await Promise.all(["a", "b"].map((payload) => run(slow, { payload })));
  assert.deepEqual(reports.map(({ logs }) => logs.map((line) => line.message).join()), ["a,a", "b,b"]);
});

test("asking the host outside of a run says so", () => {
  assert.throws(() => log.info("x"), /only while it runs/);
});
