/** Owns one breaker for each service behind the gateway. Only `Unreachable` counts: a refusal is an answer. */
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Layer from "effect/Layer";
import { Metrics } from "../observability/Metrics.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import { Breaker, type BreakerState } from "./breaker.ts";

export const GUARDED = ["podium", "concord", "concordance", "broadcast"] as const;
export type Guarded = (typeof GUARDED)[number];

export class Breakers extends Context.Service<
  Breakers,
  {
    /** Asks, unless the service is left alone just now: then it fails at once with `Unreachable`. */
    readonly guard: <A, E, R>(
      service: Guarded,
      ask: Effect.Effect<A, E, R>,
    ) => Effect.Effect<A, E | Unreachable, R>;
    readonly states: Effect.Effect<Readonly<Record<Guarded, BreakerState>>>;
  }
>()("diminuendo/resilience/Breakers") {
  static readonly layer = Layer.effect(
    Breakers,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock;
      const metrics = yield* Metrics;
      const breakers = {
        podium: new Breaker(),
        concord: new Breaker(),
        concordance: new Breaker(),
        broadcast: new Breaker(),
      };
      const now = () => clock.currentTimeMillisUnsafe();
      const statesNow = () => ({
        podium: breakers.podium.state(now()),
        concord: breakers.concord.state(now()),
        concordance: breakers.concordance.state(now()),
        broadcast: breakers.broadcast.state(now()),
      });
      yield* metrics.gauge(
        "diminuendo_breakers_open",
        () => Object.values(statesNow()).filter((state) => state !== "closed").length,
      );
      return Breakers.of({
        states: Effect.sync(statesNow),
        guard: <A, E, R>(service: Guarded, ask: Effect.Effect<A, E, R>) =>
          Effect.suspend((): Effect.Effect<A, E | Unreachable, R> => {
            const breaker = breakers[service];
            if (!breaker.admits(now())) {
              return Effect.fail(
                new Unreachable({ service, reason: "it failed repeatedly and is left alone" }),
              );
            }
            return Effect.onExit(ask, (exit) => Effect.sync(() => note(breaker, exit, now())));
          }),
      });
    }),
  );
}

function note(breaker: Breaker, exit: Exit.Exit<unknown, unknown>, nowMs: number): void {
  const failures = Exit.isSuccess(exit)
    ? []
    : exit.cause.reasons.flatMap((one) => (one._tag === "Fail" ? [one.error] : []));
  if (Exit.isSuccess(exit)) breaker.succeeded();
  else if (failures.some((error) => error instanceof Unreachable)) breaker.failed(nowMs);
  else if (failures.length > 0) breaker.succeeded();
  else breaker.abandoned();
}
