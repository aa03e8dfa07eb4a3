/**
 * Owns whether the gateway's spans leave the process, and how its health report tells of it. Refuses to own: the export
 * itself, which every process of ours does alike (service-kit).
 */
import { Collector, type ExportState, exportingTracer } from "@concert/service-kit/otlp";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as References from "effect/References";
import { AppConfig } from "../app-config.ts";

export class Tracing extends Context.Service<Tracing, { readonly state: () => ExportState }>()(
  "diminuendo/observability/Tracing",
) {}

/** With a collector it also replaces the tracer of everything that is built upon it. */
export const TracingLayer = Layer.unwrap(
  Effect.gen(function* () {
    const { otlp } = yield* AppConfig;
    if (otlp === null) return off;
    const context = yield* Effect.context<never>();
    const collector = new Collector((line) => Effect.runForkWith(context)(Effect.logWarning(line)));
    const tracer = exportingTracer(otlp, collector);
    const state = Layer.succeed(Tracing, Tracing.of({ state: () => collector.state }));
    return Layer.merge(tracer, state);
  }),
);

/** Spans that go nowhere are not made. */
const off = Layer.merge(
  Layer.succeed(Tracing, Tracing.of({ state: () => ({ state: "off" }) })),
  Layer.succeed(References.TracerEnabled, false),
);
