/** Owns how drafts get their place in a session's log. Pure. */
import type { StoredEvent } from "../db/storage.ts";
import type { EventDraft } from "../domain/podium-event.ts";

/** The drafts as events numbered from `lastSeq + 1` on, each with the text that clients will receive. */
export function numbered(
  drafts: readonly EventDraft[],
  sessionId: string,
  lastSeq: number,
  nowMs: number,
): readonly StoredEvent[] {
  return drafts.map((draft, index) => {
    const seq = lastSeq + index + 1;
    const { type, turnId, ...fields } = draft;
    const turn = turnId === undefined ? {} : { turnId };
    const frame = JSON.stringify({ type, sessionId, ...turn, seq, ts: nowMs, ...fields });
    return { seq, type, turnId: turnId ?? null, ts: nowMs, frame };
  });
}
