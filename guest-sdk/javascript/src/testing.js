// Runs an action natively, without any host, in a plain `node --test`.

import { attempt, during } from "./fake/attempt.js";
import { Host } from "./fake/host.js";
import { attemptsDate } from "./date.js";
import { fraction, now } from "./clock.js";
import { HostError, failure } from "./failure.js";
import { call, success } from "./run.js";

const EVENT_ID = "01900000-0000-7000-8000-000000000001";
const RUN_ID = "01900000-0000-7000-8000-000000000002";
/** 2026-01-01T00:00:00Z */
const NOW = 1_767_225_600_000;
const BUDGET = { fuel: 1_000_000_000, memoryBytes: 64 * 2 ** 20, deadline: NOW + 10_000 };

/** While an action runs, time and chance are the attempt's, as they are in a component; elsewhere they are Node's. */
function install() {
  const [NodeDate, nodeRandom] = [Date, Math.random];
  globalThis.Date = attemptsDate(NodeDate, () => (attempt() ? now() : NodeDate.now()));
  Math.random = () => (attempt() ? fraction() : nodeRandom());
}

install();

/** What the host would send: everything but the payload has a sensible value to begin with. */
function sent({ payload = {}, params = {}, input = {}, chain = {}, budget = {}, ...given }) {
  const { parentOutcome = null } = chain;
  return {
    runId: RUN_ID,
    attempt: 1,
    eventId: EVENT_ID,
    trigger: "test",
    eventTime: NOW,
    tenant: "",
    object: null,
    scope: null,
    now: NOW,
    seed: [1, 2],
    ...given,
    payload: JSON.stringify(payload),
    params: JSON.stringify(params),
    input: JSON.stringify(input),
    chain: { root: EVENT_ID, parent: null, depth: 0, ...chain, parentOutcome: parentOutcome && JSON.stringify(parentOutcome) },
    budget: { ...BUDGET, ...budget },
  };
}

const value = (json) => (json === null ? null : JSON.parse(json));

/** Runs an action once. Nothing is thrown: how it ended is in the report. */
export async function run(action, sample = {}) {
  const { kv, http, emit, cancelled, ...context } = sample;
  const sending = sent(context);
  const host = new Host({ kv, http, emit, cancelled, budget: sending.budget });
  const report = { logs: host.logs, emitted: host.emitted, requests: host.requests };
  const before = host.stored();
  try {
    const { output, warnings, event } = success(await during({ host }, async () => call(action, sending)));
    const state = warnings.length ? "WARNING" : "SUCCESS";
    return { ...report, state, output: value(output), warnings, event: value(event), failure: null, kv: host.stored() };
  } catch (error) {
    const { tag, val } = failure(error);
    const failed = tag === "retry" ? { retry: true, code: 1, ...val } : { retry: false, afterMs: null, ...val };
    // What a failed attempt wrote and fired is gone, as it would be.
    host.emitted.length = 0;
    return { ...report, state: "ERROR", output: null, warnings: [], event: null, failure: { ...failed, error }, kv: before };
  }
}

/** What a fake of `http` or `emit` returns to refuse: `refused("denied", "…")`. */
export function refused(kind, message = kind) {
  return new HostError("test", kind, message);
}
