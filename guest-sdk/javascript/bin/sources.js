// Which line of a bundle came from which line of the author's files, for the messages of errors.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The numbers of one segment of a source map: base 64, five bits at a time, the sign in the lowest. */
function numbers(segment) {
  const found = [];
  let [value, shift] = [0, 0];
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    found.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return found;
}

/**
 * Of a source map (ECMA-426): `{ files, lines }`, where `lines` has for each line of the bundle the index of a file and a
 * line in it, or 0 where it is none of the author's. `isAuthors` says so of a path.
 */
export function sources(map, isAuthors) {
  const { sources, mappings } = JSON.parse(map);
  const files = [];
  const index = sources.map((path) => (isAuthors(path) ? files.push(path) - 1 : null));
  let [source, line] = [0, 0];
  const lines = mappings.split(";").map((segments) => {
    let first = null;
    for (const segment of segments ? segments.split(",") : []) {
      const [, sourceStep = 0, lineStep = 0] = numbers(segment);
      source += sourceStep;
      line += lineStep;
      first ??= index[source] === null ? 0 : [index[source], line + 1];
    }
    return first ?? 0;
  });
  return { files, lines };
}
