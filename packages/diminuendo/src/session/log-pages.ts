/**
 * Owns how the log of a session is read: in pages bounded in number and bytes, never past what was published. A commit
 * that completes a message takes its deltas with it; between that commit and its publication a page would have neither,
 * and its reader the end of a text without the beginning. Such a page is read again.
 */
import * as Effect from "effect/Effect";
import { WorkerManager } from "../db/WorkerManager.ts";
import type { SessionView } from "./SessionView.ts";

const PAGE_BYTES_MAX = 262_144;

export interface PageRequest {
  readonly afterSeq: number;
  /** Given, the newest events before it are read; otherwise the oldest after `afterSeq`. */
  readonly beforeSeq?: number;
  readonly limit: number;
}

/** The answer of a commit is some milliseconds away; another gateway's may be lost and healed later. */
const LOOKS_MAX = 50;
const LOOK_AGAIN = "2 millis";

/** Events in ascending order. What is not published yet comes to the client by itself. */
export const page = Effect.fnUntraced(function* (session: SessionView, request: PageRequest) {
  const workers = yield* WorkerManager;
  const { afterSeq, beforeSeq, limit } = request;
  for (let looks = 1; ; looks += 1) {
    const { lastSeq, sessionId, tenantId } = session;
    const { events, isThinned } = yield* workers.read({
      kind: "events",
      tenantId,
      sessionId,
      afterSeq,
      throughSeq: Math.min(lastSeq, (beforeSeq ?? Number.POSITIVE_INFINITY) - 1),
      publishedSeq: lastSeq,
      from: beforeSeq === undefined ? "oldest" : "newest",
      limit,
      bytesMax: PAGE_BYTES_MAX,
    });
    if (!isThinned || looks === LOOKS_MAX) return { events, lastSeq };
    yield* Effect.sleep(LOOK_AGAIN);
  }
});
