/**
 * Owns how a page of a log crosses from the reader: as one text, what is said of the page, then a number and a frame in
 * turn, a line each, because a text crosses a thread at a quarter of what objects cost. A frame is JSON and so never
 * breaks its line. Pure.
 */
import type { EventsPage } from "./storage.ts";

export type PackedPage = string;

const THINNED = "thinned";

export const packed = ({ events, isThinned }: EventsPage): PackedPage =>
  [isThinned ? THINNED : "", ...events.map(({ seq, frame }) => `${seq}\n${frame}`)].join("\n");

export function unpacked(page: PackedPage): EventsPage {
  const lines = page.split("\n");
  const events: { seq: number; frame: string }[] = [];
  for (let line = 1; line < lines.length; line += 2) {
    events.push({ seq: Number(lines[line]), frame: lines[line + 1] ?? "" });
  }
  return { events, isThinned: lines[0] === THINNED };
}
