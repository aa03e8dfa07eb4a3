/**
 * Owns the shape of the three kinds of database and how an older file becomes a current one, on first access.
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
  `CREATE TABLE answers (
     user_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, answer TEXT NOT NULL,
     created_at INTEGER NOT NULL, PRIMARY KEY (user_id, key)
   ) WITHOUT ROWID;
   CREATE TABLE doomed_sessions (session_id TEXT PRIMARY KEY) WITHOUT ROWID;
   CREATE TABLE members (
     user_id TEXT PRIMARY KEY, email TEXT NOT NULL, role TEXT NOT NULL, source TEXT NOT NULL,
     removed INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE invitations (
     email TEXT PRIMARY KEY, role TEXT NOT NULL, invited_by TEXT NOT NULL, expires_at INTEGER NOT NULL
   ) WITHOUT ROWID;`,
  `CREATE TABLE entries (
     place INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, turn_id TEXT,
     at INTEGER NOT NULL
   );
   CREATE TABLE postings (
     entry TEXT NOT NULL REFERENCES entries (name), account TEXT NOT NULL, microcredits INTEGER NOT NULL
   );
   CREATE INDEX postings_of_entry ON postings (entry);
   CREATE TABLE accounts (account TEXT PRIMARY KEY, microcredits INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE reservations (
     turn_id TEXT PRIMARY KEY, session_id TEXT NOT NULL, held INTEGER NOT NULL, created_at INTEGER NOT NULL,
     closed_at INTEGER
   ) WITHOUT ROWID;
   CREATE INDEX reservations_held ON reservations (turn_id) WHERE closed_at IS NULL;`,
  `CREATE TABLE claims (number INTEGER PRIMARY KEY, gateway_id TEXT NOT NULL, claimed_at INTEGER NOT NULL);`,
  `ALTER TABLE reservations ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
   ALTER TABLE reservations ADD COLUMN cost INTEGER;
   CREATE INDEX reservations_by_time ON reservations (created_at);
   CREATE TABLE spending_limits (
     of TEXT NOT NULL, who TEXT NOT NULL, microcredits INTEGER NOT NULL, set_by TEXT NOT NULL,
     set_at INTEGER NOT NULL, PRIMARY KEY (of, who)
   ) WITHOUT ROWID;`,
  `CREATE TABLE automations (
     place INTEGER PRIMARY KEY AUTOINCREMENT, automation_id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
     definition TEXT NOT NULL, owner TEXT NOT NULL, paused TEXT, created_at INTEGER NOT NULL,
     updated_at INTEGER NOT NULL, anchor_at INTEGER NOT NULL, cursor_at INTEGER NOT NULL, next_due_at INTEGER,
     failures INTEGER NOT NULL
   );
   CREATE INDEX automations_due ON automations (next_due_at) WHERE next_due_at IS NOT NULL;
   CREATE TABLE automation_runs (
     place INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL UNIQUE, automation_id TEXT NOT NULL,
     cause TEXT NOT NULL, due_at INTEGER NOT NULL, plan TEXT NOT NULL, created_at INTEGER NOT NULL,
     status TEXT NOT NULL, attempt INTEGER NOT NULL, next_attempt_at INTEGER, session_id TEXT, turn_id TEXT,
     command_id TEXT, started_at INTEGER, ended_at INTEGER, summary TEXT NOT NULL, error TEXT,
     microcredits INTEGER NOT NULL, missed TEXT, deadline_at INTEGER
   );
   CREATE INDEX automation_runs_of ON automation_runs (automation_id, place);
   CREATE INDEX automation_runs_open ON automation_runs (place)
     WHERE status IN ('due', 'running', 'waiting', 'retrying');
   CREATE TABLE inbox_items (
     place INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL,
     kind TEXT NOT NULL, automation_id TEXT NOT NULL, run_id TEXT, session_id TEXT, title TEXT NOT NULL,
     summary TEXT NOT NULL, state TEXT NOT NULL, snoozed_until INTEGER, created_at INTEGER NOT NULL,
     updated_at INTEGER NOT NULL
   );
   CREATE INDEX inbox_items_of ON inbox_items (user_id, state, place);
   CREATE TABLE automation_log (
     place INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL,
     automation_id TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL, trace_id TEXT NOT NULL
   );
   CREATE INDEX automation_log_of ON automation_log (automation_id, place);
   CREATE TRIGGER automation_log_stays BEFORE DELETE ON automation_log
     BEGIN SELECT RAISE(ABORT, 'the log of automations is only added to'); END;
   CREATE TRIGGER automation_log_is_fixed BEFORE UPDATE ON automation_log
     BEGIN SELECT RAISE(ABORT, 'the log of automations is only added to'); END;`,
  `CREATE TABLE automation_deliveries (
     place INTEGER PRIMARY KEY AUTOINCREMENT, delivery_id TEXT NOT NULL UNIQUE, automation_id TEXT NOT NULL,
     run_id TEXT NOT NULL, receiver TEXT NOT NULL, target TEXT NOT NULL, message TEXT NOT NULL,
     created_at INTEGER NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL, next_attempt_at INTEGER,
     response_code INTEGER, command_id TEXT, error TEXT, ended_at INTEGER
   );
   CREATE INDEX automation_deliveries_of ON automation_deliveries (automation_id, place);
   CREATE INDEX automation_deliveries_due ON automation_deliveries (next_attempt_at) WHERE status = 'pending';
   CREATE TABLE automation_blueprints (
     place INTEGER PRIMARY KEY AUTOINCREMENT, blueprint_id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
     name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, template TEXT NOT NULL, needs TEXT NOT NULL,
     created_by TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
   );`,
  `ALTER TABLE sessions ADD COLUMN waiting_for TEXT;
   UPDATE sessions SET waiting_for = 'approval' WHERE status = 'waiting';`,
  `CREATE TABLE deleted_sessions (
     place INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL UNIQUE, actor TEXT NOT NULL,
     trace_id TEXT NOT NULL, deleted_at INTEGER NOT NULL, removed_at INTEGER, turns INTEGER, events INTEGER,
     files INTEGER
   );
   CREATE INDEX deleted_sessions_left ON deleted_sessions (place) WHERE removed_at IS NULL;
   CREATE TRIGGER deleted_sessions_stay BEFORE DELETE ON deleted_sessions
     BEGIN SELECT RAISE(ABORT, 'that a session was deleted stays on record'); END;`,
  `CREATE INDEX answers_by_age ON answers (created_at);
   CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);`,
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
  `ALTER TABLE events ADD COLUMN delta_of TEXT;
   UPDATE events SET delta_of = json_extract(frame, '$.messageId') WHERE type = 'text_delta';
   CREATE INDEX events_deltas ON events (delta_of, seq) WHERE delta_of IS NOT NULL;
   CREATE TABLE waiting_turns (
     turn_id TEXT PRIMARY KEY, place INTEGER NOT NULL UNIQUE, turn TEXT NOT NULL, message_id TEXT NOT NULL,
     user_id TEXT NOT NULL, idempotency_key TEXT, when_busy TEXT NOT NULL, created_at INTEGER NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE steers (
     steer_id TEXT PRIMARY KEY, turn_id TEXT NOT NULL, steer TEXT NOT NULL, pending INTEGER NOT NULL,
     created_at INTEGER NOT NULL
   );
   CREATE TABLE answers (
     user_id TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, answer TEXT NOT NULL,
     created_at INTEGER NOT NULL, PRIMARY KEY (user_id, key)
   ) WITHOUT ROWID;`,
  `ALTER TABLE turns ADD COLUMN price TEXT;
   ALTER TABLE turns ADD COLUMN input_tokens INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE turns ADD COLUMN output_tokens INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE turn_usage (
     turn_id TEXT PRIMARY KEY, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost INTEGER
   ) WITHOUT ROWID;`,
  `ALTER TABLE turns ADD COLUMN cause TEXT;`,
  `CREATE INDEX answers_by_age ON answers (created_at);`,
];

const JOURNAL = [
  `CREATE TABLE events (
     session_id TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, turn_id TEXT, ts INTEGER NOT NULL,
     frame TEXT NOT NULL, delta_of TEXT, status TEXT NOT NULL, podium_event_id INTEGER NOT NULL,
     PRIMARY KEY (session_id, seq)
   ) WITHOUT ROWID;`,
  `CREATE TABLE journaled (
     place INTEGER PRIMARY KEY, before INTEGER, session_id TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL,
     turn_id TEXT, ts INTEGER NOT NULL, frame TEXT NOT NULL, delta_of TEXT, status TEXT NOT NULL,
     podium_event_id INTEGER NOT NULL
   );
   INSERT INTO journaled
     SELECT row_number() OVER one, iif(lag(session_id) OVER one = session_id, row_number() OVER one - 1, NULL),
       session_id, seq, type, turn_id, ts, frame, delta_of, status, podium_event_id
     FROM events WINDOW one AS (ORDER BY session_id, seq);
   DROP TABLE events;`,
];

const STEPS = { registry: REGISTRY, session: SESSION, journal: JOURNAL } as const;

type Shape = keyof typeof STEPS;

export function isCurrent(database: Database, shape: Shape): boolean {
  return stepsDone(database) === STEPS[shape].length;
}

/** Whether nobody has given it any shape yet. */
export function isEmpty(database: Database): boolean {
  return stepsDone(database) === 0;
}

/**
 * Brings `database` up to date in one transaction, which also keeps a second migration of the same file waiting
 * until it has nothing left to do. Throws if a newer program wrote the file.
 */
export function migrate(database: Database, shape: Shape): void {
  const steps = STEPS[shape];
  if (isCurrent(database, shape)) return;
  database
    .transaction(() => {
      const done = stepsDone(database);
      if (done > steps.length) {
        throw new Error(
          `this ${shape} database is of version ${done}; this program knows ${steps.length}`,
        );
      }
      for (const step of steps.slice(done)) database.run(step);
      database.run(`PRAGMA user_version = ${steps.length}`);
    })
    .immediate();
}

function stepsDone(database: Database): number {
  const row = database.query<{ user_version: number }, []>("PRAGMA user_version").get();
  return row?.user_version ?? 0;
}
