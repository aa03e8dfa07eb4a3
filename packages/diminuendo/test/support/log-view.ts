/** What a client's view and the stored log have in common: finished messages without the deltas they replaced. */
import { expect } from "bun:test";
import type { SessionEvent } from "../../src/protocol/index.ts";

/** The events as the log keeps them once its messages are complete. */
export function compact(events: readonly SessionEvent[]): readonly SessionEvent[] {
  const complete = new Set(
    events.flatMap((e) => (e.type === "message_complete" ? [e.messageId] : [])),
  );
  return events.filter((e) => e.type !== "text_delta" || !complete.has(e.messageId));
}

/** D1 D2: ascending from `from`, nothing twice, and each missing number is one that a finished message replaced. */
export function expectWholeLog(events: readonly SessionEvent[], from = 1): void {
  const covered = events.flatMap((e) =>
    e.type === "message_complete" && e.coversSeq !== undefined ? [e.coversSeq] : [],
  );
  const isCovered = (seq: number) => covered.some(([first, last]) => seq >= first && seq <= last);
  let next = from;
  for (const { seq } of events) {
    expect(seq).toBeGreaterThanOrEqual(next);
    for (let missing = next; missing < seq; missing += 1) {
      expect([missing, isCovered(missing)]).toEqual([missing, true]);
    }
    next = seq + 1;
  }
}

/**
 * Every message that is complete is exactly what the deltas of its newest attempt said, as far as they were seen: from
 * the first on, unless the view begins after event `from`, which may be in the middle of a message.
 */
export function expectMessagesAsStreamed(events: readonly SessionEvent[], from = 0): void {
  for (const whole of events) {
    if (whole.type !== "message_complete") continue;
    const deltas = events.flatMap((e) =>
      e.type === "text_delta" && e.messageId === whole.messageId ? [e] : [],
    );
    const newest = Math.max(...deltas.map(({ attempt }) => attempt));
    const said = deltas.filter(({ attempt }) => attempt === newest).map(({ text }) => text);
    if (from === 0) expect(whole.text).toStartWith(said.join(""));
    else expect(whole.text).toContain(said.join(""));
  }
}
