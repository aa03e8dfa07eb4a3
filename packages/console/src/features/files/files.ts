/**
 * Owns how an agent's files are listed, shown and handed over. Pure. A file is whatever an agent wrote, so nothing in it is
 * trusted: text is shown as text, a picture only where its first bytes say so, and what is downloaded has no type.
 */
import type { FileContent, FileEntry } from "@concert/sdk";

export interface Folder {
  /** Empty for the workspace itself. */
  readonly path: string;
  readonly files: readonly {
    readonly path: string;
    readonly name: string;
    readonly size: number;
  }[];
}

/** Files by the folder they lie in, the workspace's own first. */
export function foldersOf(entries: readonly FileEntry[]): readonly Folder[] {
  const folders = new Map<string, Folder["files"][number][]>();
  for (const { kind, path, size = 0 } of entries) {
    if (kind !== "file") continue;
    const end = path.lastIndexOf("/");
    const folder = end < 0 ? "" : path.slice(0, end);
    const file = { path, name: path.slice(end + 1), size };
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  return [...folders]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([path, files]) => ({ path, files }));
}

const UNITS = ["bytes", "KB", "MB"] as const;

/** "1 byte", "320 bytes", "1.5 KB". */
export function sizeText(bytes: number): string {
  if (bytes === 1) return "1 byte";
  const step = bytes < 1_000 ? 0 : bytes < 1_000_000 ? 1 : 2;
  const amount = (bytes / 1_000 ** step).toLocaleString(undefined, { maximumFractionDigits: 1 });
  return `${amount} ${UNITS[step]}`;
}

export type Preview =
  | { readonly kind: "text"; readonly text: string; readonly cut: boolean }
  | { readonly kind: "image"; readonly url: string }
  | { readonly kind: "none" };

const TEXT_CHARS_MAX = 100_000;

/** How the first bytes of a picture look in base64. A drawing (SVG) is text: it may carry scripts. */
const PICTURES: readonly (readonly [RegExp, string])[] = [
  [/^iVBORw0KGgo/, "image/png"],
  [/^\/9j\//, "image/jpeg"],
  [/^R0lGOD(dh|lh)/, "image/gif"],
  [/^UklGR.{6}XRUJQ/, "image/webp"],
];

export function previewOf({ content, encoding }: FileContent): Preview {
  if (encoding === "utf8") {
    return {
      kind: "text",
      text: content.slice(0, TEXT_CHARS_MAX),
      cut: content.length > TEXT_CHARS_MAX,
    };
  }
  const type = PICTURES.find(([start]) => start.test(content))?.[1];
  return type === undefined
    ? { kind: "none" }
    : { kind: "image", url: `data:${type};base64,${content}` };
}

/** The file as its bytes are, of no type that a browser would open. */
export function downloadOf({ path, content, encoding }: FileContent): {
  readonly name: string;
  readonly blob: Blob;
} {
  const bytes =
    encoding === "utf8"
      ? new TextEncoder().encode(content)
      : Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
  const name = path.slice(path.lastIndexOf("/") + 1);
  return { name, blob: new Blob([bytes], { type: "application/octet-stream" }) };
}
