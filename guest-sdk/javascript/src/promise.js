// Promises (ECMAScript 2025, 27.2) whose jobs the component's own loop runs.

import { queueMicrotask } from "./loop.js";

const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

class Promise {
  #state = "pending";
  #value;
  #reactions = [];

  constructor(executor) {
    if (typeof executor !== "function") throw new TypeError("a promise is made of a function");
    const { resolve, reject } = this.#settlers();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  static get [Symbol.species]() {
    return this;
  }

  get [Symbol.toStringTag]() {
    return "Promise";
  }

  /** Two functions of which the first one called decides, once. */
  #settlers() {
    let done = false;
    const once = (act) => (value) => {
      if (done) return;
      done = true;
      act(value);
    };
    return { resolve: once((value) => this.#resolve(value)), reject: once((error) => this.#settle("rejected", error)) };
  }

  #resolve(value) {
    if (value === this) return this.#settle("rejected", new TypeError("a promise cannot wait for itself"));
    if (!isObject(value)) return this.#settle("fulfilled", value);
    let then;
    try {
      then = value.then;
    } catch (error) {
      return this.#settle("rejected", error);
    }
    if (typeof then !== "function") return this.#settle("fulfilled", value);
    queueMicrotask(() => {
      const { resolve, reject } = this.#settlers();
      try {
        then.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state, value) {
    this.#state = state;
    this.#value = value;
    const reactions = this.#reactions;
    this.#reactions = [];
    for (const reaction of reactions) queueMicrotask(() => reaction[state](value));
  }

  then(onFulfilled, onRejected) {
    const { promise, resolve, reject } = capability(this.constructor?.[Symbol.species] ?? Promise);
    const after = (handler, pass) => (value) => {
      if (typeof handler !== "function") return pass(value);
      try {
        resolve(handler(value));
      } catch (error) {
        reject(error);
      }
    };
    const reaction = { fulfilled: after(onFulfilled, resolve), rejected: after(onRejected, reject) };
    if (this.#state === "pending") this.#reactions.push(reaction);
    else queueMicrotask(() => reaction[this.#state](this.#value));
    return promise;
  }

  catch(onRejected) {
    return this.then(undefined, onRejected);
  }

  finally(handler) {
    if (typeof handler !== "function") return this.then(handler, handler);
    const kind = this.constructor;
    return this.then(
      (value) => kind.resolve(handler()).then(() => value),
      (error) =>
        kind.resolve(handler()).then(() => {
          throw error;
        }),
    );
  }

  static resolve(value) {
    if (value instanceof Promise && value.constructor === this) return value;
    const { promise, resolve } = capability(this);
    resolve(value);
    return promise;
  }

  static reject(error) {
    const { promise, reject } = capability(this);
    reject(error);
    return promise;
  }

  static withResolvers() {
    return capability(this);
  }

  static try(call, ...values) {
    return new this((resolve) => resolve(call(...values)));
  }

  static all(promises) {
    return gather(this, promises, (index, slots, settle) => [settle.put(index, slots), settle.reject]);
  }

  static allSettled(promises) {
    const kept = (state, name) => (value) => ({ status: state, [name]: value });
    return gather(this, promises, (index, slots, settle) => {
      const put = settle.put(index, slots);
      const [fulfilled, rejected] = [kept("fulfilled", "value"), kept("rejected", "reason")];
      return [(value) => put(fulfilled(value)), (error) => put(rejected(error))];
    });
  }

  static any(promises) {
    const all = (errors) => new AggregateError(errors, "every promise was rejected");
    return gather(this, promises, (index, slots, settle) => [settle.resolve, settle.put(index, slots)], all);
  }

  static race(promises) {
    return new this((resolve, reject) => {
      for (const promise of promises) this.resolve(promise).then(resolve, reject);
    });
  }
}

/** A promise of a kind with the functions that settle it. */
function capability(kind) {
  let resolve, reject;
  const promise = new kind((...settlers) => ([resolve, reject] = settlers));
  return { promise, resolve, reject };
}

/** Waits for several: `reactions` says what each does; when all have put something in their slots, that is the result, or
 * what `failed` makes of it is the error. */
function gather(kind, promises, reactions, failed) {
  const { promise, resolve, reject } = capability(kind);
  const slots = [];
  let open = 1;
  const close = () => {
    open -= 1;
    if (open === 0) failed ? reject(failed(slots)) : resolve(slots);
  };
  const put = (index) => (value) => {
    slots[index] = value;
    close();
  };
  try {
    let index = 0;
    for (const each of promises) {
      open += 1;
      kind.resolve(each).then(...reactions(index++, slots, { put, resolve, reject }));
    }
    close();
  } catch (error) {
    reject(error);
  }
  return promise;
}

export { Promise };
