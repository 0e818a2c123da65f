// Of WebCrypto what draws from the attempt's randomness. Good for ids; not for keys: who knows the run can repeat it.

import { randomBytes } from "../clock.js";
import { random } from "../random.js";

export const crypto = {
  randomUUID: random.uuid,

  getRandomValues(array) {
    const view = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    view.set(randomBytes(view.length));
    return array;
  },
};
