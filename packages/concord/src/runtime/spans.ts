/**
 * Owns spans for OpenTelemetry (AUD-14), beside what is on record and never in its place: without anybody who collects
 * they cost next to nothing, and what becomes of them changes nothing. No payload, no name of a person, no secret.
 * Refuses to own: where they go (`@concert/service-kit` sends them over OTLP; a program that embeds Concord may hand in
 * its own).
 */
import { type CommandId, encodeId } from "../core/ids.ts";
import type { AgentRuntime } from "../domain/agents.ts";
import type { CommandService } from "../domain/command-service.ts";

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;
interface Place {
  readonly traceId: string;
  readonly spanId: string;
}
/** Whoever makes spans: one around `work`, which is told where it stands and may add what it found. */
export interface SpanMaker {
  readonly within: <T>(
    of: {
      readonly name: string;
      /** What it stands under; null: it begins a trace. */
      readonly caller: Place | null;
      readonly kind: "server" | "client";
      readonly attributes?: SpanAttributes;
    },
    work: (place: Place, note: (attributes: SpanAttributes) => void) => Promise<T>,
  ) => Promise<T>;
}

export interface SpanOf {
  readonly commandId?: CommandId;
  /** That of the command: 32 hexadecimal digits, else the span begins a trace of its own. */
  readonly traceId?: string | undefined;
  readonly attributes?: SpanAttributes;
}

/** What a span's work is told: its id for a header, undefined where nobody collects, and how to add to it. */
export interface Inside {
  readonly spanId: string | undefined;
  readonly note: (attributes: SpanAttributes) => void;
}

const NOBODY: Inside = { spanId: undefined, note: () => undefined };

/** `work` within a span; what it throws is noted and thrown on. */
export function inSpan<T>(
  spans: SpanMaker | undefined,
  name: string,
  { commandId, traceId = "", attributes = {} }: SpanOf,
  work: (inside: Inside) => Promise<T>,
): Promise<T> {
  if (spans === undefined) return work(NOBODY);
  const id =
    commandId === undefined ? {} : { "concord.command_id": encodeId("command", commandId) };
  const caller = parentOf(traceId, commandId);
  const of = { name, caller, kind: "client", attributes: { ...id, ...attributes } } as const;
  return spans.within(of, ({ spanId }, note) => work({ spanId, note }));
}

/** A thought as a span: how it ended, not what was thought. */
export function tracedAgent(runtime: AgentRuntime, spans: SpanMaker | undefined): AgentRuntime {
  return {
    think: (request, signal) => {
      const { commandId, traceId, stepIndex } = request;
      const attributes = { "concord.step_index": stepIndex };
      return inSpan(spans, "agent.think", { commandId, traceId, attributes }, async ({ note }) => {
        const thought = await runtime.think(request, signal);
        note({ "concord.outcome": thought.kind });
        if (thought.kind === "moved") {
          const { inputTokens, outputTokens } = thought.usage;
          note({ "concord.input_tokens": inputTokens, "concord.output_tokens": outputTokens });
        }
        return thought;
      });
    },
  };
}

/** A submission as a span: which task, and what became of it by then. */
export function tracedSubmit(
  submit: CommandService["submit"],
  spans: SpanMaker | undefined,
): CommandService["submit"] {
  return (request) => {
    const attributes = { "concord.ingress": request.ingress };
    const { traceId } = request;
    return inSpan(spans, "command.submit", { traceId, attributes }, async ({ note }) => {
      const submitted = await submit(request);
      const { command, replayed } = submitted;
      note({
        "concord.command_id": encodeId("command", command.commandId),
        "concord.task": command.taskName,
        "concord.status": command.status,
        "concord.replayed": replayed,
      });
      return submitted;
    });
  };
}

/** Spans of one command stand under one id that is made of the command's own. */
function parentOf(traceId: string, commandId: CommandId | undefined): Place | null {
  if (!/^(?!0{32})[0-9a-f]{32}$/.test(traceId)) return null;
  return { traceId, spanId: commandId?.replaceAll("-", "").slice(16) ?? traceId.slice(16) };
}
