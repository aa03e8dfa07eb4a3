/**
 * Owns what the gateway says about itself: `/api/health` with every dependency and its latency, `/ready` with
 * what is missing. A turn needs Podium and Concord; without the others the gateway still serves.
 */
import type { ExportState } from "@concert/service-kit/otlp";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../app-config.ts";
import { Breakers } from "../resilience/Breakers.ts";
import type { BreakerState } from "../resilience/breaker.ts";
import { Metrics } from "./Metrics.ts";
import { Tracing } from "./Tracing.ts";

const PROBE_TIMEOUT_MS = 2_000;

/** The link to the other gateways; alone, the gateway is its own broadcast layer. */
export const BroadcastHealth = Context.Reference<() => BroadcastHealth>(
  "diminuendo/observability/BroadcastHealth",
  { defaultValue: () => () => ({ ok: true, latencyMs: 0, engine: "in-process" }) },
);
export interface BroadcastHealth {
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly engine: string;
}

export interface DependencyHealth {
  readonly ok: boolean;
  readonly latencyMs: number;
  readonly error?: string;
  /** Whether requests go there: `open` means that it is left alone for now. */
  readonly breaker?: BreakerState;
  /** Of the broadcast layer: what carries it. */
  readonly engine?: string;
}
export interface HealthReport {
  readonly ok: boolean;
  readonly service: "diminuendo";
  readonly uptimeMs: number;
  readonly dependencies: Readonly<Record<string, DependencyHealth>>;
  /** A collector that fails harms nothing, and therefore does not count in `ok`. */
  readonly tracing: ExportState;
  readonly instance: Readonly<Record<string, number>>;
}

export class Health extends Context.Service<
  Health,
  {
    readonly report: Effect.Effect<HealthReport>;
    readonly readiness: Effect.Effect<{
      readonly ready: boolean;
      readonly missing: readonly string[];
    }>;
  }
>()("diminuendo/observability/Health") {
  static readonly layer = Layer.effect(
    Health,
    Effect.gen(function* () {
      const { podium, concord, concordance, ensembleUrl } = yield* AppConfig;
      const metrics = yield* Metrics;
      const breakers = yield* Breakers;
      const tracing = yield* Tracing;
      const broadcast = yield* BroadcastHealth;
      const startedAtMs = performance.now();
      const needed = {
        podium: `${podium.url}/health`,
        concord: `${concord.url}/health`,
      };
      const all = {
        ...needed,
        concordance: `${concordance.url}/api/v1/health`,
        ensemble: `${ensembleUrl}/health`,
      };
      return Health.of({
        report: Effect.gen(function* () {
          const probed = { ...(yield* probeAll(all)), broadcast: broadcast() };
          const states: Readonly<Record<string, BreakerState>> = yield* breakers.states;
          const dependencies = Object.fromEntries(
            Object.entries(probed).map(([name, health]) => {
              const breaker = states[name];
              return [name, breaker === undefined ? health : { ...health, breaker }];
            }),
          );
          return {
            ok: Object.values(dependencies).every(({ ok }) => ok),
            service: "diminuendo",
            uptimeMs: Math.round(performance.now() - startedAtMs),
            dependencies,
            tracing: tracing.state(),
            instance: { ...(yield* metrics.values), rssBytes: process.memoryUsage.rss() },
          };
        }),
        readiness: Effect.map(probeAll(needed), (found) => {
          const missing = Object.keys(needed).filter((name) => found[name]?.ok !== true);
          return { ready: missing.length === 0, missing };
        }),
      });
    }),
  );
}

const probeAll = (urls: Readonly<Record<string, string>>) =>
  Effect.forEach(
    Object.entries(urls),
    ([name, url]) => Effect.map(probe(url), (health) => [name, health] as const),
    { concurrency: "unbounded" },
  ).pipe(Effect.map((found) => Object.fromEntries(found) as Record<string, DependencyHealth>));

const probe = (url: string): Effect.Effect<DependencyHealth> =>
  Effect.promise(async () => {
    const askedAtMs = performance.now();
    const latencyMs = () => Math.round((performance.now() - askedAtMs) * 10) / 10;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      await response.arrayBuffer();
      const failure = response.ok ? {} : { error: `status ${response.status}` };
      return { ok: response.ok, latencyMs: latencyMs(), ...failure };
    } catch (error) {
      const why =
        error instanceof Error && error.name === "TimeoutError" ? "timeout" : "unreachable";
      return { ok: false, latencyMs: latencyMs(), error: why };
    }
  });
