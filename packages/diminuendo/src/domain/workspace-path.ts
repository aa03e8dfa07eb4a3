/**
 * Owns the gateway's own guard on a path within a workspace: it becomes part of an address at Podium, so it must name
 * something inside, in one spelling. Podium checks again, with all its rules (docs/files.md). Pure.
 */

const UNSAFE = /[\p{Cc}\\]/u;

/** The path as it is asked for, or undefined where it would lead out. "" is the workspace itself. */
export function workspacePath(raw: string): string | undefined {
  const path = raw.normalize("NFC");
  if (path === "") return "";
  const isInside = path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  return isInside && !UNSAFE.test(path) ? path : undefined;
}
