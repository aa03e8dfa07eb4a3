/**
 * Owns the SQL of sessions that were deleted: who deleted which and when, and whether Podium has removed what its agent
 * said and wrote. A row is the to-do until that is done and the record of it from then on; what the session was called is
 * not kept.
 */
import type { Database } from "bun:sqlite";
import type { Actor } from "@concert/service-kit/identity";
import type { DeletedSession } from "../protocol/index.ts";
import type { Placed } from "./stored-automations.ts";
import type { Removed } from "./stored-registry.ts";

export interface Deletion {
  readonly actor: Actor;
  /** The trace of the message that asked for it. */
  readonly traceId: string;
}

export function noteDeletion(
  database: Database,
  sessionId: string,
  { actor, traceId }: Deletion,
  nowMs: number,
): void {
  database
    .query(
      "INSERT INTO deleted_sessions (session_id, actor, trace_id, deleted_at) VALUES (?, ?, ?, ?)",
    )
    .run(sessionId, JSON.stringify(actor), traceId, nowMs);
}

/** The first time counts. */
export function noteRemoval(database: Database, { sessionId, counts, nowMs }: Removed): null {
  database
    .query(
      `UPDATE deleted_sessions SET removed_at = ?, turns = ?, events = ?, files = ?
       WHERE session_id = ? AND removed_at IS NULL`,
    )
    .run(nowMs, counts.turns, counts.events, counts.files, sessionId);
  return null;
}

/** Sessions of which Podium may still have something. */
export function unremovedSessions(database: Database): readonly string[] {
  return database
    .query<{ session_id: string }, []>(
      "SELECT session_id FROM deleted_sessions WHERE removed_at IS NULL ORDER BY place",
    )
    .all()
    .map((row) => row.session_id);
}

/** What is still to be done, or null when it is done. */
export function pendingRemoval(database: Database, sessionId: string): Deletion | null {
  const row = database
    .query<{ actor: string; traceId: string }, [string]>(
      `SELECT actor, trace_id AS traceId FROM deleted_sessions
       WHERE session_id = ? AND removed_at IS NULL`,
    )
    .get(sessionId);
  return row === null ? null : { actor: JSON.parse(row.actor), traceId: row.traceId };
}

type Row = Omit<DeletedSession, "removed"> & {
  readonly place: number;
  readonly removedAt: number | null;
  readonly turns: number;
  readonly events: number;
  readonly files: number;
};

/** Newest first. */
export function deletedSessions(
  database: Database,
  page: { readonly beforePlace: number | null; readonly limit: number },
): readonly Placed<DeletedSession>[] {
  return database
    .query<Row, [number, number]>(
      `SELECT place, session_id AS sessionId, actor ->> 'user' AS deletedBy, deleted_at AS deletedAt,
         trace_id AS traceId, removed_at AS removedAt, turns, events, files
       FROM deleted_sessions WHERE place < ? ORDER BY place DESC LIMIT ?`,
    )
    .all(page.beforePlace ?? Number.MAX_SAFE_INTEGER, page.limit)
    .map(({ place, removedAt, turns, events, files, ...deleted }) => ({
      place,
      value: {
        ...deleted,
        removed: removedAt === null ? null : { at: removedAt, turns, events, files },
      },
    }));
}
