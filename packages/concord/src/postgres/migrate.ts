/** Owns bringing the schema `concord` up to date, and saying whether it is. One process migrates at a time. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import type { Pool } from "pg";
import { LOCK_KEYS } from "./lock-keys.ts";

const DIRECTORY = fileURLToPath(new URL("./migrations", import.meta.url));
const TABLE = "migrations";
/** What a server may run as, once an owner migrated; see migrations/0005. */
export const APPLICATION_ROLE = "concord_app";

export async function migrate(pool: Pool): Promise<void> {
  const client = await pool.connect();
  let unlocked = false;
  try {
    // The tool's own lock gives up at once when taken; ours waits for the other process to finish.
    await client.query("SELECT pg_advisory_lock($1)", [LOCK_KEYS.migrate]);
    await runner({
      dbClient: client,
      dir: DIRECTORY,
      direction: "up",
      migrationsTable: TABLE,
      migrationsSchema: "concord",
      createMigrationsSchema: true,
      noLock: true,
      // Numbers are ranges by theme, and no theme needs another's: a database that has later numbers takes earlier ones.
      checkOrder: false,
      log: () => undefined,
    });
    await client.query("SELECT pg_advisory_unlock($1)", [LOCK_KEYS.migrate]);
    unlocked = true;
  } finally {
    // The lock belongs to the session: a connection that may still hold it is closed, never reused.
    client.release(!unlocked);
  }
}

/** Names of migrations that were not applied yet. Throws when the database cannot be reached. */
export async function missingMigrations(pool: Pool): Promise<readonly string[]> {
  const wanted = readdirSync(DIRECTORY).map((file) => file.replace(/\.sql$/, ""));
  const { rows } = await pool.query<{ name: string }>(`SELECT name FROM concord.${TABLE}`);
  return wanted.filter((name) => !rows.some((row) => row.name === name));
}
