/**
 * Owns that one data directory has one gateway: two would number the same session's events twice (D1).
 * SQLite holds the lock, and the operating system lets go of it when the process dies, however it dies.
 */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** Takes the lock, or throws a sentence that says who may hold it. Call the result to let go. */
export function lockDataDir(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true });
  const database = new Database(join(dataDir, "gateway.lock"), { create: true, readwrite: true });
  try {
    database.run("PRAGMA busy_timeout = 0");
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!/locked|busy/i.test(String(error))) throw error;
    throw new Error(
      `another gateway already uses ${dataDir}; stop it or choose another directory with --data-dir`,
    );
  }
  return () => database.close();
}
