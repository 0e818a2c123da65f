// `setTimeout` and `setInterval`: there is nothing to do while an attempt waits, so it sleeps until the next timer is due.

import { attempt } from "#host/attempt";
import { sleep } from "#host/sleep";
import { whenIdle } from "./loop.js";

/** How many timers an attempt may have waiting. */
const TIMERS_MAX = 1000;

let timers = [];
let last = 0;

/** Fires the timer that is due first. The attempt's clock stands still but for this. */
function fire() {
  const timer = timers.shift();
  if (!timer) return false;
  const { clock } = attempt();
  if (timer.due > clock.waited) {
    sleep(timer.due - clock.waited);
    clock.waited = timer.due;
  }
  if (timer.every !== null) wait({ ...timer, due: clock.waited + timer.every });
  timer.run();
  return true;
}

function wait(timer) {
  if (timers.length >= TIMERS_MAX) throw new RangeError(`more than ${TIMERS_MAX} timers are waiting`);
  const place = timers.findIndex((other) => other.due > timer.due);
  timers.splice(place < 0 ? timers.length : place, 0, timer);
}

function start(job, ms, isRepeated, values) {
  whenIdle(fire);
  last += 1;
  const delay = Math.max(0, Number(ms) || 0);
  const every = isRepeated ? Math.max(1, delay) : null;
  wait({ id: last, due: attempt().clock.waited + delay, every, run: () => job(...values) });
  return last;
}

export const setTimeout = (job, ms, ...values) => start(job, ms, false, values);

export const setInterval = (job, ms, ...values) => start(job, ms, true, values);

export function clearTimeout(id) {
  timers = timers.filter((timer) => timer.id !== id);
}

export { clearTimeout as clearInterval };
