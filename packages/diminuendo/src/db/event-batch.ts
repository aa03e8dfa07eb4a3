/**
 * Owns how commits that are events alone cross to the writer: many as one text, a field a line, because a text crosses
 * a thread at a quarter of what objects cost. A frame is JSON and so never breaks its line; of what else another system
 * wrote, `isPlain` says whether it would. Pure.
 */
import type { SessionStatus } from "../protocol/index.ts";
import type { EventsAlone } from "./event-journal.ts";
import type { Commit, StoredEvent } from "./stored-session.ts";

export interface EventBatch {
  readonly number: number;
  readonly commits: readonly EventsAlone[];
}

/** What became of a batch. */
export interface BatchAnswer {
  readonly batch: number;
  /** Where in the journal the first event of those taken lies; the others follow in order. */
  readonly place: number;
  /** Commits, by their index, that the journal does not take: they go the ordinary way. */
  readonly untaken: readonly number[];
  /** None was stored. */
  readonly error?: string;
}

const LINES_OF_COMMIT = 4;
const LINES_OF_EVENT = 6;

/** Whether a commit can go this way. */
export function isPlain({ events, rows, compacted }: Commit): boolean {
  return (
    events.length > 0 &&
    rows.length === 0 &&
    compacted.length === 0 &&
    events.every(({ turnId, deltaOf }) => isLine(turnId) && isLine(deltaOf))
  );
}

/** The lines of one commit, without an end. */
export function linesOf({ sessionId, status, podiumEventId, events }: EventsAlone): string {
  let text = `${sessionId}\n${status}\n${podiumEventId}\n${events.length}`;
  for (const { seq, type, turnId, ts, deltaOf, frame } of events) {
    text += `\n${seq}\n${type}\n${turnId ?? ""}\n${ts}\n${deltaOf ?? ""}\n${frame}`;
  }
  return text;
}

/** What lies before the lines of the first commit. */
export const headOf = (number: number): string => `${number}\n`;

export function decodeBatch(text: string): EventBatch {
  const lines = text.split("\n");
  const commits: EventsAlone[] = [];
  const at = (index: number): string => lines[index] ?? "";
  for (let line = 1; line < lines.length; ) {
    const count = Number(at(line + 3));
    const first = line + LINES_OF_COMMIT;
    const events = Array.from({ length: count }, (_, index) =>
      eventAt(at, first + index * LINES_OF_EVENT),
    );
    commits.push({
      sessionId: at(line),
      status: at(line + 1) as SessionStatus,
      podiumEventId: Number(at(line + 2)),
      events,
    });
    line = first + count * LINES_OF_EVENT;
  }
  return { number: Number(at(0)), commits };
}

const eventAt = (at: (index: number) => string, line: number): StoredEvent => ({
  seq: Number(at(line)),
  type: at(line + 1),
  turnId: at(line + 2) || null,
  ts: Number(at(line + 3)),
  deltaOf: at(line + 4) || null,
  frame: at(line + 5),
});

/** Comes out as it goes in: null is told as an empty line. */
const isLine = (text: string | null): boolean =>
  text === null || (text.length > 0 && !text.includes("\n"));
