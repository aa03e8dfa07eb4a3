/** Owns a session's log for who reads it without a socket: followed as it grows, or whole. */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import * as Option from "effect/Option";
import * as Stream from "effect/Stream";
import type { WorkerManager } from "../../db/WorkerManager.ts";
import type { SessionEvent } from "../../protocol/index.ts";
import type { Reader } from "../../transport/Reader.ts";
import type { Place } from "../../transport/Router.ts";
import { viewFor } from "../access.ts";
import { page } from "../log-pages.ts";
import { replayStart } from "../replay-start.ts";
import { follow } from "./join-messages.ts";

const PAGE_EVENTS = 500;

export const followLog = Effect.fn("followLog")(function* (
  reader: Reader,
  actor: Actor,
  { onEpoch, ...place }: Place,
) {
  const session = yield* viewFor(actor, "session:read", place.sessionId);
  const { afterSeq } = yield* replayStart(session, { type: "join_session", ...place });
  onEpoch(session.epoch);
  if (!reader.isClosed) yield* follow(reader, session, afterSeq);
});

export const logOf = Effect.fn("logOf")(function* (actor: Actor, sessionId: string) {
  const session = yield* viewFor(actor, "session:read", sessionId);
  const context = yield* Effect.context<WorkerManager>();
  return Stream.paginate(0, (afterSeq: number) =>
    page(session, { afterSeq, limit: PAGE_EVENTS }).pipe(
      Effect.map(({ events }) => {
        const last = events.at(-1)?.seq;
        const frames = events.map(({ frame }) => frame);
        return [frames, last === undefined ? Option.none<number>() : Option.some(last)] as const;
      }),
      Effect.provideContext(context),
    ),
  );
});

export const seekInLog = Effect.fn("seekInLog")(function* (
  actor: Actor,
  sessionId: string,
  isWanted: (event: SessionEvent) => boolean,
) {
  const session = yield* viewFor(actor, "session:read", sessionId);
  for (let beforeSeq = session.lastSeq + 1; ; ) {
    const { events } = yield* page(session, { afterSeq: 0, beforeSeq, limit: PAGE_EVENTS });
    const found = events.map(({ frame }) => JSON.parse(frame) as SessionEvent).findLast(isWanted);
    const first = events[0]?.seq;
    if (found !== undefined || first === undefined) return found ?? null;
    beforeSeq = first;
  }
});
