/**
 * Owns which sessions are bound to their Podium instance: a bond begins when a turn is opened and ends when
 * nothing is going on. Refuses to own: how a bond works (podium-bond.ts).
 */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Fiber from "effect/Fiber";
import * as FiberSet from "effect/FiberSet";
import * as Layer from "effect/Layer";
import type { StorageError } from "../db/WorkerManager.ts";
import { Metrics } from "../observability/Metrics.ts";
import { PodiumClient } from "../upstream/PodiumClient.ts";
import type { LiveSession } from "./LiveSession.ts";
import { keepBond, releaseIdle } from "./podium-bond.ts";
import { sendOpenTurn } from "./podium-outbox.ts";
import { Sessions } from "./Sessions.ts";
import { StreamIntake } from "./StreamIntake.ts";
import type { SessionGone } from "./session-log.ts";

export class Attachments extends Context.Service<
  Attachments,
  {
    /** Tells Podium of the open turn, or of the wish to stop it; makes the bond if there is none. */
    readonly pursue: (session: LiveSession) => Effect.Effect<void>;
    /** Ends a bond whose session was deleted. */
    readonly abandon: (bond: LiveSession["attachment"]) => Effect.Effect<void>;
    /** Lets go of a session that has been ready for longer than `idleMs`. */
    readonly releaseIdle: (
      session: LiveSession,
      nowMs: number,
      idleMs: number,
    ) => Effect.Effect<void, StorageError | SessionGone>;
  }
>()("diminuendo/session/Attachments") {
  static readonly layer = Layer.effect(
    Attachments,
    Effect.gen(function* () {
      const sessions = yield* Sessions;
      const podium = yield* PodiumClient;
      const metrics = yield* Metrics;
      const needs = { sessions, podium, metrics, intake: yield* StreamIntake };
      const fork = yield* FiberSet.makeRuntime<never>();
      const linked = () => sessions.loaded().filter(({ link }) => link !== null).length;
      yield* metrics.gauge("diminuendo_podium_links", linked);
      return Attachments.of({
        pursue: (session) =>
          Effect.suspend(() => {
            if (session.link !== null) return sendOpenTurn(podium, session, session.link);
            // Without an open turn a bond would end at once, and its dead fiber be held for a live one.
            if (session.model.openTurn !== null)
              session.attachment ??= fork(keepBond(needs, session));
            return Effect.void;
          }),
        abandon: (bond) => (bond === null ? Effect.void : Fiber.interrupt(bond)),
        releaseIdle: (session, nowMs, idleMs) => releaseIdle(needs, session, nowMs, idleMs),
      });
    }),
  );
}
