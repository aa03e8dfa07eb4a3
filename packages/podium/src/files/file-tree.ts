/** Owns how a workspace's files look as folders: entries below a folder, to a depth. Pure. */

export interface FileEntry {
  readonly path: string;
  readonly kind: "file" | "directory";
  /** Bytes, of a file. */
  readonly size?: number;
}

/**
 * What is at most `depth` steps below `folder` ("" is the workspace), by path; a file is its own only entry.
 * Undefined where nothing is.
 */
export function entriesBelow(
  files: readonly { readonly path: string; readonly size: number }[],
  folder: string,
  depth: number,
): FileEntry[] | undefined {
  const itself = files.find(({ path }) => path === folder);
  if (itself !== undefined) return [{ ...itself, kind: "file" }];
  const start = folder === "" ? "" : `${folder}/`;
  const inside = files.filter(({ path }) => path.startsWith(start));
  if (inside.length === 0 && folder !== "") return undefined;
  const entries = new Map<string, FileEntry>();
  for (const { path, size } of inside) {
    const parts = path.slice(start.length).split("/");
    for (let step = 1; step < parts.length && step <= depth; step += 1) {
      const directory = start + parts.slice(0, step).join("/");
      entries.set(directory, { path: directory, kind: "directory" });
    }
    if (parts.length <= depth) entries.set(path, { path, kind: "file", size });
  }
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
