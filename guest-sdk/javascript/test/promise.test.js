// The promises of a component do what Node's do, in the same order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { queueMicrotask, settled } from "../src/loop.js";
import { Promise as Own } from "../src/promise.js";

/** Each says with a list what happened in which order. */
const PROGRAMS = {
  "reactions come after what is written behind them": (P, say) => {
    P.resolve(1).then((value) => say("then", value));
    say("behind");
  },
  "a promise that resolves to a promise takes two more turns": (P, say) => {
    const inner = P.resolve("inner");
    new P((resolve) => resolve(inner)).then((value) => say(value));
    let chain = P.resolve();
    for (let turn = 1; turn <= 4; turn++) chain = chain.then(() => say("turn", turn));
  },
  "only the first settling counts": (P, say) => {
    new P((resolve, reject) => {
      resolve(1);
      reject(new Error("late"));
      throw new Error("later");
    }).then((value) => say(value), (error) => say("error", error.message));
  },
  "what an executor throws is a rejection": (P, say) => {
    new P(() => {
      throw new Error("thrown");
    }).catch((error) => say(error.message));
  },
  "finally passes on what came before it, and what it throws instead": (P, say) => {
    P.resolve(1).finally(() => 2).then((value) => say(value));
    P.reject(new Error("first")).finally(() => 2).catch((error) => say(error.message));
    P.resolve(1).finally(() => P.reject(new Error("second"))).catch((error) => say(error.message));
  },
  "all keeps the order of what it was given": (P, say) => {
    const late = P.resolve().then(() => "late");
    P.all([late, "now", P.resolve("soon")]).then((values) => say(...values));
    P.all([]).then((values) => say("none", values.length));
    P.all([P.reject(new Error("one"))]).catch((error) => say(error.message));
  },
  "allSettled tells of each": (P, say) => {
    P.allSettled([1, P.reject(new Error("no"))]).then((ends) => say(ends.map((end) => end.status).join()));
  },
  "any takes the first that works, or gives all errors": (P, say) => {
    P.any([P.reject(1), P.resolve(2)]).then((value) => say(value));
    P.any([P.reject(1), P.reject(2)]).catch((error) => say(error.constructor.name, ...error.errors));
  },
  "race takes the first": (P, say) => {
    P.race([new P(() => {}), P.resolve("first"), P.resolve("second")]).then((value) => say(value));
  },
  "a thenable is asked once, later": (P, say) => {
    const thenable = {
      then(resolve) {
        say("asked");
        resolve("given");
        resolve("again");
      },
    };
    P.resolve(thenable).then((value) => say(value));
    say("before");
  },
  "a promise cannot wait for itself": (P, say) => {
    const { promise, resolve } = P.withResolvers();
    resolve(promise);
    promise.catch((error) => say(error instanceof TypeError));
  },
  "then without a function passes on": (P, say) => {
    P.resolve(1).then().then((value) => say(value));
    P.reject(2).then((value) => value).catch((value) => say(value));
  },
};

async function told(P, program, finish) {
  const said = [];
  program(P, (...values) => said.push(values.join(" ")));
  await finish();
  return said;
}

for (const [name, program] of Object.entries(PROGRAMS)) {
  test(name, async () => {
    // Node of version 20 has no Promise.withResolvers.
    Promise.withResolvers ??= Own.withResolvers;
    const expected = await told(Promise, program, () => new Promise((resolve) => setImmediate(resolve)));
    // Nothing settles it, so everything else has run when that is noticed.
    const found = await told(Own, program, () => assert.throws(() => settled(() => new Own(() => {}))));
    assert.ok(expected.length > 0);
    assert.deepEqual(found, expected);
  });
}

test("a promise that nothing settles is an error, not a wait", () => {
  assert.throws(() => settled(() => new Own(() => {})), /nothing will ever settle/);
});

test("what is no promise is there at once", () => {
  assert.equal(settled(() => 7), 7);
  assert.equal(settled(() => null), null);
  assert.throws(() => settled(() => { throw new RangeError("x"); }), RangeError);
});

test("what is rejected is thrown, whatever it is", () => {
  assert.throws(() => settled(() => Own.reject(new RangeError("x"))), RangeError);
  assert.equal(settled(() => Own.resolve(undefined)), undefined);
  assert.throws(() => settled(() => Own.reject(undefined)), (error) => error === undefined);
});

test("a hundred thousand awaits hold on to nothing", () => {
  let chain = Own.resolve(0);
  const turns = 100_000;
  const again = (count) => (count < turns ? Own.resolve(count + 1).then(again) : count);
  assert.equal(settled(() => chain.then(again)), turns);
});

test("jobs run in the order in which they were queued", () => {
  const said = [];
  for (let job = 0; job < 5000; job++) queueMicrotask(() => said.push(job));
  settled(() => Own.resolve());
  assert.deepEqual(said, said.toSorted((a, b) => a - b));
  assert.equal(said.length, 5000);
});
