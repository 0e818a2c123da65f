#!/usr/bin/env node
// `fusebox-test [FILE…]`: the tests of an action with Node's test runner, in TypeScript too, whatever Node can read.

import { fail } from "./fail.js";
import { spawn } from "node:child_process";
import { build } from "esbuild";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** In the project, so that what a test imports is found from there. */
const OUT = join("node_modules", ".cache", "fusebox-test");

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function tests() {
  const names = await readdir("test").catch(() => []);
  return names.filter((name) => /\.test\.[cm]?[jt]s$/.test(name)).map((name) => join("test", name));
}

try {
  const given = process.argv.slice(2);
  const entryPoints = given.length ? given : await tests();
  if (!entryPoints.length) throw new Error("there is no test: write test/NAME.test.js or test/NAME.test.ts");
  await rm(OUT, { recursive: true, force: true });
  await mkdir(OUT, { recursive: true });
  const alias = { fusebox: here("../src/index.js"), "fusebox/testing": here("../src/testing.js") };
  const shared = { bundle: true, platform: "node", format: "esm", sourcemap: "inline", logLevel: "warning" };
  const options = { entryPoints, outdir: OUT, outbase: ".", outExtension: { ".js": ".mjs" }, alias, ...shared };
  const { metafile } = await build({ ...options, metafile: true });
  const flags = ["--enable-source-maps", "--test", ...Object.keys(metafile.outputs)];
  spawn(process.execPath, flags, { stdio: "inherit" }).on("exit", (code) => process.exit(code ?? 1));
} catch (error) {
  fail(error);
}
