/**
 * Owns asking Podium for an agent's next move (wire §3): one request, its answer or refusal as a value.
 * Refuses to own: asking again, which domain/thinking.ts does.
 */
import { z } from "zod";
import { encodeId } from "../../core/ids.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import type { AgentRuntime, ThinkRequest, Thought, TranscriptEntry } from "../../domain/agents.ts";

const NonNegative = z.number().int().nonnegative();
const Answer = z.object({
  move: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("final"), message_id: z.string(), text: z.string() }),
    z.object({
      kind: z.literal("tool_calls"),
      message_id: z.string(),
      text: z.string().optional(),
      calls: z.array(
        z.object({
          call_id: z.string(),
          tool_name: z.string().max(200),
          arguments: z.record(z.string(), z.json()),
        }),
      ),
    }),
  ]),
  usage: z.object({ input_tokens: NonNegative, output_tokens: NonNegative }),
});
type Answer = z.infer<typeof Answer>;

const Refusal = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export function podiumRuntime(baseUrl: string, key: string): AgentRuntime {
  return {
    think: async (request, signal) => {
      try {
        const response = await fetch(`${baseUrl}/internal/v1/agent-steps`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${key}`,
            "content-type": "application/json",
            traceparent: `00-${request.traceId}-${request.commandId.replaceAll("-", "").slice(16)}-01`,
          },
          body: JSON.stringify(bodyOf(request)),
          signal,
        });
        return await thoughtOf(response);
      } catch (error) {
        const why = error instanceof Error ? (error.cause ?? error) : error;
        return { kind: "failed", again: true, message: `Podium did not answer: ${String(why)}` };
      }
    },
  };
}

function bodyOf(request: ThinkRequest): JsonObject {
  const { turn } = request;
  const field = (name: string): Json => turn[name] ?? null;
  return {
    step_key: request.stepKey,
    command_id: encodeId("command", request.commandId),
    instance_id: field("instance_id"),
    agent_type: field("agent_type"),
    turn_id: field("turn_id"),
    step_index: request.stepIndex,
    text: field("text"),
    history: field("history"),
    tools: request.tools.map((tool) => ({
      name: tool.name,
      description: tool.description,
      input_schema: tool.inputSchema,
      task_name: tool.taskName,
      risk_level: tool.riskLevel,
      side_effect: tool.sideEffect,
    })),
    transcript: request.transcript.map(entryOf),
  };
}

function entryOf(entry: TranscriptEntry): JsonObject {
  if (entry.kind === "observation") {
    return {
      kind: "observation",
      call_id: entry.callId,
      tool_name: entry.toolName,
      command_id: entry.commandId === null ? null : encodeId("command", entry.commandId),
      status: entry.status,
      ...(entry.result === undefined ? {} : { result: entry.result }),
      ...(entry.error === undefined ? {} : { error: { ...entry.error } }),
    };
  }
  const { move } = entry;
  if (move.kind === "final") {
    return { kind: "move", move: { kind: "final", message_id: move.messageId, text: move.text } };
  }
  const calls = move.calls.map((call) => ({
    call_id: call.callId,
    tool_name: call.toolName,
    arguments: call.arguments,
  }));
  const text = move.text === undefined ? {} : { text: move.text };
  return { kind: "move", move: { kind: "tool_calls", message_id: move.messageId, ...text, calls } };
}

async function thoughtOf(response: Response): Promise<Thought> {
  // A body that Podium's death cut short throws here, and the thought is asked for again.
  const text = await response.text();
  if (response.ok) {
    const answer = Answer.safeParse(JSON.parse(text));
    if (answer.success) return moved(answer.data);
    const message = `Podium's answer does not fit: ${z.prettifyError(answer.error)}`;
    return { kind: "failed", again: false, message };
  }
  const refusal = Refusal.safeParse(jsonIn(text));
  const code = refusal.success ? refusal.data.error.code : String(response.status);
  if (response.status === 409 && code === "turn_stopped") return { kind: "stopped" };
  const message = refusal.success ? refusal.data.error.message : "Podium refused";
  const again = response.status >= 500 || response.status === 429;
  return { kind: "failed", again, message: `${code}: ${message}` };
}

/** What stands between us and Podium may refuse in words that are not JSON. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function moved({ move, usage }: Answer): Thought {
  const tokens = { inputTokens: usage.input_tokens, outputTokens: usage.output_tokens };
  if (move.kind === "final") {
    const { message_id: messageId, text } = move;
    return { kind: "moved", move: { kind: "final", messageId, text }, usage: tokens };
  }
  const calls = move.calls.map((call) => ({
    callId: call.call_id,
    toolName: call.tool_name,
    arguments: call.arguments,
  }));
  const text = move.text === undefined ? {} : { text: move.text };
  const result = { kind: "tool_calls" as const, messageId: move.message_id, ...text, calls };
  return { kind: "moved", move: result, usage: tokens };
}
