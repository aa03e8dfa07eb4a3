/**
 * Owns `join_session` and `leave_session`. A join collects what is published from its first moment, reads the log in
 * pages up to there, and goes live when both meet: every durable event after `afterSeq`, once, in order (D2), and
 * never more than a page waiting for a slow reader (D5). Where a join starts is replay-start.ts.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { CLOSE_CODES, type ClientMessageOf } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Broadcaster, type Replay } from "../../transport/Broadcaster.ts";
import type { Connection } from "../../transport/Connection.ts";
import type { Reader } from "../../transport/Reader.ts";
import { viewFor } from "../access.ts";
import { page } from "../log-pages.ts";
import { type ReplayStart, replayStart } from "../replay-start.ts";
import type { SessionView } from "../SessionView.ts";

type JoinSession = ClientMessageOf<"join_session">;

const PAGE_EVENTS_MAX = 500;
/** The next page is read once the reader has taken the last one but for this much. */
const WAITING_BYTES_LOW = 65_536;
const STALL_MAX = "30 seconds";
const JOINED_MAX = 256;

export const joinSession = Effect.fn("joinSession")(function* (
  connection: Connection,
  actor: Actor,
  message: JoinSession,
) {
  const session = yield* viewFor(actor, "session:read", message.sessionId);
  const broadcaster = yield* Broadcaster;
  if (broadcaster.joinedCount(connection) >= JOINED_MAX) {
    return yield* refuse("RATE_LIMITED", `A connection joins at most ${JOINED_MAX} sessions.`);
  }
  const start = yield* replayStart(session, message);
  const ts = yield* Clock.currentTimeMillis;
  yield* connection.untilSignedIn;
  // Finding the session took time: a former person's session must not reach the next (D3), nor a dead socket.
  if (!connection.isStill(actor)) return yield* somebodyElse;
  connection.send(snapshot(session, message, start, ts));
  const seq = yield* follow(connection, session, start.afterSeq);
  if (seq !== null) connection.send({ type: "caught_up", sessionId: session.sessionId, seq });
  return null;
});

/** Sends the reader the log after `afterSeq`, then what happens. Answers the last seq sent, or null if it left. */
export const follow = Effect.fnUntraced(function* (
  reader: Reader,
  session: SessionView,
  afterSeq: number,
) {
  const replay = (yield* Broadcaster).beginReplay(reader, session.sessionId);
  return yield* catchUp(replay, session, afterSeq);
});

export const leaveSession = Effect.fn("leaveSession")(function* (
  connection: Connection,
  actor: Actor,
  { sessionId }: ClientMessageOf<"leave_session">,
) {
  const session = yield* viewFor(actor, "session:read", sessionId);
  (yield* Broadcaster).leave(connection, session.sessionId);
  return { type: "session_left" as const, sessionId };
});

/** Answers the last seq sent, or null if the join ended before it was done. */
const catchUp = Effect.fnUntraced(function* (
  replay: Replay,
  session: SessionView,
  afterSeq: number,
) {
  const broadcaster = yield* Broadcaster;
  for (let sent = afterSeq; ; ) {
    broadcaster.collectAgain(replay);
    sent = yield* readUpTo(replay, session, sent);
    if (broadcaster.isOver(replay)) return null;
    const live = broadcaster.goLive(replay, sent);
    // A client that is ahead of the log (it was lost: see `epoch`) is told where the log really ends.
    if (live !== null) return Math.min(live, session.lastSeq);
  }
});

/** Sends the log from `afterSeq` on to where it ended when called. */
const readUpTo = Effect.fnUntraced(function* (
  replay: Replay,
  session: SessionView,
  afterSeq: number,
) {
  const broadcaster = yield* Broadcaster;
  const throughSeq = session.lastSeq;
  let sent = afterSeq;
  while (sent < throughSeq && !broadcaster.isOver(replay)) {
    const { events } = yield* page(session, { afterSeq: sent, limit: PAGE_EVENTS_MAX });
    if (broadcaster.isOver(replay)) break;
    for (const { frame } of events) replay.connection.sendText(frame);
    sent = events.at(-1)?.seq ?? throughSeq;
    yield* untilTaken(replay.connection);
  }
  return sent;
});

const untilTaken = (connection: Reader) =>
  Effect.promise(() => connection.drainedBelow(WAITING_BYTES_LOW)).pipe(
    Effect.timeoutOrElse({
      duration: STALL_MAX,
      orElse: () =>
        Effect.sync(() =>
          connection.close(CLOSE_CODES.slowReader, "slow reader: reconnect with afterSeq"),
        ),
    }),
  );

function snapshot(
  session: SessionView,
  { requestId }: JoinSession,
  { replay, hasOlder }: ReplayStart,
  ts: number,
) {
  return {
    type: "state_snapshot" as const,
    ...(requestId === undefined ? {} : { requestId }),
    sessionId: session.sessionId,
    session: session.meta,
    epoch: session.epoch,
    headSeq: session.lastSeq,
    firstSeq: session.firstSeq,
    replay,
    hasOlder,
    activeTurnId: session.activeTurnId,
    ts,
  };
}

const somebodyElse = refuse(
  "PermissionDenied",
  "Somebody else has signed in on this connection meanwhile; ask again.",
);
