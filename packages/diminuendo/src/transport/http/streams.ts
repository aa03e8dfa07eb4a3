/** Owns an answer that is a stream of events: how many there may be, and that one ends with its reader. */
import * as Effect from "effect/Effect";
import { refuse } from "../../security/Refusal.ts";
import { Broadcaster } from "../Broadcaster.ts";
import type { RouteError } from "../Router.ts";
import { SocketServer } from "../SocketServer.ts";
import type { EventStream, EventStreamNeeds } from "./EventStream.ts";

const STREAMS_MAX = 2_000;
let streams = 0;

/** The response; `follow` feeds the stream until either is over. */
export const streamed = Effect.fnUntraced(function* <S extends EventStream>(
  request: Request,
  make: (needs: EventStreamNeeds) => S,
  follow: (stream: S) => Effect.Effect<void, RouteError>,
) {
  if (streams >= STREAMS_MAX) return yield* refuse("RATE_LIMITED", "Too many event streams; wait.");
  const { listen } = yield* SocketServer;
  const broadcaster = yield* Broadcaster;
  streams += 1;
  const stream: S = make({
    listen,
    onClosed: () => {
      streams -= 1;
      broadcaster.leaveAll(stream);
    },
  });
  const following = follow(stream).pipe(
    Effect.tapCause((cause) => Effect.logWarning("an event stream ended", cause)),
    Effect.ensuring(Effect.sync(() => request.signal.aborted && stream.close())),
    Effect.catchCause(() => Effect.sync(() => stream.close())),
  );
  request.signal.addEventListener("abort", () => stream.close(), { once: true });
  yield* Effect.forkDetach(following);
  const headers = { "content-type": "text/event-stream", "x-accel-buffering": "no" };
  return new Response(stream.body, { headers });
});
