/** Owns the SQL of a tenant's registry: its sessions, and the idempotency keys that created them. */
import type { Database } from "bun:sqlite";
import type { SessionStatus, WaitingFor } from "../protocol/index.ts";
import { forgetOld, remember } from "./answers-table.ts";
import { noteDeletion } from "./deletion-table.ts";
import type { ReaderQueries } from "./storage.ts";
import type {
  Created,
  CreateSession,
  ForgetSession,
  LabelSession,
  RegistryRow,
  UpdateSession,
} from "./stored-registry.ts";

/** Creates the session and its idempotency key in one transaction, or says what the key stands for. */
export function createSession(database: Database, command: CreateSession): Created {
  const { row, userId, idempotency } = command;
  if (idempotency !== null) {
    forgetOld(database, "idempotency_keys", row.createdAt);
    const known = database
      .query<{ fingerprint: string; session_id: string }, [string, string]>(
        "SELECT fingerprint, session_id FROM idempotency_keys WHERE user_id = ? AND key = ?",
      )
      .get(userId, idempotency.key);
    if (known?.fingerprint === idempotency.fingerprint) {
      return { kind: "repeated", sessionId: known.session_id };
    }
    if (known !== null) return { kind: "conflict" };
    database
      .query("INSERT INTO idempotency_keys VALUES (?, ?, ?, ?, ?)")
      .run(userId, idempotency.key, idempotency.fingerprint, row.sessionId, row.createdAt);
  }
  database
    .query(
      `INSERT INTO sessions
         (session_id, name, agent_type, status, created_at, updated_at, archived, last_seq, created_by)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      row.sessionId,
      row.name,
      row.agentType,
      row.status,
      row.createdAt,
      row.updatedAt,
      row.archived ? 1 : 0,
      row.lastSeq,
      userId,
    );
  return { kind: "created" };
}

export function updateSession(database: Database, command: UpdateSession): null {
  database
    .query(
      "UPDATE sessions SET status = ?, waiting_for = ?, last_seq = ?, updated_at = ? WHERE session_id = ?",
    )
    .run(
      command.status,
      // A delegate's log may hold commands of before there was such a word.
      command.waitingFor ?? null,
      command.lastSeq,
      command.updatedAt,
      command.sessionId,
    );
  return null;
}

export function labelSession(database: Database, command: LabelSession): RegistryRow | null {
  const row = getSession(database, command.sessionId);
  if (row === null) return null;
  const { name = row.name, archived = row.archived, nowMs } = command;
  database
    .query("UPDATE sessions SET name = ?, archived = ?, updated_at = ? WHERE session_id = ?")
    .run(name, archived ? 1 : 0, nowMs, command.sessionId);
  if (command.remembered !== null) remember(database, command.remembered, nowMs);
  return { ...row, name, archived, updatedAt: nowMs };
}

/**
 * Also forgets the key that created it, which stands for nothing any more. Until its directory is gone the session is
 * doomed: a crash in between must not leave files that nobody knows of.
 */
export function forgetSession(database: Database, command: ForgetSession): boolean {
  const { changes } = database
    .query("DELETE FROM sessions WHERE session_id = ?")
    .run(command.sessionId);
  if (changes > 0) {
    database.query("INSERT INTO doomed_sessions VALUES (?)").run(command.sessionId);
    const { sessionId, deletion, nowMs } = command;
    if (deletion !== undefined) noteDeletion(database, sessionId, deletion, nowMs);
  }
  database.query("DELETE FROM idempotency_keys WHERE session_id = ?").run(command.sessionId);
  if (command.remembered !== null) remember(database, command.remembered, command.nowMs);
  return changes > 0;
}

export function doomedSessions(database: Database): readonly string[] {
  return database
    .query<{ session_id: string }, []>("SELECT session_id FROM doomed_sessions")
    .all()
    .map((row) => row.session_id);
}

export function sessionDropped(database: Database, sessionId: string): null {
  database.query("DELETE FROM doomed_sessions WHERE session_id = ?").run(sessionId);
  return null;
}

interface SessionColumns {
  readonly session_id: string;
  readonly name: string;
  readonly agent_type: string;
  readonly status: SessionStatus;
  readonly created_at: number;
  readonly updated_at: number;
  readonly archived: number;
  readonly last_seq: number;
  readonly waiting_for: WaitingFor | null;
}

export function getSession(database: Database, sessionId: string): RegistryRow | null {
  const row = database
    .query<SessionColumns, [string]>("SELECT * FROM sessions WHERE session_id = ?")
    .get(sessionId);
  return row === null ? null : fromColumns(row);
}

/** The sessions used last, newest first; with `after`, those that come behind it. */
export function listSessions(
  database: Database,
  { includeArchived, after, limit }: ReaderQueries["list_sessions"][0],
): readonly RegistryRow[] {
  const { updatedAt, sessionId } = after ?? { updatedAt: Number.MAX_SAFE_INTEGER, sessionId: "" };
  return database
    .query<SessionColumns, [number, number, number, string, number]>(
      `SELECT * FROM sessions WHERE archived <= ? AND (updated_at < ? OR (updated_at = ? AND session_id > ?))
       ORDER BY updated_at DESC, session_id LIMIT ?`,
    )
    .all(includeArchived ? 1 : 0, updatedAt, updatedAt, sessionId, limit)
    .map(fromColumns);
}

export function activeSessions(database: Database): readonly RegistryRow[] {
  return database
    .query<SessionColumns, []>("SELECT * FROM sessions WHERE status <> 'inactive'")
    .all()
    .map(fromColumns);
}

function fromColumns(row: SessionColumns): RegistryRow {
  return {
    sessionId: row.session_id,
    name: row.name,
    agentType: row.agent_type,
    status: row.status,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    archived: row.archived === 1,
    lastSeq: row.last_seq,
    waitingFor: row.waiting_for,
  };
}
