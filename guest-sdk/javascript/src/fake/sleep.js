/** In a test time passes at once. */
export function sleep() {}
