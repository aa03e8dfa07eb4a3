/**
 * Owns the local socket of a server: in its data directory, which only its own account and root may enter. A statement
 * costs both sides less over it than over loopback. Refuses to own: listening on TCP, which stays (server.ts).
 */
import { join } from "node:path";

/** What the address of a socket holds on the strictest system, less the end. */
const PATH_BYTES_MAX = 103;

/** Where the server on `dataDir` puts its socket; undefined where it can have none, and TCP is the only way. */
export function socketFolderOf(dataDir: string, port: number): string | undefined {
  const path = join(dataDir, `.s.PGSQL.${port}.lock`);
  const isNameable = Buffer.byteLength(path) <= PATH_BYTES_MAX && !/[",\n]/.test(path);
  return process.platform !== "win32" && isNameable ? dataDir : undefined;
}

/** The same server and database as `url`, by the socket in `folder`. */
export function overSocket(url: string, folder: string): string {
  const local = new URL(url);
  local.searchParams.set("host", folder);
  return local.href;
}
