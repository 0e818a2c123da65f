import host from "#host/budget";

/** @type {typeof import("./index.js").budget} */
export const budget = {
  left: () => host.left(),
  cancelled: () => host.cancelled(),
};
