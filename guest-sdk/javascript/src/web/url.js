// URL (WHATWG) of http and https, which is where an action can go. Names of hosts are ASCII: others come as `xn--…`.

import { URLSearchParams } from "./params.js";
import { percentDecoded, percentEncoded } from "./percent.js";

const PORTS = { "http:": "80", "https:": "443" };
/** What each part percent-encodes besides controls, blanks and what is not ASCII. */
const UNSAFE = { userinfo: `"#<>?\`{}/:;=@[\\]^|`, path: `"#<>?\`{}^`, query: `"#<>'`, hash: `"<>\`` };
const HOST = /^(?:[a-z0-9_.~!$&'()*+,;=-]+|\[[0-9a-f:.]+\])$/;
const PARTS = /^([^/?#]*)([^?#]*)(\?[^#]*)?(#[\s\S]*)?$/;

const refuse = (url) => {
  throw new TypeError(`\`${url}\` is no URL of http or https`);
};

function host(text, url) {
  const name = text.startsWith("[") ? text.toLowerCase() : percentDecoded(text).toLowerCase();
  if (!HOST.test(name)) refuse(url);
  const labels = name.replace(/\.$/, "").split(".");
  // A name that ends in a number is an address.
  return /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1)) ? address(labels, url) : name;
}

function address(labels, url) {
  const numbers = labels.map((label) => {
    if (!/^(?:0x[0-9a-f]*|\d+)$/.test(label)) refuse(url);
    if (label.startsWith("0x")) return parseInt(label.slice(2) || "0", 16);
    const octal = label.length > 1 && label.startsWith("0");
    if (octal && /[89]/.test(label)) refuse(url);
    return parseInt(label, octal ? 8 : 10);
  });
  const last = numbers.pop();
  if (numbers.length > 3 || numbers.some((number) => number > 255) || last >= 256 ** (4 - numbers.length)) refuse(url);
  const value = numbers.reduce((sum, number, index) => sum + number * 256 ** (3 - index), last);
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function path(text) {
  const segments = [];
  const parts = text.replaceAll("\\", "/").split("/").slice(1);
  parts.forEach((part, index) => {
    const isLast = index === parts.length - 1;
    const plain = part.replace(/%2e/gi, ".");
    if (plain === "..") segments.pop();
    else if (plain !== ".") return segments.push(percentEncoded(part, UNSAFE.path));
    if (isLast) segments.push("");
  });
  return `/${segments.join("/")}`;
}

function authority(text, protocol, url) {
  const [, credentials = "", place] = /^(?:([\s\S]*)@)?([^@]*)$/.exec(text) ?? refuse(url);
  const [, name, port = ""] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(place) ?? refuse(url);
  const [username, ...password] = credentials.split(":");
  if (Number(port) > 65535 || name === "") refuse(url);
  const number = port === "" ? "" : String(Number(port));
  return {
    username: percentEncoded(username, UNSAFE.userinfo),
    password: percentEncoded(password.join(":"), UNSAFE.userinfo),
    hostname: host(name, url),
    port: number === PORTS[protocol] ? "" : number,
  };
}

function parsed(given, base) {
  const text = given.replace(/^[\0- ]+|[\0- ]+$/g, "").replace(/[\t\n\r]/g, "");
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1].toLowerCase();
  if (scheme && !(`${scheme}:` in PORTS)) refuse(given);
  if (!scheme && !base) refuse(given);
  const protocol = scheme ? `${scheme}:` : base.protocol;
  const rest = scheme ? text.slice(scheme.length + 1) : text;
  const isRelative = base && (!scheme || protocol === base.protocol) && !/^[/\\]{2}/.test(rest);
  if (isRelative) return { ...base, ...relative(rest, base) };
  const [, before, after, query = "", fragment = ""] = PARTS.exec(slashed(rest));
  return { protocol, ...authority(before, protocol, given), pathname: path(after || "/"), ...tail(query, fragment) };
}

/** Without the slashes in front; backslashes are slashes up to the query. */
function slashed(text) {
  const [, front, end] = /^([^?#]*)([\s\S]*)$/.exec(text);
  return front.replaceAll("\\", "/").replace(/^\/+/, "") + end;
}

function relative(text, base) {
  const [, front, query, fragment = ""] = /^([^?#]*)(\?[^#]*)?(#[\s\S]*)?$/.exec(text);
  const ends = tail(query ?? (front === "" ? base.search : ""), fragment);
  if (front === "") return { ...ends, search: query === undefined ? base.search : ends.search };
  const from = /^[/\\]/.test(front) ? front : base.pathname.replace(/[^/]*$/, "") + front;
  return { pathname: path(from), ...ends };
}

/** With their signs, which stay in the text even when nothing follows them. */
const tail = (query, fragment) => ({
  search: query && `?${percentEncoded(query.slice(1), UNSAFE.query)}`,
  hash: fragment && `#${percentEncoded(fragment.slice(1), UNSAFE.hash)}`,
});

const unlessBare = (text) => (text.length > 1 ? text : "");

export class URL {
  #parts;
  #params;

  constructor(url, base) {
    this.#parts = parsed(String(url), base === undefined ? null : new URL(base).#parts);
  }

  static parse(url, base) {
    try {
      return new URL(url, base);
    } catch {
      return null;
    }
  }

  static canParse(url, base) {
    return URL.parse(url, base) !== null;
  }

  get searchParams() {
    this.#params ??= new URLSearchParams(this.search, () => {
      const text = String(this.#params);
      this.#parts = { ...this.#parts, search: text && `?${text}` };
    });
    return this.#params;
  }

  get protocol() {
    return this.#parts.protocol;
  }

  get username() {
    return this.#parts.username;
  }

  get password() {
    return this.#parts.password;
  }

  get hostname() {
    return this.#parts.hostname;
  }

  get port() {
    return this.#parts.port;
  }

  get host() {
    return this.port ? `${this.hostname}:${this.port}` : this.hostname;
  }

  get origin() {
    return `${this.protocol}//${this.host}`;
  }

  get pathname() {
    return this.#parts.pathname;
  }

  set pathname(value) {
    this.#parts = { ...this.#parts, pathname: path(`/${String(value).replace(/^[/\\]/, "")}`) };
  }

  get search() {
    return unlessBare(this.#parts.search);
  }

  set search(value) {
    const text = String(value);
    const { search } = tail(text && `?${text.replace(/^\?/, "")}`, "");
    this.#parts = { ...this.#parts, search };
    this.#params = undefined;
  }

  get hash() {
    return unlessBare(this.#parts.hash);
  }

  set hash(value) {
    const text = String(value);
    const { hash } = tail("", text && `#${text.replace(/^#/, "")}`);
    this.#parts = { ...this.#parts, hash };
  }

  get href() {
    const { username, password } = this.#parts;
    const credentials = username || password ? `${username}${password && `:${password}`}@` : "";
    const { search, hash } = this.#parts;
    return `${this.protocol}//${credentials}${this.host}${this.pathname}${search}${hash}`;
  }

  toString() {
    return this.href;
  }

  toJSON() {
    return this.href;
  }
}
