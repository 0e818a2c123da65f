// One file, everything it imports, the kit and the engine: a component that asks for what it uses and nothing else.

import { componentize } from "componentize-qjs";
import { build as bundle } from "esbuild";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { sources } from "./sources.js";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Names of Node and of browsers that a component has from the kit, when it uses them. */
const GLOBALS = here("../src/globals.js");

/** The files of the kit, which are none of the author's. */
const KIT = here("../src/");

/** The engine runs promises too late (see src/loop.js), so what needs its own is turned into what does not. */
const LOWERED = { "async-await": false, "async-generator": false, "for-await": false, "top-level-await": false };

/** What may be imported from the host, and in which version. */
const WASI = "0.2.6";
const OFFERED = /^(fusebox|wasi):[\w-]+\/([\w-]+)$/;
const WORLD = /^world action \{[\s\S]*?^\}/m;

/** The contract: a copy of the repository's, as npm packs nothing from outside of the kit's folder. */
const contract = () => readFile(here("../wit/action.wit"), "utf8");

/** The contract with a world that imports only these interfaces: a component's imports are what it asks for. */
export function narrowed(wit, imports) {
  if (!WORLD.test(wit)) throw new Error("wit/action.wit has no world `action`");
  const own = (name) => /^fusebox:action\/([\w-]+)@/.exec(name)?.[1] ?? name;
  const lines = imports.map((name) => `    import ${own(name)};\n`).join("");
  return wit.replace(WORLD, (world) => world.replace(/^ *import [\w-]+;\n/gm, "").replace(/^ *export /m, `${lines}$&`));
}

function kit(entry, version) {
  const sdk = (path) => ({ path: here(`../src/${path}`), sideEffects: false });
  const versions = { fusebox: version, wasi: WASI };
  const imported = ({ path }) => {
    const [, family] = OFFERED.exec(path) ?? [];
    return family && { path: `${path}@${versions[family]}`, external: true, sideEffects: false };
  };
  const absent = ({ path }) => ({
    errors: [{ text: `\`${path}\` is of Node, which is not there when an action runs` }],
  });
  const builtin = new RegExp(`^(node:.*|${builtinModules.join("|")})$`);
  return {
    name: "fusebox",
    setup(build) {
      build.onResolve({ filter: /^fusebox:author$/ }, () => ({ path: resolve(entry) }));
      build.onResolve({ filter: OFFERED }, imported);
      build.onResolve({ filter: /^fusebox(-sdk)?$/ }, () => sdk("index.js"));
      build.onResolve({ filter: builtin }, absent);
    },
  };
}

/** Bundles the file and turns it into a component at `out`. Gives its size and what it asks for. */
export async function build(entry, out) {
  const wit = await contract();
  const version = /^package fusebox:action@(.+);/m.exec(wit)?.[1];
  const bundled = await bundle({
    entryPoints: [here("../src/entry.js")],
    bundle: true,
    write: false,
    metafile: true,
    outfile: "action.js",
    format: "esm",
    platform: "neutral",
    target: "es2024",
    supported: LOWERED,
    mainFields: ["module", "main"],
    conditions: ["fusebox-component", "module", "import"],
    inject: [GLOBALS],
    charset: "utf8",
    sourcemap: "external",
    logLevel: "warning",
    absWorkingDir: process.cwd(),
    plugins: [kit(entry, version)],
  });
  const asked = bundled.metafile.outputs["action.js"].imports.filter(({ external }) => external).map(({ path }) => path).sort();
  const [map, code] = [/\.map$/, /\.js$/].map((name) => bundled.outputFiles.find(({ path }) => name.test(path)).text);
  const lines = sources(map, (path) => !resolve(path).startsWith(KIT));
  const folder = await mkdtemp(join(tmpdir(), "fusebox-build-"));
  try {
    await cp(here("../wasi"), folder, { recursive: true });
    await writeFile(join(folder, "action.wit"), narrowed(wit, asked));
    const { component } = await componentize({
      witPath: folder,
      world: "action",
      jsSource: `${code}\nglobalThis["fusebox:sources"] = ${JSON.stringify(JSON.stringify(lines))};\n`,
      // Time and randomness come from the context, lines go to the log: the engine's own WASI is left out, unless
      // the action itself waits by WASI's clock.
      stubWasi: !asked.some((path) => path.startsWith("wasi:")),
      // The engine without the component model's async, which a host need not have.
      sync: true,
      optSize: true,
    });
    await mkdir(dirname(resolve(out)), { recursive: true });
    await writeFile(out, component);
    return { bytes: component.length, asked };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
