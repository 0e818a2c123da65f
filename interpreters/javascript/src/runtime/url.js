// URL and URLSearchParams, as the WHATWG has them; the parser is the host's side of this file.
(function (host, define) {
  /** What a URL's own parameters tell it when they change. */
  const attach = Symbol("attach");
  const refresh = Symbol("refresh");

  class URLSearchParams {
    #pairs = [];
    #changed = () => {};

    constructor(init = "") {
      if (typeof init === "object" && init !== null) {
        const pairs = typeof init[Symbol.iterator] === "function" ? [...init] : Object.entries(init);
        this.#pairs = pairs.map((pair) => {
          const [name, value, ...more] = pair;
          if (value === undefined || more.length > 0) throw new TypeError("pairs of a name and a value are expected");
          return [String(name), String(value)];
        });
      } else {
        this[refresh](String(init));
      }
    }
    [refresh](text) {
      const flat = host.formParse(text.startsWith("?") ? text.slice(1) : text);
      this.#pairs = [];
      for (let at = 0; at < flat.length; at += 2) this.#pairs.push([flat[at], flat[at + 1]]);
    }
    [attach](changed) {
      this.#changed = changed;
    }
    get size() {
      return this.#pairs.length;
    }
    append(name, value) {
      this.#pairs.push([String(name), String(value)]);
      this.#changed();
    }
    delete(name, value) {
      this.#pairs = this.#pairs.filter(([key, each]) => key !== String(name) || (value !== undefined && each !== String(value)));
      this.#changed();
    }
    get(name) {
      return this.#pairs.find(([key]) => key === String(name))?.[1] ?? null;
    }
    getAll(name) {
      return this.#pairs.filter(([key]) => key === String(name)).map(([, value]) => value);
    }
    has(name, value) {
      return this.#pairs.some(([key, each]) => key === String(name) && (value === undefined || each === String(value)));
    }
    set(name, value) {
      const first = this.#pairs.findIndex(([key]) => key === String(name));
      if (first < 0) return this.append(name, value);
      this.#pairs = this.#pairs.filter(([key], at) => at <= first || key !== String(name));
      this.#pairs[first] = [String(name), String(value)];
      this.#changed();
    }
    sort() {
      this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      this.#changed();
    }
    forEach(visit, self) {
      for (const [name, value] of this) visit.call(self, value, name, this);
    }
    *keys() {
      for (const [name] of this.#pairs) yield name;
    }
    *values() {
      for (const [, value] of this.#pairs) yield value;
    }
    *entries() {
      for (const [name, value] of this.#pairs) yield [name, value];
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return host.formSerialize(this.#pairs.flat());
    }
  }

  class URL {
    #href;
    #parameters;

    constructor(url, base) {
      const href = host.urlParse(String(url), base === undefined ? undefined : String(base));
      if (href === undefined) {
        const against = base === undefined ? "" : ` (against \`${base}\`)`;
        throw new TypeError(`\`${url}\` is not a URL${against}`);
      }
      this.#href = href;
    }
    static canParse(url, base) {
      return URL.parse(url, base) !== null;
    }
    static parse(url, base) {
      try {
        return new URL(url, base);
      } catch {
        return null;
      }
    }
    #set(part, value) {
      this.#href = host.urlSet(this.#href, part, String(value));
      if (part !== "hash") this.#parameters?.[refresh](this.search);
    }
    get href() {
      return this.#href;
    }
    set href(value) {
      this.#href = new URL(value).href;
      this.#parameters?.[refresh](this.search);
    }
    get origin() {
      return host.urlPart(this.#href, "origin");
    }
    get searchParams() {
      if (this.#parameters === undefined) {
        const parameters = new URLSearchParams(this.search);
        parameters[attach](() => {
          this.#href = host.urlSet(this.#href, "search", parameters.toString());
        });
        this.#parameters = parameters;
      }
      return this.#parameters;
    }
    toString() {
      return this.#href;
    }
    toJSON() {
      return this.#href;
    }

    get protocol() {
      return host.urlPart(this.#href, "protocol");
    }
    set protocol(value) {
      this.#set("protocol", value);
    }
    get username() {
      return host.urlPart(this.#href, "username");
    }
    set username(value) {
      this.#set("username", value);
    }
    get password() {
      return host.urlPart(this.#href, "password");
    }
    set password(value) {
      this.#set("password", value);
    }
    get host() {
      return host.urlPart(this.#href, "host");
    }
    set host(value) {
      this.#set("host", value);
    }
    get hostname() {
      return host.urlPart(this.#href, "hostname");
    }
    set hostname(value) {
      this.#set("hostname", value);
    }
    get port() {
      return host.urlPart(this.#href, "port");
    }
    set port(value) {
      this.#set("port", value);
    }
    get pathname() {
      return host.urlPart(this.#href, "pathname");
    }
    set pathname(value) {
      this.#set("pathname", value);
    }
    get search() {
      return host.urlPart(this.#href, "search");
    }
    set search(value) {
      this.#set("search", value);
    }
    get hash() {
      return host.urlPart(this.#href, "hash");
    }
    set hash(value) {
      this.#set("hash", value);
    }
  }

  define("URL", URL);
  define("URLSearchParams", URLSearchParams);
});
