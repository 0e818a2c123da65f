/** A `Date` whose present is what `now` says. Everything that is given a time is the engine's own. */
export function attemptsDate(Native, now) {
  function Date(...given) {
    if (!new.target) return new Native(now()).toString();
    return Reflect.construct(Native, given.length ? given : [now()], new.target);
  }
  Object.setPrototypeOf(Date, Native);
  Date.prototype = Native.prototype;
  Object.defineProperty(Date.prototype, "constructor", { value: Date, writable: true, configurable: true });
  Object.defineProperty(Date, "now", { value: now, writable: true, configurable: true });
  return Date;
}
