/** Owns choosing between the two ways to a database on this machine: its local socket where it can be used, else TCP. */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

const LOOPBACK: readonly string[] = ["127.0.0.1", "localhost", "[::1]"];
const DEFAULT_PORT = "5432";

/** `databaseUrl` by the socket of the same port in `folder`; as it is when that is not there, or not for this account. */
export function nearest(databaseUrl: string, folder: string | undefined): string {
  if (folder === undefined) return databaseUrl;
  const url = new URL(databaseUrl);
  const path = join(folder, `.s.PGSQL.${url.port || DEFAULT_PORT}`);
  if (!LOOPBACK.includes(url.hostname) || !isUsable(path)) return databaseUrl;
  url.searchParams.set("host", folder);
  return url.href;
}

function isUsable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
