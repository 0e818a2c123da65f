// Where an error came from, in the author's files. The build leaves a table of their lines behind.

/** A message is read by people: so many places say enough. */
const PLACES_MAX = 8;

/** @type {any} */
let table = null;

export function trace(stack = "") {
  table ??= JSON.parse(globalThis["fusebox:sources"] ?? "null");
  const places = stack.split("\n").filter((line) => line.trim().startsWith("at "));
  return (table ? places.flatMap(authors) : places).slice(0, PLACES_MAX);
}

/** `at name (engine:user.js:12:3)` as `at name (src/action.ts:7)`, or nothing where it is not the author's. */
function authors(place) {
  const [, name, line] = /^\s*at (.*?) ?\(?[^()\s]*:(\d+):\d+\)?$/.exec(place) ?? [];
  const found = table.lines[Number(line) - 1];
  if (!found) return [];
  const [file, authorsLine] = found;
  return [`    at ${name || "<anonymous>"} (${table.files[file]}:${authorsLine})`];
}
