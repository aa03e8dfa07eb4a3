/** Owns the tidy rules' view of the repository: its text files, and what each source file imports. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface SourceFile {
  /** From the root, with `/`, e.g. `packages/concord/src/core/policy.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** Why it cannot be read as a program: then nobody knows what it imports. */
  readonly problem?: string;
}

export interface Import {
  /** As written, e.g. `./types.ts` or `effect`. */
  readonly specifier: string;
  /** The file it names, from the root, for relative imports; undefined for packages. */
  readonly file: string | undefined;
  /** From 1: where it stands first. */
  readonly line: number;
  /** Only a type is taken from it. */
  readonly isType: boolean;
}

export interface Manifest {
  readonly path: string;
  readonly name: string;
  readonly dependencies: ReadonlySet<string>;
}

export interface Project {
  readonly sources: readonly SourceFile[];
  readonly documents: readonly { readonly path: string; readonly text: string }[];
  readonly manifests: readonly Manifest[];
  readonly exists: (path: string) => boolean;
}

/** One thing to mend: where, and what to do. */
export interface Finding {
  readonly rule: string;
  readonly path: string;
  /** From 1; absent where the finding is about the whole file. */
  readonly line?: number;
  readonly message: string;
}

export type Rule = (project: Project) => readonly Finding[];

/** Statements, those that only types need included. */
const STATEMENT =
  /^[ \t]*(?:import|export)\s(?:[^'"`;]*?(?:\sfrom|\}from|\*from|=\s*require\()\s*)?["']([^"'$\n]+)["']|^[ \t]*\}\s*from\s*["']([^"'$\n]+)["']/gm;
/** A type that names its module: gone before a program runs, and a dependency all the same. */
const IN_TYPE = /(?:[:=<|&,(]|\btypeof|\bextends)\s*import\(\s*["']([^"'$\n]+)["']/g;

const parsers = {
  ts: new Bun.Transpiler({ loader: "ts" }),
  tsx: new Bun.Transpiler({ loader: "tsx" }),
};

/** What a file imports in any form, each module once, or why that cannot be known. */
export function readImports(path: string, text: string): Pick<SourceFile, "imports" | "problem"> {
  const found = new Map<string, Place>();
  const note = (specifier: string, at: number, isType: boolean) => {
    const known = found.get(specifier) ?? { at, isType };
    found.set(specifier, { at: Math.min(known.at, at), isType: known.isType && isType });
  };
  for (const match of text.matchAll(STATEMENT)) {
    const specifier = match[1] ?? match[2] ?? "";
    const isType = /^\s*(?:import|export)\s+type\s/.test(match[0]);
    note(specifier, text.indexOf(specifier, match.index), isType);
  }
  for (const match of text.matchAll(IN_TYPE)) note(match[1] ?? "", match.index, true);
  try {
    const parser = path.endsWith(".tsx") ? parsers.tsx : parsers.ts;
    for (const { path: specifier } of parser.scanImports(text.replace(/^#!/, "//"))) {
      note(specifier, found.get(specifier)?.at ?? placeOf(text, specifier), false);
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    return { imports: importsOf(path, text, found), problem };
  }
  return { imports: importsOf(path, text, found) };
}

function placeOf(text: string, specifier: string): number {
  return Math.max(0, text.search(new RegExp(`["']${RegExp.escape(specifier)}["']`)));
}

interface Place {
  readonly at: number;
  readonly isType: boolean;
}

function importsOf(
  path: string,
  text: string,
  found: ReadonlyMap<string, Place>,
): readonly Import[] {
  return [...found].map(([specifier, { at, isType }]) => ({
    specifier,
    isType,
    line: text.slice(0, at).split("\n").length,
    file: specifier.startsWith(".")
      ? normalize(join(dirname(path), specifier)).replaceAll("\\", "/")
      : undefined,
  }));
}

/** Reads what git tracks, and the new files that it does not ignore. */
export function readProject(root: string): Project {
  const { stdout } = Bun.spawnSync(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    { cwd: root },
  );
  const paths = stdout
    .toString()
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(root, path)));
  const read = (path: string) => readFileSync(join(root, path), "utf8");
  const sources = paths
    .filter((path) => /\.(ts|tsx|mjs)$/.test(path) && !path.endsWith(".d.ts"))
    .map((path) => ({ path, text: read(path) }))
    .map(({ path, text }) => ({ path, text, ...readImports(path, text) }));
  const documents = paths
    .filter((path) => path.endsWith(".md"))
    .map((path) => ({ path, text: read(path) }));
  const manifests = paths
    .filter((path) => path.endsWith("package.json"))
    .map((path) => readManifest(path, read(path)));
  return { sources, documents, manifests, exists: (path) => existsSync(join(root, path)) };
}

function readManifest(path: string, text: string): Manifest {
  const json: Record<string, unknown> = JSON.parse(text);
  const groups = [
    "dependencies",
    "devDependencies",
    "peerDependencies",
    "optionalDependencies",
  ].map((group) => json[group]);
  const dependencies = new Set(groups.flatMap((group) => Object.keys(group ?? {})));
  return { path, name: String(json["name"]), dependencies };
}

export function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path) || /(^|\/)(test|testing|fixtures)\//.test(path);
}
