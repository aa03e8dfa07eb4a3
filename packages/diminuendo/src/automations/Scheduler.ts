/**
 * Owns the time of automations: when which tenant is looked at. It knows in memory when something is due and asks again
 * now and then, for nothing is lost by looking once too often. Refuses to own: what a look does (tenant-round.ts).
 */
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Queue from "effect/Queue";
import { TurnNews } from "../session/TurnNews.ts";
import { deliveriesUnderWay } from "./deliveries-under-way.ts";
import { IsOurs } from "./own-tenants.ts";
import { RunPorts } from "./RunPorts.ts";
import { tenantRound, type Wake } from "./tenant-round.ts";

/** Tenants that this process has not heard of, or that have become its own, are found within this time. */
const SURVEY_MS = 60_000;
/** Open runs are looked at this often, should no word of their turns arrive. */
const OPEN_RUNS_MS = 5_000;
/** Another gateway's tenant that has something to do is asked after this often: it may have become our own. */
const ELSEWHERE_MS = 5_000;
const SLEEP_MAX_MS = 1_000;
/** Words that come in a crowd are one look. */
const GATHER = "20 millis";
const AT_ONCE = 4;

interface Plan extends Wake {
  readonly lookAtMs: number;
}

const NOTHING: Wake = { atMs: null, openRuns: 0, deliverAtMs: null };

export class Scheduler extends Context.Service<
  Scheduler,
  {
    /** Something about the tenant's automations has changed: look at once. */
    readonly poke: (tenantId: string) => void;
    /** Looks until it is interrupted. */
    readonly run: Effect.Effect<never>;
    /** One look at whatever is due at `nowMs`; `run` does it again and again. */
    readonly look: (nowMs: number) => Effect.Effect<void>;
  }
>()("diminuendo/automations/Scheduler") {
  static readonly layer = Layer.effect(
    Scheduler,
    Effect.gen(function* () {
      const ports = yield* RunPorts;
      const isOurs = yield* IsOurs;
      const news = yield* TurnNews;
      const pokes = yield* Queue.sliding<void>(1);
      const plans = new Map<string, Plan>();
      let surveyAtMs = Number.NEGATIVE_INFINITY;
      let lastLookMs = Number.NEGATIVE_INFINITY;

      const poke = (tenantId: string) => {
        const known = plans.get(tenantId) ?? NOTHING;
        plans.set(tenantId, { ...known, lookAtMs: Number.NEGATIVE_INFINITY });
        Queue.offerUnsafe(pokes, undefined);
      };
      news.listen((tenantId, sessionId) => {
        if (sessionId === null || (plans.get(tenantId)?.openRuns ?? 0) > 0) poke(tenantId);
      });

      const deliveries = yield* deliveriesUnderWay(poke);

      const survey = Effect.fnUntraced(function* (nowMs: number) {
        const tenants = yield* ports.read({ kind: "tenants", ofTenant: null });
        for (const tenantId of tenants) {
          const wake = yield* ports.read({ kind: "automation_wake", tenantId });
          plans.set(tenantId, planOf(wake, nowMs, deliveries.has(tenantId)));
        }
        surveyAtMs = nowMs + SURVEY_MS;
      });

      const lookAtTenant = Effect.fnUntraced(function* (tenantId: string, nowMs: number) {
        const known = plans.get(tenantId) ?? NOTHING;
        // A poke that comes during the look must not be forgotten after it.
        plans.delete(tenantId);
        if (!(yield* isOurs(tenantId))) {
          // Whoever looks after it may die; a survey finds out that there is nothing left to do.
          if (!plans.has(tenantId))
            plans.set(tenantId, { ...known, lookAtMs: nowMs + ELSEWHERE_MS });
          return;
        }
        yield* tenantRound(tenantId, nowMs).pipe(
          Effect.provideService(RunPorts, ports),
          Effect.tap((wake) => deliveries.begin(tenantId, wake, nowMs)),
          Effect.tap((wake) =>
            Effect.sync(() => {
              const poked = plans.has(tenantId);
              const plan = planOf(wake, nowMs, deliveries.has(tenantId));
              const isIdle = wake.atMs === null && wake.openRuns === 0;
              if (isIdle && wake.deliverAtMs === null && !poked) return;
              plans.set(tenantId, poked ? { ...plan, lookAtMs: Number.NEGATIVE_INFINITY } : plan);
            }),
          ),
        );
      });

      const look = Effect.fnUntraced(function* (nowMs: number) {
        // Clocks that were put back make every plan too late.
        if (nowMs >= surveyAtMs || nowMs < lastLookMs) yield* survey(nowMs);
        lastLookMs = nowMs;
        const due = [...plans].filter(([, { lookAtMs }]) => lookAtMs <= nowMs);
        yield* Effect.forEach(due, ([tenantId]) => lookAtTenant(tenantId, nowMs), {
          concurrency: AT_ONCE,
          discard: true,
        });
      });
      const safeLook = (nowMs: number) =>
        look(nowMs).pipe(
          Effect.catchCause((cause) =>
            Effect.andThen(
              Effect.logError("automations could not be looked at", cause),
              Effect.sync(() => {
                surveyAtMs = Number.NEGATIVE_INFINITY;
              }),
            ),
          ),
        );

      const sleep = (nowMs: number) => {
        const next = Math.min(surveyAtMs, ...[...plans.values()].map(({ lookAtMs }) => lookAtMs));
        const sleepMs = Math.max(0, Math.min(SLEEP_MAX_MS, next - nowMs));
        const woken = Effect.race(Queue.take(pokes), Effect.sleep(`${sleepMs} millis`));
        return Effect.andThen(woken, Effect.sleep(GATHER));
      };
      const run = Effect.forever(
        Effect.gen(function* () {
          yield* safeLook(yield* Clock.currentTimeMillis);
          yield* sleep(yield* Clock.currentTimeMillis);
        }),
      );
      return Scheduler.of({ poke, run, look: safeLook });
    }),
  );
}

/** While deliveries are under way their end is waited for, not their time. */
function planOf(wake: Wake, nowMs: number, isDelivering: boolean): Plan {
  const dueMs = wake.atMs ?? Number.POSITIVE_INFINITY;
  const deliverMs = (isDelivering ? null : wake.deliverAtMs) ?? Number.POSITIVE_INFINITY;
  const openMs = wake.openRuns > 0 ? nowMs + OPEN_RUNS_MS : Number.POSITIVE_INFINITY;
  return { ...wake, lookAtMs: Math.min(dueMs, openMs, deliverMs) };
}
