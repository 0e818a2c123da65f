// What a component has of the web is what Node has of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { refused, run } from "fusebox-sdk/testing";
import { console } from "../src/console.js";
import { structuredClone as clone } from "../src/web/clone.js";
import { Headers as OwnHeaders, Response as OwnResponse, fetch as ownFetch } from "../src/web/fetch.js";
import { URLSearchParams as OwnParams } from "../src/web/params.js";
import { TextDecoder as OwnDecoder, TextEncoder as OwnEncoder } from "../src/web/text.js";
import { URL as OwnURL } from "../src/web/url.js";

const PARTS = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];

const told = (URL, url, base) => {
  try {
    const made = new URL(url, base);
    return Object.fromEntries(PARTS.map((part) => [part, made[part]]));
  } catch (error) {
    return error.constructor.name;
  }
};

const URLS = [
  "https://example.com", "HTTPS://Example.COM:443/", "http://example.com:80/a", "http://example.com:8080", "http://user:p%40ss@host/x",
  "http://u@h/", "https://h/a/../b/./c", "https://h/a/..", "https://h/%2e%2E/x", "https://h/a//b", "https://h?x=1#y", "https://h/ü?ü#ü",
  "https://h/a b?c d#e f", "https://h/?a'b\"c<d>", "https:\\\\h\\a\\b?c\\d", "https:h/a", "https:///h/a", " https://h/x \n", "https://h/\ta\n",
  "http://127.0.0.1/", "http://0x7f.1/", "http://2130706433/", "http://010.1.1.1/", "http://256.1.1.1/", "http://1.2.3.4.5/", "http://08.1/",
  "http://[::1]:3000/", "http://h:99999/", "http://h:/", "http://h:0080/", "http://a@b@c/", "http:///", "http://", "x", "", "http://a b/",
  "http://a%41/", "http://exa%23mple/", "https://h/?", "https://h/#", "https://h/`{}|", "https://h/?^`{}|", "https://h/#^`{}|", "http://h./x",
  "http://h/a?b?c#d#e", "http://under_score.test/", "https://h/%zz%", "https://user:@h/", "https://:p@h/",
];

test("a URL has the parts that it has elsewhere", () => {
  for (const url of URLS) assert.deepEqual(told(OwnURL, url), told(URL, url), url);
});

test("a relative URL leads where it leads elsewhere", () => {
  const bases = ["https://h/a/b/c?d#e", "http://u:p@h:8080", "https://h/"];
  const steps = ["", "x", "./x", "../x", "../../../x", "/x", "//other/x", "?q", "#f", "x?y#z", "https:x", "http://z/", ".", "..", "\\x", "/", "%2e%2e/x"];
  for (const base of bases) for (const step of steps) assert.deepEqual(told(OwnURL, step, base), told(URL, step, base), `${step} on ${base}`);
});

test("what is no place to go is refused with words", () => {
  assert.throws(() => new OwnURL("ftp://h/"), /`ftp:\/\/h\/` is no URL of http or https/);
  assert.equal(OwnURL.canParse("nowhere"), false);
});

test("parameters change their URL, and the other way round", () => {
  const same = (use) => {
    const [own, node] = [new OwnURL("https://h/p?a=1&a=2&b=ü+x"), new URL("https://h/p?a=1&a=2&b=ü+x")];
    assert.deepEqual(use(own), use(node));
    assert.equal(own.href, node.href);
  };
  same((url) => url.searchParams.append("ü", "a b&c=d*~'"));
  same((url) => url.searchParams.set("a", "3"));
  same((url) => url.searchParams.delete("a"));
  same((url) => [url.searchParams.getAll("a"), url.searchParams.get("b"), url.searchParams.has("c"), url.searchParams.size]);
  same((url) => ((url.search = "x=1"), url.searchParams.get("x")));
  same((url) => ((url.hash = "ü"), (url.pathname = "a/../b c"), url.searchParams.sort()));
  same((url) => [...url.searchParams.entries()].join());
});

