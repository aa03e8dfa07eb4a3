/**
 * Owns how drafts get their place in a session's log, and which deltas a finished message replaces. Pure.
 *
 * A message is told delta by delta while it grows, and once more as a whole. From then on its deltas say nothing
 * new: they leave the log with the commit that completes the message, and `coversSeq` says which numbers are gone.
 */
import type { DeltaRange, StoredEvent } from "../db/stored-session.ts";
import type { EventDraft } from "../domain/podium-event.ts";

export interface LogEnd {
  readonly sessionId: string;
  /** `seq` of the newest event. */
  readonly lastSeq: number;
  /** Of each message that is not complete, where its deltas are. */
  readonly deltas: ReadonlyMap<string, DeltaRange>;
}

export interface Numbered {
  /** Numbered from `lastSeq + 1` on, each with the text that clients will receive. */
  readonly events: readonly StoredEvent[];
  readonly deltas: ReadonlyMap<string, DeltaRange>;
  /** Messages that are complete now. */
  readonly compacted: readonly string[];
}

export function numbered(drafts: readonly EventDraft[], end: LogEnd, nowMs: number): Numbered {
  const deltas = new Map(end.deltas);
  const compacted: string[] = [];
  const events = drafts.map((draft, index) => {
    const seq = end.lastSeq + index + 1;
    if (draft.type === "text_delta") note(deltas, draft.messageId, seq);
    const covered = draft.type === "message_complete" ? deltas.get(draft.messageId) : undefined;
    if (draft.type === "message_complete" && deltas.delete(draft.messageId)) {
      compacted.push(draft.messageId);
    }
    const { type, turnId, ...fields } = draft;
    const turn = turnId === undefined ? {} : { turnId };
    const coversSeq = covered === undefined ? {} : { coversSeq: covered };
    const place = { type, sessionId: end.sessionId, ...turn, seq, ts: nowMs };
    const frame = JSON.stringify({ ...place, ...fields, ...coversSeq });
    const deltaOf = draft.type === "text_delta" ? draft.messageId : null;
    return { seq, type, turnId: turnId ?? null, ts: nowMs, frame, deltaOf };
  });
  return { events, deltas, compacted };
}

function note(deltas: Map<string, DeltaRange>, messageId: string, seq: number): void {
  deltas.set(messageId, [deltas.get(messageId)?.[0] ?? seq, seq]);
}
