/**
 * Owns `join_session`, `leave_session` and `get_events`. A join collects what is published from its first
 * moment, reads the log in pages up to there, and goes live when both meet: every durable event after
 * `afterSeq`, once, in order (D2), and never more than a page waiting for a slow reader (D5).
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import {
  CLOSE_CODES,
  EVENTS_PAGE_DEFAULT,
  type GetEvents,
  type JoinSession,
  type LeaveSession,
} from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Broadcaster, type Replay } from "../../transport/Broadcaster.ts";
import type { Connection } from "../../transport/Connection.ts";
import { sessionFor } from "../access.ts";
import type { LiveSession } from "../LiveSession.ts";

const PAGE_EVENTS_MAX = 500;
const PAGE_BYTES_MAX = 262_144;
/** The next page is read once the reader has taken the last one but for this much. */
const WAITING_BYTES_LOW = 65_536;
const STALL_MAX = "30 seconds";
const JOINED_MAX = 256;

export const joinSession = Effect.fn("joinSession")(function* (
  connection: Connection,
  actor: Actor,
  message: JoinSession,
) {
  const session = yield* sessionFor(actor, "session:read", message.sessionId);
  const broadcaster = yield* Broadcaster;
  if (broadcaster.joinedCount(connection) >= JOINED_MAX) {
    return yield* refuse("RATE_LIMITED", `A connection joins at most ${JOINED_MAX} sessions.`);
  }
  const ts = yield* Clock.currentTimeMillis;
  // Finding the session took time: a former person's session must not reach the next (D3), nor a dead socket.
  if (!connection.isStill(actor)) return yield* somebodyElse;
  const replay = broadcaster.beginReplay(connection, session.sessionId);
  connection.send(snapshot(session, message, ts));
  const seq = yield* catchUp(replay, session, message.afterSeq ?? 0);
  if (seq !== null) connection.send({ type: "caught_up", sessionId: session.sessionId, seq });
  return null;
});

export const leaveSession = Effect.fn("leaveSession")(function* (
  connection: Connection,
  actor: Actor,
  { sessionId }: LeaveSession,
) {
  const session = yield* sessionFor(actor, "session:read", sessionId);
  (yield* Broadcaster).leave(connection, session.sessionId);
  return { type: "session_left" as const, sessionId };
});

export const getEvents = Effect.fn("getEvents")(function* (
  connection: Connection,
  actor: Actor,
  message: GetEvents,
) {
  const session = yield* sessionFor(actor, "session:read", message.sessionId);
  const afterSeq = message.afterSeq ?? 0;
  const limit = message.limit ?? EVENTS_PAGE_DEFAULT;
  const { events, lastSeq } = yield* page(session, afterSeq, limit);
  const head = {
    type: "events",
    ...(message.requestId === undefined ? {} : { requestId: message.requestId }),
    sessionId: session.sessionId,
    lastSeq,
    hasMore: (events.at(-1)?.seq ?? lastSeq) < lastSeq,
  };
  // Stored frames are sent as they are: parsing them only to write them again would cost and could differ.
  const frames = events.map(({ frame }) => frame).join(",");
  connection.sendText(`${JSON.stringify(head).slice(0, -1)},"events":[${frames}]}`);
  return null;
});

/** Answers the last seq sent, or null if the join ended before it was done. */
const catchUp = Effect.fnUntraced(function* (
  replay: Replay,
  session: LiveSession,
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

/** Sends the log from `afterSeq` to where it ended when called. */
const readUpTo = Effect.fnUntraced(function* (
  replay: Replay,
  session: LiveSession,
  afterSeq: number,
) {
  const broadcaster = yield* Broadcaster;
  const throughSeq = session.lastSeq;
  let sent = afterSeq;
  while (sent < throughSeq && !broadcaster.isOver(replay)) {
    const { events } = yield* page(session, sent, PAGE_EVENTS_MAX);
    if (broadcaster.isOver(replay)) break;
    for (const { frame } of events) replay.connection.sendText(frame);
    sent = events.at(-1)?.seq ?? throughSeq;
    yield* untilTaken(replay.connection);
  }
  return sent;
});

/** Never reads past what has been published: the rest comes to the client by itself. */
const page = Effect.fnUntraced(function* (session: LiveSession, afterSeq: number, limit: number) {
  const workers = yield* WorkerManager;
  const lastSeq = session.lastSeq;
  const { events } = yield* workers.read({
    kind: "events",
    sessionId: session.sessionId,
    afterSeq,
    throughSeq: lastSeq,
    limit,
    bytesMax: PAGE_BYTES_MAX,
  });
  return { events, lastSeq };
});

const untilTaken = (connection: Connection) =>
  Effect.promise(() => connection.drainedBelow(WAITING_BYTES_LOW)).pipe(
    Effect.timeoutOrElse({
      duration: STALL_MAX,
      orElse: () =>
        Effect.sync(() =>
          connection.close(CLOSE_CODES.slowReader, "slow reader: reconnect with afterSeq"),
        ),
    }),
  );

function snapshot(session: LiveSession, { requestId }: JoinSession, ts: number) {
  return {
    type: "state_snapshot" as const,
    ...(requestId === undefined ? {} : { requestId }),
    sessionId: session.sessionId,
    session: session.meta,
    epoch: session.epoch,
    headSeq: session.lastSeq,
    activeTurnId: session.model.openTurn?.turnId ?? null,
    ts,
  };
}

const somebodyElse = refuse(
  "PermissionDenied",
  "Somebody else has signed in on this connection meanwhile; ask again.",
);
