/** Owns the tidy rules' view of the repository: its text files, and what each source file imports. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface SourceFile {
  /** From the root, with `/`, e.g. `packages/concord/src/core/policy.ts`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** As written, e.g. `./types.ts` or `effect`. */
  readonly specifier: string;
  /** The file it names, from the root, for relative imports; undefined for packages. */
  readonly file: string | undefined;
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
  readonly message: string;
}

export type Rule = (project: Project) => readonly Finding[];

const IMPORT =
  /^\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s*)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|^\s*\}\s*from\s*["']([^"']+)["']/gm;

/** The static and dynamic imports in `text`, each once. */
export function scanImports(path: string, text: string): readonly Import[] {
  const specifiers = new Set<string>();
  for (const match of text.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2] ?? match[3];
    if (specifier !== undefined) specifiers.add(specifier);
  }
  return [...specifiers].map((specifier) => ({
    specifier,
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
    .map(({ path, text }) => ({ path, text, imports: scanImports(path, text) }));
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
