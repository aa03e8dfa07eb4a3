/**
 * Owns where a join's replay starts. A cursor that the log still continues is followed; one of a log that is no more,
 * or further back than the client wants to read, gets the newest events instead, and is told so.
 */
import * as Effect from "effect/Effect";
import {
  type ClientMessageOf,
  EVENTS_PAGE_DEFAULT,
  type StateSnapshot,
} from "../protocol/index.ts";
import { page } from "./log-pages.ts";
import type { SessionView } from "./SessionView.ts";

export interface ReplayStart extends Pick<StateSnapshot, "replay" | "hasOlder"> {
  readonly afterSeq: number;
}

export const replayStart = Effect.fnUntraced(function* (
  session: SessionView,
  { afterSeq, cursor, limit }: ClientMessageOf<"join_session">,
) {
  const wanted = cursor?.seq ?? afterSeq ?? 0;
  const lost = cursor !== undefined && !continues(session, cursor);
  if (!lost && limit === undefined) return inFull(wanted, session);
  const most = limit ?? EVENTS_PAGE_DEFAULT;
  const after = lost ? 0 : wanted;
  const beforeSeq = session.lastSeq + 1;
  const { events } = yield* page(session, { afterSeq: after, beforeSeq, limit: most });
  const first = events[0]?.seq ?? session.lastSeq + 1;
  const hasOlder = first > Math.max(after + 1, session.firstSeq);
  if (!lost && !hasOlder) return inFull(wanted, session);
  const start: ReplayStart = { afterSeq: first - 1, replay: "snapshot", hasOlder };
  return start;
});

/** Whether the log still has everything after the cursor. */
function continues(
  { epoch, firstSeq, lastSeq }: SessionView,
  cursor: { readonly epoch: string; readonly seq: number },
): boolean {
  return cursor.epoch === epoch && cursor.seq <= lastSeq && cursor.seq >= firstSeq - 1;
}

const inFull = (afterSeq: number, { firstSeq }: SessionView): ReplayStart => ({
  afterSeq,
  replay: afterSeq < Math.max(firstSeq, 1) ? "full" : "tail",
  hasOlder: false,
});
