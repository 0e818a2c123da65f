// `fetch` over the host's HTTP. A call is over when it returns; calls that wait side by side are made one after the other.
(function (host, define) {
  const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

  function headerName(name) {
    const text = String(name);
    if (!TOKEN.test(text)) throw new TypeError(`\`${text}\` is no name of a header`);
    return text.toLowerCase();
  }

  function headerValue(value) {
    const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
    if (/[\0\r\n]/.test(text)) throw new TypeError("the value of a header is one line");
    return text;
  }

  class Headers {
    #pairs = [];

    constructor(init) {
      if (init === undefined || init === null) return;
      if (typeof init !== "object") throw new TypeError("headers are an object, or pairs of a name and a value");
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
    append(name, value) {
      this.#pairs.push([headerName(name), headerValue(value)]);
    }
    set(name, value) {
      this.delete(name);
      this.append(name, value);
    }
    delete(name) {
      const key = headerName(name);
      this.#pairs = this.#pairs.filter(([each]) => each !== key);
    }
    get(name) {
      const key = headerName(name);
      const values = this.#pairs.filter(([each]) => each === key).map(([, value]) => value);
      return values.length === 0 ? null : values.join(", ");
    }
    getSetCookie() {
      return this.#pairs.filter(([name]) => name === "set-cookie").map(([, value]) => value);
    }
    has(name) {
      const key = headerName(name);
      return this.#pairs.some(([each]) => each === key);
    }
    forEach(visit, self) {
      for (const [name, value] of this) visit.call(self, value, name, this);
    }
    *entries() {
      const names = [...new Set(this.#pairs.map(([name]) => name))].sort();
      for (const name of names) {
        if (name === "set-cookie") for (const cookie of this.getSetCookie()) yield [name, cookie];
        else yield [name, this.get(name)];
      }
    }
    *keys() {
      for (const [name] of this.entries()) yield name;
    }
    *values() {
      for (const [, value] of this.entries()) yield value;
    }
    [Symbol.iterator]() {
      return this.entries();
    }
  }

  /** Bytes, and the content type that goes without saying. */
  function bodyOf(value) {
    if (value === undefined || value === null) return [undefined, undefined];
    const bytes = host.bytesOf(value);
    if (bytes !== undefined) return [bytes.slice(), undefined];
    const encode = (text) => new Uint8Array(host.utf8Encode(text));
    if (value instanceof URLSearchParams) {
      return [encode(value.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
    }
    if (typeof value === "object" && String(value) === "[object Object]") {
      throw new TypeError("a body is a text or bytes; send an object as JSON.stringify(object)");
    }
    return [encode(String(value)), "text/plain;charset=UTF-8"];
  }

  class Body {
    #bytes;
    #used = false;

    constructor(bytes) {
      this.#bytes = bytes;
    }
    #take() {
      if (this.#used) throw new TypeError("the body was read already");
      this.#used = this.#bytes !== undefined;
      return this.#bytes ?? new Uint8Array(0);
    }
    get bodyUsed() {
      return this.#used;
    }
    async bytes() {
      return this.#take();
    }
    async arrayBuffer() {
      const bytes = this.#take();
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    }
    async text() {
      return new TextDecoder().decode(this.#take());
    }
    async json() {
      return JSON.parse(await this.text());
    }
    static copy(body) {
      if (body.#used) throw new TypeError("the body was read already");
      return body.#bytes;
    }
  }

  class Request extends Body {
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : undefined;
      const method = String(init.method ?? from?.method ?? "GET");
      const [bytes, type] = init.body === undefined && from ? [Body.copy(from)] : bodyOf(init.body);
      const upper = method.toUpperCase();
      if (bytes !== undefined && (upper === "GET" || upper === "HEAD")) {
        throw new TypeError(`a ${upper} request has no body`);
      }
      super(bytes);
      const headers = new Headers(init.headers ?? from?.headers);
      if (type !== undefined && !headers.has("content-type")) headers.set("content-type", type);
      const known = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"].includes(upper);
      Object.defineProperties(this, {
        url: { value: new URL(from?.url ?? input).href, enumerable: true },
        method: { value: known ? upper : method, enumerable: true },
        headers: { value: headers, enumerable: true },
        signal: { value: init.signal ?? from?.signal, enumerable: true },
      });
    }
    clone() {
      return new Request(this);
    }
  }

  class Response extends Body {
    constructor(body, { status = 200, statusText = "", headers, url = "" } = {}) {
      if (!(Number.isInteger(status) && status >= 100 && status <= 599)) {
        throw new RangeError(`${status} is no status of a response`);
      }
      const [bytes, type] = bodyOf(body);
      super(bytes);
      const kept = new Headers(headers);
      if (type !== undefined && !kept.has("content-type")) kept.set("content-type", type);
      Object.defineProperties(this, {
        status: { value: status, enumerable: true },
        statusText: { value: String(statusText), enumerable: true },
        ok: { value: status >= 200 && status <= 299, enumerable: true },
        headers: { value: kept, enumerable: true },
        url: { value: url, enumerable: true },
        redirected: { value: false, enumerable: true },
        type: { value: "basic", enumerable: true },
      });
    }
    static json(value, init = {}) {
      const headers = new Headers(init.headers);
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
      return new Response(JSON.stringify(value), { ...init, headers });
    }
    clone() {
      return new Response(Body.copy(this), this);
    }
  }

  class AbortSignal {
    #listeners = [];
    aborted = false;
    reason = undefined;
    onabort = null;
    /** As long as a call may take; the host ends it. */
    timeoutMs = undefined;

    static timeout(delayMs) {
      const signal = new AbortSignal();
      signal.timeoutMs = Math.max(0, Number(delayMs) || 0);
      const late = () => new DOMException(`it took more than ${signal.timeoutMs} ms`, "TimeoutError");
      signal.due = host.now() + signal.timeoutMs;
      signal.late = late;
      return signal;
    }
    static abort(reason) {
      const controller = new AbortController();
      controller.abort(reason);
      return controller.signal;
    }
    addEventListener(type, listener) {
      if (type === "abort") this.#listeners.push(listener);
    }
    removeEventListener(type, listener) {
      if (type === "abort") this.#listeners = this.#listeners.filter((each) => each !== listener);
    }
    throwIfAborted() {
      if (!this.aborted && this.due !== undefined && host.now() >= this.due) {
        [this.aborted, this.reason] = [true, this.late()];
      }
      if (this.aborted) throw this.reason;
    }
    static raise(signal, reason) {
      if (signal.aborted) return;
      signal.aborted = true;
      signal.reason = reason ?? new DOMException("it was aborted", "AbortError");
      const event = { type: "abort", target: signal };
      signal.onabort?.(event);
      for (const listener of signal.#listeners) listener.call(signal, event);
    }
  }

  class AbortController {
    signal = new AbortSignal();
    abort(reason) {
      AbortSignal.raise(this.signal, reason);
    }
  }

  async function fetch(input, init) {
    const request = new Request(input, init);
    request.signal?.throwIfAborted();
    const url = new URL(request.url);
    url.hash = "";
    if (url.username !== "" || url.password !== "") {
      throw new TypeError("a URL with a password in it is not fetched; send an authorization header");
    }
    const timeoutMs = request.signal?.due === undefined ? undefined : Math.max(1, request.signal.due - host.now());
    const body = Body.copy(request);
    const answer = host.httpSend(request.method, url.href, [...request.headers].flat(), body, timeoutMs);
    if (answer.error === "timeout") request.signal?.throwIfAborted();
    host.checked("http", answer);
    const headers = new Headers();
    for (let at = 0; at < answer.headers.length; at += 2) headers.append(answer.headers[at], answer.headers[at + 1]);
    return new Response(answer.body, { status: answer.status, headers, url: url.href });
  }

  define("Headers", Headers);
  define("Request", Request);
  define("Response", Response);
  define("AbortSignal", AbortSignal);
  define("AbortController", AbortController);
  define("fetch", fetch);
});
