// What a build makes of an action's file, and what it says of one that is none.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { narrowed } from "../bin/component.js";
import { sources } from "../bin/sources.js";
import { trace } from "../src/trace.js";

const BIN = fileURLToPath(new URL("../bin/", import.meta.url));
let folder;

before(async () => (folder = await mkdtemp(join(tmpdir(), "fusebox-test-"))));
after(() => rm(folder, { recursive: true }));

/** Runs a command of the kit in the folder; how it ended and what it said. */
const command = (name, ...values) =>
  new Promise((resolve) => {
    // The runner of these tests tells its children that they are tests; this one begins anew.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
    execFile(process.execPath, [join(BIN, name), ...values], { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, said: stdout + stderr });
    });
  });

const built = async (name, text) => {
  await writeFile(join(folder, name), text);
  return command("build.js", name, "--out", "out.wasm");
};

test("a component asks for what its file uses and nothing else", async () => {
  const quiet = await built("quiet.ts", "export default (payload: { a: number }): number => payload.a;");
  assert.match(quiet.said, /^out.wasm: \d+ bytes; asks for nothing\n$/);
  const file = await readFile(join(folder, "out.wasm"));
  assert.equal(file.subarray(0, 4).toString("latin1"), "\0asm");
  const fetching = await built("fetching.js", 'import { kv } from "fusebox";\nexport default async () => (kv.get("x"), (await fetch("https://x.test")).status);');
  assert.match(fetching.said, /asks for fusebox:action\/http@[\d.]+, fusebox:action\/kv@[\d.]+\n$/);
  const waiting = await built("waiting.js", "export default () => new Promise((resolve) => setTimeout(resolve, 10));");
  assert.match(waiting.said, /asks for wasi:clocks\/monotonic-clock@[\d.]+\n$/);
});

test("what cannot become a component is told with its place", async () => {
  for (const [text, told] of [
    ["export default (", /broken.js:1:16/],
    ['import fs from "node:fs"; export default () => fs;', /`node:fs` is of Node, which is not there when an action runs/],
    ['import fs from "fs"; export default () => fs;', /`fs` is of Node/],
    ['import { nothing } from "fusebox"; export default () => nothing;', /No matching export .* "nothing"/],
    ["await 1; export default () => 1;", /Top-level await is not available/],
    ["export const x = 1;", /an action's file exports its function/],
    ["const now = Date.now(); export default () => now;", /what stands outside of the action's function runs once, when the component is built/],
  ]) {
    const { code, said } = await built("broken.js", text);
    assert.equal(code, 1, text);
    assert.match(said, told);
  }
  const missing = await command("build.js", "nowhere.js");
  assert.deepEqual([missing.code, missing.said], [1, "error: there is no file nowhere.js\n"]);
});

test("tests in TypeScript run natively", async () => {
  const text = `
    import assert from "node:assert/strict";
    import { test } from "node:test";
    import { action, type Context } from "fusebox";
    import { run } from "fusebox/testing";
    const greet = action((payload: { name: string }, ctx: Context) => payload.name + ctx.attempt);
    test("greets", async () => assert.equal((await run(greet, { payload: { name: "Ada" } })).output, "Ada1"));
    test("fails", () => assert.equal(1 as number, 2));`;
  await writeFile(join(folder, "greet.test.ts"), text);
  const { code, said } = await command("tests.js", "greet.test.ts");
  assert.equal(code, 1);
  assert.match(said, /pass 1/);
  assert.match(said, /fail 1/);
});

test("a narrowed world imports what is asked for", () => {
  const wit = "interface a {\n}\nworld action {\n    use types.{context};\n\n    import log;\n    import kv;\n\n    export run: func();\n}\nworld other {\n    import kv;\n}\n";
  const world = narrowed(wit, ["fusebox:action/kv@0.1.0", "wasi:clocks/monotonic-clock@0.2.6"]);
  assert.match(world, /import kv;\n {4}import wasi:clocks\/monotonic-clock@0.2.6;\n {4}export run/);
  assert.doesNotMatch(world, /import log/);
  assert.match(world, /world other \{\n {4}import kv;/);
  assert.throws(() => narrowed("world other {\n}", []), /no world `action`/);
});

test("places in the bundle are places in the author's files", () => {
  // Three lines: the kit's, line 3 of the author's file, and line 2 of it.
  const map = JSON.stringify({ sources: ["kit.js", "action.ts"], mappings: "AAAA;ACEA,CAAC;ADDA;" });
  const lines = sources(map, (path) => path === "action.ts");
  assert.deepEqual(lines, { files: ["action.ts"], lines: [0, [0, 3], 0, 0] });
  globalThis["fusebox:sources"] = JSON.stringify(lines);
  const stack = "    at inner (engine:user.js:2:5)\n    at kit (engine:user.js:1:1)\n    at <anonymous> (engine:user.js:2:9)\n    at next (native)";
  assert.deepEqual(trace(stack), ["    at inner (action.ts:3)", "    at <anonymous> (action.ts:3)"]);
  delete globalThis["fusebox:sources"];
});

test("the contract in the kit is the repository's", async () => {
  const text = (path) => readFile(join(BIN, path), "utf8");
  assert.equal(await text("../wit/action.wit"), await text("../../wit/action.wit"));
});
