/**
 * Owns the merging of neighbouring text deltas. A model speaks in crumbs; what reaches the gateway in one
 * read is stored and sent as one delta, which costs a client nothing and the log far less. Pure.
 */
import type { EventDraft } from "./podium-event.ts";

const DELTA_CHARS_MAX = 4_096;

/** The same events with neighbouring deltas of one message and attempt joined, each at most 4,096 characters. */
export function coalesceDeltas(drafts: readonly EventDraft[]): readonly EventDraft[] {
  const merged: EventDraft[] = [];
  for (const draft of drafts) {
    const joined = join(merged.at(-1), draft);
    if (joined === undefined) merged.push(draft);
    else merged[merged.length - 1] = joined;
  }
  return merged;
}

function join(before: EventDraft | undefined, after: EventDraft): EventDraft | undefined {
  if (before?.type !== "text_delta" || after.type !== "text_delta") return undefined;
  const same =
    before.messageId === after.messageId &&
    before.attempt === after.attempt &&
    before.turnId === after.turnId;
  if (!same || before.text.length + after.text.length > DELTA_CHARS_MAX) return undefined;
  return { ...before, text: before.text + after.text };
}
