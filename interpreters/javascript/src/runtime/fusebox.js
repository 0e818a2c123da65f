// The module `fusebox`, made out of what run.js left. Its types are those of the SDK for JavaScript.
const given = globalThis["fusebox:exports"];
delete globalThis["fusebox:exports"];
export const { action, outcome, Outcome, Reject, Retry, HostError, log, kv, emit, http, budget, random } = given;
