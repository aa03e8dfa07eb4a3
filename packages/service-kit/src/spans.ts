/**
 * Owns spans for processes that are written with promises: a piece of work becomes a span of the caller's trace, if spans go
 * anywhere; its calls carry the trace in any case. Refuses to own: the export (`otlp.ts`), which is loaded only where a
 * collector is named.
 */
import type { Logger } from "./log.ts";
import type { OtlpSettings } from "./otlp-settings.ts";
import { joinTrace, newTrace, type TraceContext, traceparent } from "./trace.ts";

export interface SpannedWork {
  /** What is done, not to whom: it names a row of a dashboard. */
  readonly name: string;
  /** Whose trace it belongs to; null: it begins its own. */
  readonly caller: TraceContext | null;
  /** `server`: it answers somebody. `client`: it asks somebody outside. */
  readonly kind: "server" | "client";
  readonly attributes?: SpanAttributes;
}
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;
/** Adds what became known during the work. */
export type Note = (attributes: SpanAttributes) => void;

export interface Spans {
  /** Runs `work` with the trace that its own calls continue; what it throws is thrown. */
  readonly within: <T>(
    of: SpannedWork,
    work: (trace: TraceContext, note: Note) => Promise<T>,
  ) => Promise<T>;
  /** Sends what waits. */
  readonly stop: () => Promise<void>;
}

/** Spans that go nowhere are not made. */
export const NO_SPANS: Spans = {
  within: ({ caller }, work) =>
    work(caller === null ? newTrace() : joinTrace(traceparent(caller)), () => undefined),
  stop: async () => {},
};

/** `otlp` null: none are made. */
export async function startSpans(otlp: OtlpSettings | null, log: Logger): Promise<Spans> {
  if (otlp === null) return NO_SPANS;
  const { exportedSpans } = await import("./exported-spans.ts");
  return exportedSpans(otlp, (line) => log.warn(line));
}
