/** Owns how the log of a session is read: in pages bounded in number and bytes, never past what was published. */
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

/** Events in ascending order. What is not published yet comes to the client by itself. */
export const page = Effect.fnUntraced(function* (session: SessionView, request: PageRequest) {
  const workers = yield* WorkerManager;
  const { lastSeq, sessionId, tenantId } = session;
  const { afterSeq, beforeSeq, limit } = request;
  const { events } = yield* workers.read({
    kind: "events",
    tenantId,
    sessionId,
    afterSeq,
    throughSeq: Math.min(lastSeq, (beforeSeq ?? Number.POSITIVE_INFINITY) - 1),
    from: beforeSeq === undefined ? "oldest" : "newest",
    limit,
    bytesMax: PAGE_BYTES_MAX,
  });
  return { events, lastSeq };
});
