/** Owns the quiet work between messages: idle sessions let go of Podium, unused ones leave memory. */
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as Schedule from "effect/Schedule";
import { AppConfig } from "../app-config.ts";
import { Attachments } from "./Attachments.ts";
import { Sessions } from "./Sessions.ts";

const EVERY = "30 seconds";

export const housekeeping = Effect.gen(function* () {
  const { idleMs } = yield* AppConfig;
  const sessions = yield* Sessions;
  const attachments = yield* Attachments;
  const round = Effect.gen(function* () {
    const nowMs = yield* Clock.currentTimeMillis;
    for (const session of sessions.loaded()) {
      yield* attachments.releaseIdle(session, nowMs, idleMs);
    }
    yield* sessions.evictUnused;
  }).pipe(Effect.catchCause((cause) => Effect.logError("housekeeping failed", cause)));
  yield* Effect.repeat(round, Schedule.spaced(EVERY));
});
