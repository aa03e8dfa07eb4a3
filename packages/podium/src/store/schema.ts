/**
 * Owns the tables of `podium.db` and how the file is opened: WAL, one process per file.
 * Refuses to own: what the rows mean (the files beside this one).
 *
 * `synchronous=FULL`: readers keep the event numbers they have seen, so that a commit they may have heard of has
 * to outlast a power cut as well as the death of the process.
 */
import { Database } from "bun:sqlite";

const SCHEMA_VERSION = 6;

const TABLES = `
CREATE TABLE instances (
  instance_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, deployment_id TEXT NOT NULL, agent_type TEXT NOT NULL,
  config TEXT NOT NULL, status TEXT NOT NULL CHECK (status IN ('running', 'stopped')),
  last_event_id INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL
) STRICT;

CREATE TABLE turns (
  turn_seq INTEGER PRIMARY KEY AUTOINCREMENT,
  instance_id TEXT NOT NULL REFERENCES instances, turn_id TEXT NOT NULL, session_id TEXT NOT NULL,
  text TEXT NOT NULL, actor TEXT NOT NULL, trace_id TEXT NOT NULL, history TEXT NOT NULL,
  command_id TEXT UNIQUE, status TEXT NOT NULL CHECK (status IN ('open', 'succeeded', 'cancelled', 'failed')),
  stop_actor TEXT, cancel_answered INTEGER NOT NULL DEFAULT 0, final_text TEXT,
  created_at TEXT NOT NULL, ended_at TEXT,
  UNIQUE (instance_id, turn_id)
) STRICT;
CREATE INDEX turns_open ON turns (turn_seq) WHERE status = 'open';

CREATE TABLE events (
  instance_id TEXT NOT NULL REFERENCES instances, event_id INTEGER NOT NULL, turn_id TEXT NOT NULL,
  event_type TEXT NOT NULL, content TEXT NOT NULL, at TEXT NOT NULL, dedup_key TEXT,
  PRIMARY KEY (instance_id, event_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_dedup ON events (instance_id, dedup_key) WHERE dedup_key IS NOT NULL;

CREATE TABLE thoughts (
  step_key TEXT PRIMARY KEY, instance_id TEXT NOT NULL, turn_id TEXT NOT NULL, message_id TEXT NOT NULL,
  attempts INTEGER NOT NULL, attempt_event_id INTEGER NOT NULL DEFAULT 0, move TEXT,
  input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX thoughts_of_turn ON thoughts (instance_id, turn_id);

CREATE TABLE calls (call_id TEXT PRIMARY KEY, task_name TEXT NOT NULL) STRICT;
CREATE TABLE commands (command_id TEXT PRIMARY KEY, call_id TEXT, task_name TEXT NOT NULL) STRICT;

CREATE TABLE feed_cursor (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL) STRICT;
CREATE TABLE held_events (
  position INTEGER PRIMARY KEY AUTOINCREMENT, root_command_id TEXT NOT NULL, event TEXT NOT NULL
) STRICT;
`;

/** Format 2: a call may be served by a command that another conversation began, and so may its approval. */
const SHARED = `
CREATE TABLE served_calls (
  command_id TEXT NOT NULL, turn_seq INTEGER NOT NULL REFERENCES turns, call_id TEXT NOT NULL,
  PRIMARY KEY (command_id, turn_seq, call_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE open_approvals (
  approval_id TEXT PRIMARY KEY, command_id TEXT NOT NULL, event TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX open_approvals_of_command ON open_approvals (command_id);
`;

/** Format 3: what a person says into a turn under way, and which thought reads it first. */
const STEERS = `
CREATE TABLE steers (
  steer_id TEXT PRIMARY KEY, turn_seq INTEGER NOT NULL REFERENCES turns, text TEXT NOT NULL, step_index INTEGER,
  position INTEGER NOT NULL
) STRICT;
CREATE INDEX steers_of_turn ON steers (turn_seq, position);
`;
/** Format 4: the run of an automation that asked for a turn. */
const CAUSES = "ALTER TABLE turns ADD COLUMN cause TEXT;";

/** Format 5: files that agents write, each as it was, and the calls by which a thought wrote them. */
const WORKSPACES = `
CREATE TABLE workspaces (
  instance_id TEXT PRIMARY KEY REFERENCES instances, iteration INTEGER NOT NULL, kept_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
  tenant_id TEXT NOT NULL, hash TEXT NOT NULL, content BLOB NOT NULL, UNIQUE (tenant_id, hash)
) STRICT;
CREATE TABLE file_iterations (
  instance_id TEXT NOT NULL REFERENCES instances, iteration INTEGER NOT NULL, path TEXT NOT NULL,
  at_ms INTEGER NOT NULL, size INTEGER NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (instance_id, iteration)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_iterations_of_path ON file_iterations (instance_id, path, iteration);
CREATE TABLE files (
  instance_id TEXT NOT NULL REFERENCES instances, path TEXT NOT NULL, size INTEGER NOT NULL,
  PRIMARY KEY (instance_id, path)
) STRICT, WITHOUT ROWID;

CREATE TABLE workspace_rounds (
  turn_seq INTEGER NOT NULL REFERENCES turns, step_index INTEGER NOT NULL, round INTEGER NOT NULL,
  text TEXT NOT NULL, calls TEXT NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
  PRIMARY KEY (turn_seq, step_index, round)
) STRICT, WITHOUT ROWID;
`;

/** Format 6: instances that were removed for good. */
const REMOVALS = `
CREATE TABLE removed_instances (
  instance_id TEXT PRIMARY KEY, tenant_id TEXT NOT NULL, removed_by TEXT NOT NULL, removed_at TEXT NOT NULL,
  turns INTEGER NOT NULL, events INTEGER NOT NULL, files INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX file_iterations_of_hash ON file_iterations (hash);
`;

const STEPS = [TABLES, SHARED, STEERS, CAUSES, WORKSPACES, REMOVALS] as const;

/** Opens (and on first use creates) the database at `path`. Throws when another process holds it. */
export function openDatabase(path: string): Database {
  const db = new Database(path, { create: true, strict: true });
  db.run("PRAGMA locking_mode = EXCLUSIVE");
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = FULL");
  db.run("PRAGMA foreign_keys = ON");
  // What was removed is overwritten: it must not be found in the file's free pages.
  db.run("PRAGMA secure_delete = ON");
  const row = db.query<{ user_version: number }, []>("PRAGMA user_version").get();
  const version = row?.user_version ?? 0;
  if (version === SCHEMA_VERSION) return db;
  if (version > SCHEMA_VERSION) {
    db.close();
    throw new Error(
      `${path} has format ${version}; this Podium reads format ${SCHEMA_VERSION}. Start the Podium that wrote it, or choose another --data-dir.`,
    );
  }
  db.transaction(() => {
    for (const step of STEPS.slice(version)) db.run(step);
    db.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }).immediate();
  return db;
}
