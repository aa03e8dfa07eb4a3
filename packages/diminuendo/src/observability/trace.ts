/** Owns the trace that a piece of work belongs to: born with a client's message, passed on with every call. */
import { joinTrace, newTrace, type TraceContext, traceparent } from "@concert/service-kit/trace";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as References from "effect/References";
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

type Work<A, E, R> = (trace: TraceContext) => Effect.Effect<A, E, R>;

/** Runs `work` as a span, if spans go anywhere; its log lines and its calls carry the trace in any case. */
export const traced = <A, E, R>(of: TracedWork, work: Work<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(References.TracerEnabled, (isOn) =>
    isOn ? asSpan(of, work) : within(new LazyTrace(of.caller ?? null), work),
  );

const asSpan = <A, E, R>({ name, caller, attributes = {} }: TracedWork, work: Work<A, E, R>) =>
  Effect.currentSpan.pipe(
    Effect.orDie,
    Effect.flatMap(({ traceId, spanId }) => within({ traceId, spanId }, work)),
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

const within = <A, E, R>(trace: TraceContext, work: Work<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.updateContext(work(trace), (context: Context.Context<R>) =>
    Context.add(
      Context.add(context, CurrentTrace, trace),
      References.CurrentLogAnnotations,
      annotated(Context.get(context, References.CurrentLogAnnotations), trace),
    ),
  );

/** Read only when a line is written. */
const annotated = (others: Readonly<Record<string, unknown>>, trace: TraceContext) => ({
  ...others,
  get trace_id() {
    return trace.traceId;
  },
});

/** Most messages are answered without anybody asking what their trace is. */
class LazyTrace implements TraceContext {
  readonly #caller: TraceContext | null;
  #made: TraceContext | null = null;

  constructor(caller: TraceContext | null) {
    this.#caller = caller;
  }

  get traceId(): string {
    return this.#trace.traceId;
  }

  get spanId(): string {
    return this.#trace.spanId;
  }

  get #trace(): TraceContext {
    this.#made ??= this.#caller === null ? newTrace() : joinTrace(traceparent(this.#caller));
    return this.#made;
  }
}

/**
 * `Effect.provideContext` for what is done for somebody again and again: it merges two large contexts into a third, this
 * takes `needs` as it is, and from whoever asks only what says for whom it is done.
 */
export const provideNeeds =
  <Needs>(needs: Context.Context<Needs>) =>
  <A, E>(work: Effect.Effect<A, E, Needs>): Effect.Effect<A, E> =>
    Effect.updateContext(work, (asking: Context.Context<never>) => {
      const trace = Context.add(needs, CurrentTrace, Context.get(asking, CurrentTrace));
      const { CurrentLogAnnotations } = References;
      const logs = Context.get(asking, CurrentLogAnnotations);
      const spoken = Context.add(trace, CurrentLogAnnotations, logs);
      const span = Context.getOption(
        asking as Context.Context<Tracer.ParentSpan>,
        Tracer.ParentSpan,
      );
      return span._tag === "None" ? spoken : Context.add(spoken, Tracer.ParentSpan, span.value);
    });
