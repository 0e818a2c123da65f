// structuredClone, without what an action cannot have: no transfer, no platform objects.

export function structuredClone(value) {
  return copy(value, new Map());
}

function copy(value, seen) {
  if (typeof value === "function" || typeof value === "symbol") throw new DOMException(`a ${typeof value} cannot be cloned`, "DataCloneError");
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const kept = (made) => (seen.set(value, made), made);
  if (value instanceof Date) return kept(new Date(value.getTime()));
  if (value instanceof RegExp) return kept(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return kept(value.slice(0));
  if (value instanceof DataView) return kept(new DataView(copy(value.buffer, seen), value.byteOffset, value.byteLength));
  if (ArrayBuffer.isView(value)) return kept(new value.constructor(copy(value.buffer, seen), value.byteOffset, value.length));
  if (value instanceof Map) {
    const made = kept(new Map());
    for (const [key, each] of value) made.set(copy(key, seen), copy(each, seen));
    return made;
  }
  if (value instanceof Set) {
    const made = kept(new Set());
    for (const each of value) made.add(copy(each, seen));
    return made;
  }
  if (value instanceof Error) {
    const made = kept(new value.constructor(value.message));
    if ("cause" in value) made.cause = copy(value.cause, seen);
    return made;
  }
  const made = kept(Array.isArray(value) ? new Array(value.length) : {});
  for (const key of Object.keys(value)) made[key] = copy(value[key], seen);
  return made;
}
