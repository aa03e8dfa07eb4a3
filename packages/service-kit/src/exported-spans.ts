/** Owns spans that leave the process, for promises: each is one of Effect's, around work that knows nothing of it. */
import * as Effect from "effect/Effect";
import * as ManagedRuntime from "effect/ManagedRuntime";
import * as Tracer from "effect/Tracer";
import { Collector, exportingTracer } from "./otlp.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import type { Note, SpannedWork, Spans } from "./spans.ts";
import type { TraceContext } from "./trace.ts";

export function exportedSpans(otlp: OtlpSettings, warn: (line: string) => void): Spans {
  const runtime = ManagedRuntime.make(exportingTracer(otlp, new Collector(warn)));
  return {
    within: async (of, work) => {
      const outcome = await runtime.runPromise(asSpan(of, work));
      if ("error" in outcome) throw outcome.error;
      return outcome.value;
    },
    stop: () => runtime.dispose(),
  };
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** A failure marks the span, and is handed on as it was thrown. */
function asSpan<T>(
  { name, caller, kind, attributes = {} }: SpannedWork,
  work: (trace: TraceContext, note: Note) => Promise<T>,
): Effect.Effect<Outcome<T>> {
  const attempt = Effect.currentSpan.pipe(
    Effect.orDie,
    Effect.flatMap((span) => {
      const { traceId, spanId } = span;
      const note: Note = (found) => {
        for (const [key, value] of Object.entries(found)) span.attribute(key, value);
      };
      return Effect.tryPromise({
        try: () => work({ traceId, spanId }, note),
        catch: (error) => ({ error }),
      });
    }),
    Effect.map((value): Outcome<T> => ({ value })),
  );
  const placed = caller === null ? { root: true } : { parent: Tracer.externalSpan(caller) };
  return attempt.pipe(
    Effect.withSpan(name, { kind, attributes, ...placed }, { captureStackTrace: false }),
    Effect.catch(({ error }) => Effect.succeed<Outcome<T>>({ error })),
  );
}
