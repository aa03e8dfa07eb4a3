/** Owns `get_events`: pages of a session's log, forwards and backwards, each bounded in number and bytes. */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { type ClientMessageOf, EVENTS_PAGE_DEFAULT } from "../../protocol/index.ts";
import type { Connection } from "../../transport/Connection.ts";
import { viewFor } from "../access.ts";
import { page } from "../log-pages.ts";

export const getEvents = Effect.fn("getEvents")(function* (
  connection: Connection,
  actor: Actor,
  message: ClientMessageOf<"get_events">,
) {
  const session = yield* viewFor(actor, "session:read", message.sessionId);
  const { afterSeq = 0, beforeSeq, limit = EVENTS_PAGE_DEFAULT } = message;
  const asked = { afterSeq, limit, ...(beforeSeq === undefined ? {} : { beforeSeq }) };
  const { events, lastSeq } = yield* page(session, asked);
  const [first, last] = [events[0]?.seq, events.at(-1)?.seq];
  const older = (first ?? 0) > Math.max(afterSeq + 1, session.firstSeq);
  const head = {
    type: "events",
    ...(message.requestId === undefined ? {} : { requestId: message.requestId }),
    sessionId: session.sessionId,
    lastSeq,
    hasMore: beforeSeq === undefined ? (last ?? lastSeq) < lastSeq : older,
  };
  // Stored frames are sent as they are: parsing them only to write them again would cost and could differ.
  const frames = events.map(({ frame }) => frame).join(",");
  connection.sendText(`${JSON.stringify(head).slice(0, -1)},"events":[${frames}]}`);
  return null;
});
