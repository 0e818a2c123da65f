import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "fusebox/testing";
import tell from "./action.js";
import payload from "./sample.json" with { type: "json" };

const params = { chat_url: "https://chat.example.com/hooks/1", chat_token: "s3cret" };

test("the channel is told who begins when and where", async () => {
  const report = await run(tell, { payload, params, http: () => ({ status: 200 }) });
  const text = "*Stand-up &lt;harbour team&gt;* begins in 5 min (00:05) in Quay 4, meeting room";
  assert.deepEqual(report.output, { text, status: 200 });
  const [{ method, url, headers, body }] = report.requests;
  assert.deepEqual([method, url, headers.authorization], ["POST", params.chat_url, "Bearer s3cret"]);
  assert.deepEqual(JSON.parse(body), { text });
  assert.match(headers["idempotency-key"], /^[0-9a-f-]{36}$/);
});

test("a late message says so, and warns", async () => {
  const late = { ...payload, starts_at: "2025-12-31T23:30:00Z", location: undefined };
  const report = await run(tell, { payload: late, params: { ...params, time_zone_offset: 60 }, http: () => ({}) });
  assert.equal(report.state, "WARNING");
  assert.match(report.output.text, /begins 30 min ago \(00:30\)$/);
});

test("a busy channel is asked again when it says", async () => {
  const busy = await run(tell, { payload, params, http: () => ({ status: 429, headers: { "Retry-After": "7" } }) });
  assert.deepEqual([busy.failure.retry, busy.failure.afterMs], [true, 7000]);
  const down = await run(tell, { payload, params, http: () => ({ status: 503 }) });
  assert.deepEqual([down.failure.retry, down.failure.afterMs], [true, null]);
});

test("a channel that does not want it is not asked again", async () => {
  const { failure } = await run(tell, { payload, params, http: () => ({ status: 404, body: "no such hook" }) });
  assert.deepEqual([failure.retry, failure.code, failure.message], [false, 20, "the channel answered 404: no such hook"]);
});

test("a booking without a start is refused", async () => {
  const { failure, requests } = await run(tell, { payload: { id: "x", starts_at: "soon" }, params });
  assert.deepEqual([failure.code, requests.length], [21, 0]);
});
