/** Owns how long the gateway waits before it tries an upstream again: exponential, capped, with jitter. */
import * as Effect from "effect/Effect";
import * as Random from "effect/Random";
import * as Schedule from "effect/Schedule";

const FIRST_MS = 100;
const CAP_MS = 5_000;

/** For a read somebody waits for: twice more, quickly. */
export const readPolicy = Schedule.exponential("100 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: 2 }),
);

/** The pause after `failures` failures in a row (1 or more); `random` in [0, 1). Pure. */
export function backoffMs(failures: number, random: number): number {
  const ceiling = Math.min(CAP_MS, FIRST_MS * 2 ** Math.min(failures - 1, 16));
  return Math.round(ceiling * (0.5 + random / 2));
}

/**
 * Repeats `attempt` until it succeeds, with growing pauses. An attempt calls `working` once it has achieved
 * something, e.g. opened its socket: the pauses then start small again.
 */
export const persist = <A, E, R>(
  attempt: (working: () => void) => Effect.Effect<A, E, R>,
  onFailure: (error: E) => Effect.Effect<void>,
): Effect.Effect<A, never, R> =>
  Effect.gen(function* () {
    for (let failures = 1; ; failures += 1) {
      const working = () => {
        failures = 1;
      };
      const outcome = yield* Effect.result(attempt(working));
      if (outcome._tag === "Success") return outcome.success;
      yield* onFailure(outcome.failure);
      yield* Effect.sleep(backoffMs(failures, yield* Random.next));
    }
  });
