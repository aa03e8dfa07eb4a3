/** Owns the SQL of a tenant's registry: its sessions, and the idempotency keys that created them. */
import type { Database } from "bun:sqlite";
import type { SessionStatus } from "../protocol/index.ts";
import type { Created, CreateSession, RegistryRow, UpdateSession } from "./storage.ts";

/** Creates the session and its idempotency key in one transaction, or says what the key stands for. */
export function createSession(database: Database, command: CreateSession): Created {
  const { row, userId, idempotency } = command;
  if (idempotency !== null) {
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
    .query("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
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
    .query("UPDATE sessions SET status = ?, last_seq = ?, updated_at = ? WHERE session_id = ?")
    .run(command.status, command.lastSeq, command.updatedAt, command.sessionId);
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
}

export function getSession(database: Database, sessionId: string): RegistryRow | null {
  const row = database
    .query<SessionColumns, [string]>("SELECT * FROM sessions WHERE session_id = ?")
    .get(sessionId);
  return row === null ? null : fromColumns(row);
}

/** The sessions used last, newest first. */
export function listSessions(
  database: Database,
  includeArchived: boolean,
  limit: number,
): readonly RegistryRow[] {
  return database
    .query<SessionColumns, [number, number]>(
      "SELECT * FROM sessions WHERE archived <= ? ORDER BY updated_at DESC, session_id LIMIT ?",
    )
    .all(includeArchived ? 1 : 0, limit)
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
  };
}
