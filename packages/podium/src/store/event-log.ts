/**
 * Owns the event log of every instance: numbering, repetition, reading on from a number.
 * Refuses to own: transactions (`store/store.ts`) and meaning (`runs/`).
 *
 * INVARIANT P1: `event_id` of an instance is 1, 2, 3 … without holes, in commit order.
 * INVARIANT P2: a dedup key is in an instance's log at most once.
 */
import type { Database } from "bun:sqlite";
import type { EventDraft, PodiumEvent } from "../runs/podium-events.ts";

interface EventRow {
  event_id: number;
  event_type: string;
  turn_id: string;
  content: string;
  at: string;
}

export class EventLog {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Appends inside the current transaction. Returns the event's number, or null for a known dedup key. */
  append(instanceId: string, turnId: string, draft: EventDraft, at: string): number | null {
    const dedupKey = draft.dedupKey ?? null;
    if (dedupKey !== null && this.#has(instanceId, dedupKey)) return null;
    const next = this.#db
      .query<{ last_event_id: number }, [string]>(
        "UPDATE instances SET last_event_id = last_event_id + 1 WHERE instance_id = ? RETURNING last_event_id",
      )
      .get(instanceId);
    if (next === null) throw new Error("an event needs an instance that exists");
    this.#db
      .query(
        "INSERT INTO events (instance_id, event_id, turn_id, event_type, content, at, dedup_key) VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        instanceId,
        next.last_event_id,
        turnId,
        draft.type,
        JSON.stringify(draft.content),
        at,
        dedupKey,
      );
    return next.last_event_id;
  }

  /** At most `limit` events of the instance with a number above `after`, in order. */
  readAfter(instanceId: string, after: number, limit: number): PodiumEvent[] {
    return this.#db
      .query<EventRow, [string, number, number]>(
        "SELECT event_id, event_type, turn_id, content, at FROM events WHERE instance_id = ? AND event_id > ? ORDER BY event_id LIMIT ?",
      )
      .all(instanceId, after, limit)
      .map((row) => ({ type: "update", ...row, content: JSON.parse(row.content) }));
  }

  /** The text streamed into `messageId` by events after `after`. */
  streamedText(instanceId: string, messageId: string, after: number): string {
    const row = this.#db
      .query<{ text: string | null }, [string, number, string]>(
        `SELECT group_concat(piece, '') AS text FROM (
           SELECT content ->> 'text' AS piece FROM events
           WHERE instance_id = ? AND event_id > ? AND event_type = 'stream_update' AND content ->> 'message_id' = ?
           ORDER BY event_id)`,
      )
      .get(instanceId, after, messageId);
    return row?.text ?? "";
  }

  #has(instanceId: string, dedupKey: string): boolean {
    const row = this.#db
      .query("SELECT 1 FROM events WHERE instance_id = ? AND dedup_key = ?")
      .get(instanceId, dedupKey);
    return row !== null;
  }
}