test("parameters are written and read as elsewhere", () => {
  for (const init of ["?a=1&b", "a=%F0%9F%8E%88&a", "a=b=c&&=x", "%zz=%", "a+b=c%20d", { a: 1, b: "ü" }, [["a", "1"], ["a", "2"]]]) {
    assert.equal(String(new OwnParams(init)), String(new URLSearchParams(init)));
  }
});

test("text becomes bytes and bytes become text", () => {
  assert.deepEqual(new OwnEncoder().encode("grün 🎈"), new TextEncoder().encode("grün 🎈"));
  assert.equal(new OwnDecoder().decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41)), "A");
  assert.equal(new OwnDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41)), "\ufeffA");
  assert.throws(() => new OwnDecoder("latin1"), RangeError);
  assert.throws(() => new OwnDecoder("utf8", { fatal: true }).decode(Uint8Array.of(0xff)), TypeError);
});

test("clones are as deep and as strict as elsewhere", () => {
  const value = { date: new Date(5), map: new Map([[1, { a: new Set(["x"]) }]]), bytes: Uint8Array.of(1, 2), re: /x/g, list: [1, , 3] };
  value.self = value;
  assert.deepEqual(clone(value), structuredClone(value));
  assert.notEqual(clone(value).map, value.map);
  assert.throws(() => clone({ f() {} }), { name: "DataCloneError" });
});

test("headers are found whatever their case", () => {
  const headers = new OwnHeaders({ "X-Key": " k ", accept: "a" });
  headers.append("ACCEPT", "b");
  assert.deepEqual([...headers], [...new Headers([["X-Key", " k "], ["accept", "a"], ["accept", "b"]])]);
  headers.delete("Accept");
  assert.deepEqual([headers.get("accept"), headers.has("x-KEY")], [null, true]);
});

test("fetch goes the host's way and answers as elsewhere", async () => {
  const post = async () => {
    const answer = await ownFetch(new OwnURL("https://api.test/x"), { method: "post", headers: { a: "b" }, body: new OwnParams({ q: "ü" }) });
    return [answer.status, answer.ok, answer.headers.get("content-type"), await answer.json(), answer.bodyUsed];
  };
  const report = await run(post, { http: () => ({ status: 404, headers: { "Content-Type": "application/json" }, body: { no: 1 } }) });
  assert.deepEqual(report.output, [404, false, "application/json", { no: 1 }, true]);
  const [{ method, url, headers, body }] = report.requests;
  assert.deepEqual([method, url, body], ["POST", "https://api.test/x", "q=%C3%BC"]);
  assert.equal(headers["content-type"], "application/x-www-form-urlencoded;charset=UTF-8");
});

test("a fetch that fails has the host's reason, and is tried again when that may help", async () => {
  const get = () => ownFetch("https://api.test");
  const caught = await run(() => get().catch((error) => [error instanceof TypeError, error.cause.kind]));
  assert.deepEqual(caught.output, [true, "denied"]);
  assert.equal((await run(get)).failure.retry, false);
  assert.equal((await run(get, { http: () => refused("timeout", "no answer") })).failure.retry, true);
});

test("what is printed is a line of the log, with fields when it has the form of one", async () => {
  const report = await run(() => {
    console.info("charged", { amount: 5 });
    console.log("list", [1], { a: 1 }, undefined, new RangeError("odd").message);
    console.error(new RangeError("odd"));
    console.warn({ toJSON: () => undefined });
  });
  const [charged, list, error, odd] = report.logs;
  assert.deepEqual(charged, { level: "info", message: "charged", fields: { amount: 5 } });
  assert.deepEqual([list.message, list.fields], ['list [1] {"a":1} undefined odd', {}]);
  assert.match(error.message, /^RangeError: odd\n\s+at /);
  assert.deepEqual([odd.level, odd.message], ["warn", "[object Object]"]);
});

test("a body is read once", async () => {
  const response = new OwnResponse("x");
  assert.equal(await response.text(), "x");
  await assert.rejects(response.text(), /read already/);
  assert.throws(() => new OwnResponse({}), /JSON.stringify/);
});
