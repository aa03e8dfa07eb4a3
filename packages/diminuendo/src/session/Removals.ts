/**
 * Owns that what a deleted session's agent said and wrote goes at Podium as well. The wish lies in the registry, in the
 * commit that deleted the session; here it is asked for until Podium says that nothing is left, however often one of the
 * two dies in between: asking again is harmless. Refuses to own: Concord's record of what was done, which stays.
 */
import { continueTrace } from "@concert/service-kit/trace";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as FiberSet from "effect/FiberSet";
import * as Layer from "effect/Layer";
import * as Semaphore from "effect/Semaphore";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { Metrics } from "../observability/Metrics.ts";
import { traced } from "../observability/trace.ts";
import { persist } from "../resilience/retry-policy.ts";
import { PodiumClient } from "../upstream/PodiumClient.ts";
import { Unreachable, type UpstreamError } from "../upstream/upstream-http.ts";
import { instanceIdOf } from "./ids.ts";

const AT_ONCE = 4;

export class Removals extends Context.Service<
  Removals,
  {
    /** Sees to a session that the registry says was deleted; at once, and again until it is done. */
    readonly pursue: (tenantId: string, sessionId: string) => Effect.Effect<void>;
  }
>()("diminuendo/session/Removals") {
  static readonly layer = Layer.effect(
    Removals,
    Effect.gen(function* () {
      const workers = yield* WorkerManager;
      const podium = yield* PodiumClient;
      const metrics = yield* Metrics;
      const fork = yield* FiberSet.makeRuntime<never>();
      const turnstile = Semaphore.makeUnsafe(AT_ONCE);
      const pursued = new Set<string>();
      yield* metrics.gauge("diminuendo_removals_pending", () => pursued.size);

      const attempt = Effect.fnUntraced(function* (tenantId: string, sessionId: string) {
        const place = { tenantId, sessionId };
        const pending = yield* workers.read({ kind: "pending_removal", ...place });
        if (pending === null) return;
        const caller = continueTrace(pending.traceId);
        const instanceId = instanceIdOf(sessionId);
        const counts = yield* traced({ name: "podium.remove", caller }, () =>
          podium.removeInstance(instanceId, pending.actor),
        );
        if (counts === null) return yield* stillStopping;
        const nowMs = yield* Clock.currentTimeMillis;
        yield* workers.write({ kind: "session_removed", ...place, counts, nowMs });
        yield* Effect.logInfo(`podium has removed what session ${sessionId} left`);
      });

      const untilDone = (tenantId: string, sessionId: string): Effect.Effect<void> => {
        let told = "";
        return persist(
          () => turnstile.withPermits(1)(attempt(tenantId, sessionId)),
          (error) => {
            const why = reasonOf(error);
            if (why === told) return Effect.void;
            told = why;
            return Effect.logWarning(
              `what session ${sessionId} left at podium is not removed yet, and will be asked for again: ${why}`,
            );
          },
        );
      };

      return Removals.of({
        pursue: (tenantId, sessionId) =>
          Effect.sync(() => {
            if (pursued.has(sessionId)) return;
            pursued.add(sessionId);
            const forget = Effect.sync(() => void pursued.delete(sessionId));
            fork(Effect.ensuring(untilDone(tenantId, sessionId), forget));
          }),
      });
    }),
  );
}

const stillStopping = new Unreachable({
  service: "podium",
  reason: "its turns are being stopped there",
});

function reasonOf(error: StorageError | UpstreamError): string {
  return error._tag === "Refused" ? `podium refused it with ${error.code}` : error.reason;
}
