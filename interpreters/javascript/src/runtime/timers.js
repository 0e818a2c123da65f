// Timers: they wait for real when there is nothing else to do. `host.turn` runs the next one.
(function (host, define) {
  /** Id to [time, order of its making, callback, arguments, interval]. */
  const timers = new Map();
  let made = 0;

  function add(callback, delayMs, values, repeats) {
    if (typeof callback !== "function") throw new TypeError("a timer takes a function");
    const delay = Math.max(Number(delayMs) || 0, repeats ? 1 : 0);
    made += 1;
    timers.set(made, { due: host.now() + delay, callback, values, interval: repeats ? delay : undefined });
    return made;
  }

  /** Waits for the earliest timer and runs it; `false` when there is none. */
  host.turn = function () {
    let [id, next] = [0, undefined];
    // In the order they were made, so that of those that are due at once the oldest runs first.
    for (const [each, timer] of timers) {
      if (next === undefined || timer.due < next.due) [id, next] = [each, timer];
    }
    if (next === undefined) return false;
    const wait = next.due - host.now();
    if (wait > 0) host.sleep(wait);
    if (next.interval === undefined) timers.delete(id);
    else next.due = Math.max(next.due + next.interval, host.now());
    next.callback.apply(undefined, next.values);
    return true;
  };

  // The engine's own counts from when the component was built.
  delete globalThis.performance;
  define("performance", {
    get timeOrigin() {
      return host.context("now");
    },
    now: () => host.now() - host.context("now"),
  });
  define("setTimeout", (callback, delayMs, ...values) => add(callback, delayMs, values, false));
  define("setInterval", (callback, delayMs, ...values) => add(callback, delayMs, values, true));
  define("clearTimeout", (id) => void timers.delete(id));
  define("clearInterval", (id) => void timers.delete(id));
  define("queueMicrotask", (callback) => {
    if (typeof callback !== "function") throw new TypeError("a microtask is a function");
    Promise.resolve().then(callback).catch(host.uncaught);
  });
});
