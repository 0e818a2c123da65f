// The event loop of a component. Its engine would run promises only after the call is over, which is too late for an
// answer; so the build turns async functions into generators, and promises are kept here.

import { Promise } from "./promise.js";

/** So many jobs that have run are let go at once. */
const SWEEP = 1024;

const jobs = [];
let idle = () => false;

export function queueMicrotask(job) {
  jobs.push(job);
}

/** Says what to do when nothing is due: it gives whether there was something. Only who uses timers has any. */
export function whenIdle(next) {
  idle = next;
}

/** Runs what is due until nothing is, then what comes next. */
function turn() {
  for (let next = 0; next < jobs.length; next++) {
    const job = jobs[next];
    if (next === SWEEP) {
      // A long loop of awaits would hold on to all that it did.
      jobs.splice(0, SWEEP + 1);
      next = -1;
    }
    job();
  }
  jobs.length = 0;
  return idle();
}

/** Calls a function and gives what it returns; of a promise, what that comes to. */
export function settled(start) {
  const started = start();
  // What is there at once is not waited for, nor is what else was begun: it ends with the attempt.
  if (typeof started?.then !== "function") return started;
  let end = null;
  const value = (value) => (end = { value });
  const error = (error) => (end = { error });
  Promise.resolve(started).then(value, error);
  while (!end && turn());
  if (!end) throw new Error("the action waits for a promise that nothing will ever settle");
  if ("error" in end) throw end.error;
  return end.value;
}
