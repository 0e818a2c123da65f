// What an action is told, made of what the host sends.

import { CODE_INVALID, Reject } from "./failure.js";

export function parsed(what, json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new Reject(`${what}: ${error.message}`, { code: CODE_INVALID });
  }
}

/** Params and input are objects; where nothing was configured there is none, and reading a name of it is no error. */
const settings = (what, json) => parsed(what, json) ?? {};

const reference = (object) => (object ? { objectType: object.objectType, objectId: object.objectId } : null);

export function context(sent) {
  const { root, parent, depth, parentOutcome } = sent.chain;
  return {
    runId: sent.runId,
    attempt: sent.attempt,
    eventId: sent.eventId,
    trigger: sent.trigger,
    eventTime: Number(sent.eventTime),
    tenant: sent.tenant,
    object: reference(sent.object),
    scope: reference(sent.scope),
    params: settings("params", sent.params),
    input: settings("input", sent.input),
    chain: { root, parent: parent ?? null, depth, parentOutcome: parentOutcome ? JSON.parse(parentOutcome) : null },
    budget: {
      fuel: Number(sent.budget.fuel),
      memoryBytes: Number(sent.budget.memoryBytes),
      deadline: Number(sent.budget.deadline),
    },
    now: Number(sent.now),
  };
}
