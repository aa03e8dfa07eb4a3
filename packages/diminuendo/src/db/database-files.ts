/**
 * Owns where databases lie and how they are opened. Names come from identities and registries, yet each is
 * checked again here: this is the last place before the file system.
 */
import { Database } from "bun:sqlite";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseName, WriterCommand } from "./storage.ts";

/** Tenant and session ids that may become a directory name: no separator, no leading dot. */
export const SAFE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

const PLACES = {
  registry: { folder: "tenants", file: "registry.db" },
  session: { folder: "sessions", file: "session.db" },
} as const;

/** Which database a command is written to. */
export function nameOf(command: WriterCommand): DatabaseName {
  return "tenantId" in command
    ? { shape: "registry", id: command.tenantId }
    : { shape: "session", id: command.sessionId };
}

export function databasePath(dataDir: string, { shape, id }: DatabaseName): string {
  if (!SAFE_NAME.test(id)) throw new Error(`"${id.slice(0, 40)}" cannot name a ${shape} database`);
  const { folder, file } = PLACES[shape];
  return join(dataDir, folder, id, file);
}

/** Tenants that have a registry. */
export function tenantIds(dataDir: string): readonly string[] {
  const folder = join(dataDir, PLACES.registry.folder);
  mkdirSync(folder, { recursive: true });
  return readdirSync(folder).filter((name) => SAFE_NAME.test(name));
}

/**
 * What a commit survives. `full`: the loss of power. `normal`: the end of the process; of what power takes only the newest
 * commits are gone, and no other. That is enough for a copy, which says how much of the truth it has.
 */
export type Durability = "full" | "normal";

/** Opens for writing, creating what is missing. */
export function openForWriting(path: string, durability: Durability = "full"): Database {
  mkdirSync(join(path, ".."), { recursive: true });
  const database = new Database(path, { create: true, readwrite: true, strict: true });
  // First of all: already the change of the journal may meet a reader.
  database.run("PRAGMA busy_timeout = 5000");
  database.run("PRAGMA journal_mode = WAL");
  database.run(`PRAGMA synchronous = ${durability}`);
  return database;
}

/** Opens what exists, for queries only. */
export function openForReading(path: string): Database {
  const database = new Database(path, { create: false, readwrite: true, strict: true });
  database.run("PRAGMA busy_timeout = 5000");
  database.run("PRAGMA query_only = ON");
  return database;
}
