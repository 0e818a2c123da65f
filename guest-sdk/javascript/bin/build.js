#!/usr/bin/env node
// `fusebox-build [ENTRY] [--out FILE]`: an action's file, JavaScript or TypeScript, into a component.

import { fail } from "./fail.js";
import { build } from "./component.js";
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";

const USAGE = `usage: fusebox-build [ENTRY] [--out FILE]

  ENTRY        the file that exports the action; src/action.ts, src/action.js, action.ts or action.js unless told
  --out FILE   the component; dist/NAME.wasm unless told, with the name of the package`;

const ENTRIES = ["src/action.ts", "src/action.js", "action.ts", "action.js"];

async function entryPoint(given) {
  for (const path of given ? [given] : ENTRIES) {
    if (await stat(path).then((found) => found.isFile(), () => false)) return path;
  }
  throw new Error(given ? `there is no file ${given}` : `there is none of ${ENTRIES.join(", ")}; say which file it is`);
}

async function packageName() {
  const text = await readFile("package.json", "utf8").catch(() => "{}");
  return basename(JSON.parse(text).name ?? process.cwd());
}

try {
  const options = { out: { type: "string" }, help: { type: "boolean", short: "h" } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help || positionals.length > 1) {
    console.log(USAGE);
    process.exit(values.help ? 0 : 2);
  }
  const out = values.out ?? join("dist", `${await packageName()}.wasm`);
  const { bytes, asked } = await build(await entryPoint(positionals[0]), out);
  console.log(`${out}: ${bytes} bytes; asks for ${asked.join(", ") || "nothing"}`);
} catch (error) {
  fail(error);
}
