/** Owns the trace that a piece of work belongs to: born with a client's message, passed on with every call. */
import type { TraceContext } from "@concert/service-kit/trace";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Tracer from "effect/Tracer";

/** The trace of the running fiber, if it belongs to one. */
export const CurrentTrace = Context.Reference<TraceContext | null>("diminuendo/CurrentTrace", {
  defaultValue: () => null,
});

export interface TracedWork {
  /** What is done, not to whom: it names a row of a dashboard. */
  readonly name: string;
  /** Whose trace it belongs to; without one it begins its own. */
  readonly caller?: TraceContext | null;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** Runs `work` as a span; its log lines and its calls carry the span's trace. */
export const traced = <A, E, R>(
  { name, caller, attributes = {} }: TracedWork,
  work: (trace: TraceContext) => Effect.Effect<A, E, R>,
) =>
  Effect.currentSpan.pipe(
    Effect.orDie,
    Effect.flatMap(({ traceId, spanId }) =>
      work({ traceId, spanId }).pipe(
        Effect.provideService(CurrentTrace, { traceId, spanId }),
        Effect.annotateLogs({ trace_id: traceId }),
      ),
    ),
    Effect.withSpan(
      name,
      {
        kind: "server",
        attributes,
        ...(caller ? { parent: Tracer.externalSpan(caller) } : { root: true }),
      },
      { captureStackTrace: false },
    ),
  );
