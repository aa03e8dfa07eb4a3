/**
 * Owns which names a workspace's files may have: relative, inside, one spelling. Pure.
 * A path is only ever a name in a table, never a place on this machine's disk, so no link can lead out; the rules hold
 * all the same, because clients put files where the names say.
 */
import { ApiError } from "@concert/service-kit";

export const PATH_BYTES_MAX = 512;
export const PARTS_MAX = 20;
const PART_BYTES_MAX = 255;
/** Chronicle answers questions under this name; a file there would hide them. */
const RESERVED = ".chronicle";

/** Control characters, and those that turn text around so that a name reads as another. */
const UNSEEN = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** The one spelling of `raw` (Unicode NFC). Throws `ApiError` 400 `invalid_path`, with the rule that is broken. */
export function filePath(raw: string): string {
  const path = raw.normalize("NFC");
  const problem = problemOf(path);
  if (problem === undefined) return path;
  const message = `"${shortened(path)}" is no path in a workspace: ${problem}.`;
  throw new ApiError(400, "invalid_path", message);
}

/** Like `filePath`; the empty path is the workspace itself. */
export const folderPath = (raw: string): string => (raw === "" ? "" : filePath(raw));

function problemOf(path: string): string | undefined {
  if (path === "") return "it is empty";
  if (/\p{Surrogate}/u.test(path)) return "it has half a character in it";
  if (bytesOf(path) > PATH_BYTES_MAX) return `it has more than ${PATH_BYTES_MAX} bytes`;
  if (UNSEEN.test(path)) return "it has control characters in it";
  if (path.includes("\\")) return "folders are divided by /, not by \\";
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "it must not begin at a root";
  const parts = path.split("/");
  if (parts.length > PARTS_MAX) return `it is more than ${PARTS_MAX} folders deep`;
  if (parts[0] === RESERVED) return `${RESERVED} is reserved`;
  return parts.map(partProblem).find((problem) => problem !== undefined);
}

function partProblem(part: string): string | undefined {
  if (part.trim() === "") return "a part between two / has no name";
  if (part === "." || part === "..") return "it must stay inside: . and .. are not allowed";
  return bytesOf(part) > PART_BYTES_MAX
    ? `a part has more than ${PART_BYTES_MAX} bytes`
    : undefined;
}

const shortened = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
