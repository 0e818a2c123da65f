import host from "#host/budget";

export const budget = {
  left: () => host.left(),
  cancelled: () => host.cancelled(),
};
