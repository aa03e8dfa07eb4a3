/**
 * Owns spans for OpenTelemetry (AUD-14), beside what is on record and never in its place: without a provider that somebody
 * registered they cost next to nothing, and what becomes of them changes nothing. No payload, no name of a person, no
 * secret. Refuses to own: where they go (server/tracing.ts, or the program that embeds Concord).
 */
import {
  type Attributes,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { type CommandId, encodeId } from "../core/ids.ts";
import type { AgentRuntime } from "../domain/agents.ts";
import type { CommandService } from "../domain/command-service.ts";

const TRACER = "concord";

export interface SpanOf {
  readonly commandId?: CommandId;
  /** That of the command: 32 hexadecimal digits, else the span begins a trace of its own. */
  readonly traceId?: string | undefined;
  readonly attributes?: Attributes;
  readonly isOutward?: boolean;
}

/** `work` within a span; what it throws is noted and thrown on. */
export async function inSpan<T>(
  name: string,
  { commandId, traceId = "", attributes = {}, isOutward = false }: SpanOf,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const span = trace.getTracer(TRACER).startSpan(
    name,
    {
      kind: isOutward ? SpanKind.CLIENT : SpanKind.INTERNAL,
      attributes: {
        ...(commandId === undefined
          ? {}
          : { "concord.command_id": encodeId("command", commandId) }),
        ...attributes,
      },
    },
    parentOf(traceId, commandId),
  );
  try {
    return await work(span);
  } catch (error) {
    // Its message may quote what was judged; the record has it where it belongs.
    span.setStatus({
      code: SpanStatusCode.ERROR,
      message: error instanceof Error ? error.name : "",
    });
    throw error;
  } finally {
    span.end();
  }
}

/** A thought as a span: how it ended, not what was thought. */
export function tracedAgent(runtime: AgentRuntime): AgentRuntime {
  return {
    think: (request, signal) => {
      const { commandId, traceId, stepIndex } = request;
      const attributes = { "concord.step_index": stepIndex };
      return inSpan(
        "agent.think",
        { commandId, traceId, attributes, isOutward: true },
        async (span) => {
          const thought = await runtime.think(request, signal);
          span.setAttribute("concord.outcome", thought.kind);
          if (thought.kind === "moved") {
            span.setAttributes({
              "concord.input_tokens": thought.usage.inputTokens,
              "concord.output_tokens": thought.usage.outputTokens,
            });
          }
          return thought;
        },
      );
    },
  };
}

/** A submission as a span: which task, and what became of it by then. */
export function tracedSubmit(submit: CommandService["submit"]): CommandService["submit"] {
  return (request) => {
    const attributes = { "concord.ingress": request.ingress };
    return inSpan("command.submit", { traceId: request.traceId, attributes }, async (span) => {
      const submitted = await submit(request);
      const { command, replayed } = submitted;
      span.setAttributes({
        "concord.command_id": encodeId("command", command.commandId),
        "concord.task": command.taskName,
        "concord.status": command.status,
        "concord.replayed": replayed,
      });
      return submitted;
    });
  };
}

/** The id of `span` for a header, or undefined when nobody collects. */
export function spanIdOf(span: Span): string | undefined {
  // Without a provider a span has the context of its parent.
  return span.isRecording() ? span.spanContext().spanId : undefined;
}

/** Spans of one command stand under one id that is made of the command's own. */
function parentOf(traceId: string, commandId: CommandId | undefined) {
  const spanId = commandId?.replaceAll("-", "").slice(16) ?? traceId.slice(16);
  const parent = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return isSpanContextValid(parent) ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
}
