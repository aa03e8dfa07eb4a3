/**
 * Owns the shape of the two kinds of database and how an older file becomes a current one, on first access.
 * A released step is never edited, only followed by another; `PRAGMA user_version` counts the steps done.
 */
import type { Database } from "bun:sqlite";

const REGISTRY = [
  `CREATE TABLE sessions (
     session_id TEXT PRIMARY KEY, name TEXT NOT NULL, agent_type TEXT NOT NULL, status TEXT NOT NULL,
     created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, archived INTEGER NOT NULL,
     last_seq INTEGER NOT NULL, created_by TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE INDEX sessions_by_update ON sessions (archived, updated_at DESC);
   CREATE INDEX sessions_active ON sessions (status) WHERE status <> 'inactive';
   CREATE TABLE idempotency_keys (
     user_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, session_id TEXT NOT NULL,
     created_at INTEGER NOT NULL, PRIMARY KEY (user_id, key)
   ) WITHOUT ROWID;`,
];

const SESSION = [
  `CREATE TABLE events (
     seq INTEGER PRIMARY KEY, type TEXT NOT NULL, turn_id TEXT, ts INTEGER NOT NULL, frame TEXT NOT NULL
   );
   CREATE TABLE messages (
     message_id TEXT PRIMARY KEY, turn_id TEXT, role TEXT NOT NULL, text TEXT NOT NULL,
     created_at INTEGER NOT NULL
   );
   CREATE TABLE turns (
     turn_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, text TEXT NOT NULL, actor TEXT NOT NULL,
     trace_id TEXT NOT NULL, idempotency_key TEXT, command_id TEXT, stop_actor TEXT, outcome TEXT,
     created_at INTEGER NOT NULL, closed_at INTEGER
   );
   CREATE UNIQUE INDEX turns_by_key ON turns (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
   CREATE UNIQUE INDEX turns_open ON turns (outcome IS NULL) WHERE outcome IS NULL;
   CREATE TABLE approvals (
     approval_id TEXT PRIMARY KEY, turn_id TEXT, command_id TEXT NOT NULL, decision TEXT,
     created_at INTEGER NOT NULL
   );
   CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;`,
];

const STEPS = { registry: REGISTRY, session: SESSION } as const;

/** Brings `database` up to date in one transaction. Throws if a newer program wrote it. */
export function migrate(database: Database, shape: keyof typeof STEPS): void {
  const steps = STEPS[shape];
  const row = database.query<{ user_version: number }, []>("PRAGMA user_version").get();
  const done = row?.user_version ?? 0;
  if (done > steps.length) {
    throw new Error(
      `this ${shape} database is of version ${done}; this program knows ${steps.length}`,
    );
  }
  if (done === steps.length) return;
  database.transaction(() => {
    for (const step of steps.slice(done)) database.run(step);
    database.run(`PRAGMA user_version = ${steps.length}`);
  })();
}
