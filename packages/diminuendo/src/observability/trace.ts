/** Owns the trace that a piece of work belongs to: born with a client's message, passed on with every call. */
import { newTrace, type TraceContext } from "@concert/service-kit/trace";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";

/** The trace of the running fiber, if it belongs to one. */
export const CurrentTrace = Context.Reference<TraceContext | null>("diminuendo/CurrentTrace", {
  defaultValue: () => null,
});

/** Runs `work` in a trace of its own; its log lines carry the `trace_id`. */
export function traced<A, E, R>(work: Effect.Effect<A, E, R>, trace = newTrace()) {
  return work.pipe(
    Effect.provideService(CurrentTrace, trace),
    Effect.annotateLogs({ trace_id: trace.traceId }),
  );
}
