// The attempt that runs: a component serves one, then it is gone.

let current = null;

export const attempt = () => current;

export function begin(attempt) {
  current = attempt;
}
