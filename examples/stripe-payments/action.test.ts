import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "fusebox/testing";
import normalise from "./action.ts";
import paid from "./sample.json" with { type: "json" };
import refund from "./samples/refund.json" with { type: "json" };

test("a payment that succeeded is one of ours, and is passed on", async () => {
  const report = await run(normalise, { payload: paid });
  const payment = {
    kind: "received",
    payment: "pi_3Pq9xE2eZvKYlo2C",
    amount: 4999,
    currency: "EUR",
    customer: "cus_QhZ1",
    order: "A-1042",
    at: "2025-12-31T23:59:00.000Z",
    reason: null,
  };
  assert.deepEqual([report.output, report.event], [payment, null]);
  assert.deepEqual(report.emitted, [{ eventType: "payment_counted", payload: payment, object: null }]);
  assert.deepEqual(report.kv, { [`seen/${paid.id}`]: "" });
});

test("a refund is of the payment, with what was refunded", async () => {
  const { output } = await run(normalise, { payload: refund });
  assert.deepEqual([output.kind, output.payment, output.amount, output.customer], ["refunded", "pi_3Pq9xE2eZvKYlo2C", 1500, "cus_QhZ1"]);
});

test("what was counted before is not counted again", async () => {
  const report = await run(normalise, { payload: paid, kv: { [`seen/${paid.id}`]: "" } });
  assert.deepEqual([report.state, report.output, report.emitted], ["WARNING", { repeated: paid.id }, []]);
});

test("what is about no money is left alone", async () => {
  const report = await run(normalise, { payload: { ...paid, type: "customer.created" } });
  assert.deepEqual([report.state, report.output, report.emitted, report.kv], ["SUCCESS", { ignored: "customer.created" }, [], {}]);
  assert.deepEqual((await run(normalise, { payload: { ...paid, type: "constructor" } })).output, { ignored: "constructor" });
});

test("a test payment does not count where live ones do", async () => {
  const { failure } = await run(normalise, { payload: paid, params: { live: true } });
  assert.deepEqual([failure?.code, failure?.retry], [21, false]);
});

test("a payment without an amount is refused", async () => {
  const { failure } = await run(normalise, { payload: { ...paid, data: { object: { id: "pi_1", currency: "eur" } } } });
  assert.deepEqual([failure?.code, failure?.message], [20, `payment_intent.succeeded ${paid.id} has no amount and currency`]);
});
