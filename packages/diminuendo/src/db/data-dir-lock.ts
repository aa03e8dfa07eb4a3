/**
 * Owns that one data directory has one gateway, or several that know of each other: two that do not would number the
 * same session's events twice (D1). SQLite holds the lock, and the operating system lets go of it when the process dies, however it dies.
 */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Takes the lock, or throws a sentence that says who may hold it. Call the result to let go. With `shared`, beside other
 * gateways that share it too.
 */
export function lockDataDir(dataDir: string, shared = false): () => void {
  mkdirSync(dataDir, { recursive: true });
  const database = new Database(join(dataDir, "gateway.lock"), { create: true, readwrite: true });
  try {
    database.run("PRAGMA busy_timeout = 0");
    database.run(shared ? "BEGIN" : "BEGIN EXCLUSIVE");
    // Reading is what takes the shared lock, and the open transaction is what keeps it.
    if (shared) database.query("SELECT COUNT(*) FROM sqlite_schema").get();
  } catch (error) {
    database.close();
    if (!/locked|busy/i.test(String(error))) throw error;
    throw new Error(
      `another gateway already uses ${dataDir}; stop it, choose another directory with --data-dir, or let all of them share it with --broadcast`,
    );
  }
  return () => database.close();
}
