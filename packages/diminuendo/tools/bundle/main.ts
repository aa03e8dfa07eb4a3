/**
 * Bundles the gateway with its two workers into `dist/`, compiled to bytecode, if that is not so already. Each bundle has
 * a folder of its own and the one before stays, so that a gateway that starts meanwhile finds one whole.
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import {
  BUNDLE_FOLDER,
  bundleIfCurrent,
  INSTALLED,
  MANIFEST,
  type Manifest,
  markOf,
} from "../../src/launch/bundle.ts";

const PACKAGE = join(import.meta.dirname, "..", "..");
const ROOT = join(PACKAGE, "..", "..");
const PREFIX = "gateway-";
const KEPT = 2;
const SOURCES = join(PACKAGE, "src");
const ENTRIES = ["gateway.ts", "db/sqlite-writer.worker.ts", "db/sqlite-reader.worker.ts"];
/** Bytecode is for CommonJS only, which has no `import.meta`. */
const META = "BUNDLE_META";
const META_IS = `const ${META}={url:require("node:url").pathToFileURL(__filename).href,env:process.env};`;

if (bundleIfCurrent() === null) await build();

async function build(): Promise<void> {
  mkdirSync(BUNDLE_FOLDER, { recursive: true });
  const folder = mkdtempSync(join(BUNDLE_FOLDER, PREFIX));
  const built = await Bun.build({
    entrypoints: ENTRIES.map((entry) => join(SOURCES, entry)),
    outdir: folder,
    target: "bun",
    format: "cjs",
    bytecode: true,
    minify: { whitespace: true, syntax: true },
    naming: "[name].[ext]",
    define: { "import.meta": META },
    banner: META_IS,
    metafile: true,
  });
  const inputs = Object.keys(built.metafile?.inputs ?? {});
  const manifest = JSON.stringify(manifestOf(basename(folder), inputs));
  await Bun.write(join(folder, "manifest.json"), manifest);
  renameSync(join(folder, "manifest.json"), MANIFEST);
  forgetOlder();
}

function forgetOlder(): void {
  const bundles = readdirSync(BUNDLE_FOLDER)
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(BUNDLE_FOLDER, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  for (const old of bundles.slice(KEPT)) rmSync(old, { recursive: true, force: true });
}

function manifestOf(folder: string, inputs: readonly string[]): Manifest {
  const ours = inputs
    .map((path) => relative(ROOT, resolve(path)))
    .filter((path) => !path.includes("node_modules"));
  if (ours.length === 0) throw new Error("the bundle does not say what it is made of");
  const marks = [...ours, INSTALLED].map((path) => [path, markOf(path)] as const);
  const files = Object.fromEntries(marks.filter(([, mark]) => mark !== null)) as Manifest["files"];
  return { folder, bun: Bun.version, files };
}
