/**
 * Owns which bundle of the gateway may stand for its sources: reading some six hundred modules takes most of a start. It
 * names each file of ours that it was made of with size and time, and the packages as they were installed; when any
 * differs it is passed by. Built by tools/bundle/main.ts, which `npm start` and `npm run build` see to.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

const PACKAGE = join(import.meta.dirname, "..", "..");
const ROOT = join(PACKAGE, "..", "..");
export const BUNDLE_FOLDER = join(PACKAGE, "dist");
export const MANIFEST = join(BUNDLE_FOLDER, "manifest.json");
/** npm writes it with each change of what is installed. */
export const INSTALLED = "node_modules/.package-lock.json";

export interface Manifest {
  /** Where in `dist/` it lies. */
  readonly folder: string;
  readonly bun: string;
  /** Of each file by its path from the repository's root: its size and when it was changed. */
  readonly files: Readonly<Record<string, string>>;
}

/** The path of the bundle's entry, or null if there is none that is made of the sources as they are. */
export function bundleIfCurrent(): string | null {
  const manifest = manifestRead();
  if (manifest?.bun !== Bun.version) return null;
  const isCurrent = Object.entries(manifest.files).every(([path, mark]) => markOf(path) === mark);
  return isCurrent ? join(BUNDLE_FOLDER, manifest.folder, "gateway.js") : null;
}

/** What tells a file from a changed one; null if it is not there. */
export function markOf(path: string): string | null {
  const { size, mtimeMs } = statSync(join(ROOT, path), { throwIfNoEntry: false }) ?? {};
  return size === undefined ? null : `${size}@${mtimeMs}`;
}

function manifestRead(): Manifest | null {
  try {
    return JSON.parse(readFileSync(MANIFEST, "utf8"));
  } catch {
    // Never built, or the build was cut: the sources are as good, only slower.
    return null;
  }
}
