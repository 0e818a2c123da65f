// Says when a room's air is bad: not at the first reading that is, but when so many in a row are. One that is good again
// begins anew.
//
// Payload: {"room": "…", "co2_ppm": 1250}. params: `limit_ppm` (1000 if it does not say), `in_a_row` (3). The reading that makes it
// bad fires `air_bad`; it and those after it are warnings.

import { Context, Expect, Level, Result, Said, Scope, emit, field, handle, kvGet, kvSet, log, ok, quote, reject, retry, stringOf } from "./fusebox";

export { run, cabi_realloc } from "./fusebox";

// Codes of refusals.
const NO_ROOM: u32 = 10;
const NO_READING: u32 = 11;
const NOT_FIRED: u32 = 12;

/** What a sensor can mean: outside there are some 420, and nobody reads a million. */
const PPM_MAX: f64 = 1_000_000;

/** A number of a JSON object; `otherwise` if there is none, NaN if it is something else. */
function number(json: string, name: string, otherwise: f64): f64 {
  const text = field(json, name);
  if (text === null) return otherwise;
  const first = text.charCodeAt(0);
  return first == 0x2d || (first >= 0x30 && first <= 0x39) ? parseFloat(text) : NaN;
}

function watch(ctx: Context): Result {
  const room = stringOf(field(ctx.payload, "room"));
  if (room === null || room == "") return reject(NO_ROOM, "a reading is of a room");
  const ppm = number(ctx.payload, "co2_ppm", NaN);
  if (!(ppm >= 0 && ppm <= PPM_MAX)) return reject(NO_READING, "a reading has `co2_ppm`, a number from 0 to 1000000");
  const isOver = ppm > number(ctx.params, "limit_ppm", 1000);

  const known = kvGet(Scope.Action, room);
  const before: u32 = known === null ? 0 : <u32>parseInt(known.value);
  const over: u32 = isOver ? before + 1 : 0;
  if (over != before) {
    const expect = known === null ? Expect.Nothing : Expect.Version;
    const written = kvSet(Scope.Action, room, over.toString(), expect, known === null ? 0 : known.version);
    // Two readings of a room at once: the other one was faster.
    if (written.said == Said.Conflict) return retry("another reading of " + room + " was counted meanwhile");
    if (written.said != Said.Done) return reject(NOT_FIRED, written.message);
  }

  const inARow = <u32>number(ctx.params, "in_a_row", 3);
  const reading = '{"room":' + quote(room) + ',"co2_ppm":' + ppm.toString() + ',"in_a_row":' + over.toString() + "}";
  if (over == inARow) {
    const fired = emit("air_bad", reading);
    if (fired.said != Said.Done) return reject(NOT_FIRED, fired.message);
  }
  if (over >= inARow) ctx.warn("the air in " + room + " is bad: " + over.toString() + " readings in a row");
  log(Level.Info, "a reading of " + room, ["co2_ppm", ppm.toString(), "in_a_row", over.toString()]);
  return ok(reading);
}

handle(watch);
