// The attempt that a test runs. Tests may run side by side, so each has its own.

import { AsyncLocalStorage } from "node:async_hooks";

const storage = new AsyncLocalStorage();

export const attempt = () => storage.getStore() ?? null;

export const begin = (attempt) => Object.assign(storage.getStore(), attempt);

/** Calls a function with an attempt around it. */
export const during = (attempt, call) => storage.run(attempt, call);

/** What an action asks of its host in a test, or a word on where it was asked. */
export function host() {
  const running = attempt();
  if (!running) throw new Error("an action asks its host only while it runs: call it with run() of fusebox/testing");
  return running.host;
}
