import { host } from "./attempt.js";

export default {
  get: (scope, key) => host().get(scope, key),
  set: (scope, key, value, expect) => host().set(scope, key, value, expect),
  delete: (scope, key, expect) => host().remove(scope, key, expect),
  list: (scope, prefix, after, limit) => host().list(scope, prefix, after, limit),
};
