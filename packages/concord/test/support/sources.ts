/** Owns reading the sources themselves: their text, what they import, and what those import. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

export const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
export const SOURCES = "packages/concord/src";

/** What follows `from`, `import`, `import(` and `require(`: types, re-exports and sub-paths included. */
const SPECIFIER = /(?<![\w"'`])(?:from\s*|import\s*\(?\s*|require\s*\(\s*)["']([^"'\n]+)["']/g;

export function importsOf(text: string): readonly string[] {
  return [...text.matchAll(SPECIFIER)].map(([, specifier = ""]) => specifier);
}

export const textOf = (path: string) => readFileSync(join(ROOT, path), "utf8");

export function filesUnder(folder: string, wanted = (path: string) => !path.endsWith(".test.ts")) {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile() && one.name.endsWith(".ts"))
    .map((one) => relative(ROOT, join(one.parentPath, one.name)))
    .filter((path) => !path.includes("node_modules") && wanted(path))
    .sort();
}

/** Relative imports as paths from the root, packages as they are. */
export function targetsOf(path: string): readonly string[] {
  return importsOf(textOf(path)).map((one) =>
    one.startsWith(".") ? normalize(join(dirname(path), one)) : one,
  );
}

/** `file imports target` for every import under `folder` that is `wrong`. */
export function found(folder: string, wrong: (target: string) => boolean): readonly string[] {
  const files = filesUnder(folder);
  expect(files.length).toBeGreaterThan(0);
  return files.flatMap((path) =>
    targetsOf(path)
      .filter(wrong)
      .map((target) => `${path} imports ${target}`),
  );
}

/** Everything that `path` imports, and what that imports, and so on. */
export function closureOf(path: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const target of targetsOf(path)) {
    if (seen.has(target)) continue;
    seen.add(target);
    if (target.endsWith(".ts")) closureOf(target, seen);
  }
  return seen;
}
