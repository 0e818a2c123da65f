#!/usr/bin/env node
// `fusebox-test [FILE…]`: the tests of an action with Node's test runner, in TypeScript too, whatever Node can read.

import { fail } from "./fail.js";
import { spawnSync } from "node:child_process";
import { build } from "esbuild";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function tests() {
  const names = await readdir("test").catch(() => []);
  return names.filter((name) => /\.test\.[cm]?[jt]s$/.test(name)).map((name) => join("test", name));
}

try {
  const given = process.argv.slice(2);
  const entryPoints = given.length ? given : await tests();
  if (!entryPoints.length) throw new Error("there is no test: write test/NAME.test.js or test/NAME.test.ts");
  const out = await mkdtemp(join(tmpdir(), "fusebox-test-"));
  const alias = { fusebox: here("../src/index.js"), "fusebox/testing": here("../src/testing.js") };
  const shared = { bundle: true, platform: "node", format: "esm", sourcemap: "inline", logLevel: "warning" };
  const options = { entryPoints, outdir: out, outbase: ".", outExtension: { ".js": ".mjs" }, alias, ...shared };
  const { metafile } = await build({ ...options, metafile: true });
  const flags = ["--enable-source-maps", "--test", ...Object.keys(metafile.outputs).map((path) => resolve(path))];
  const { status } = spawnSync(process.execPath, flags, { stdio: "inherit" });
  await rm(out, { recursive: true });
  process.exit(status ?? 1);
} catch (error) {
  fail(error);
}
