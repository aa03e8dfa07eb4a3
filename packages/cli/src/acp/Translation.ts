/**
 * Owns what a session's events are in the Agent Client Protocol: its `session/update`s. Keeps what one update needs to
 * know of those before it, and nothing else. Source: https://agentclientprotocol.com, version 1.
 */
import type { SessionUpdate } from "@agentclientprotocol/sdk";
import type { SessionEvent, SessionEventOf } from "@concert/sdk";
import { Plans } from "./Plans.ts";

/** Who asked for a turn here shows its words by itself. */
export interface Told {
  /** The client itself asked for this turn: its words and its failure have their own way there. */
  readonly isOwn: boolean;
}

export class Translation {
  /** What was told of each message that is not complete, by its id. */
  readonly #told = new Map<string, { attempt: number; chars: number }>();
  readonly #calls = new Set<string>();
  readonly #plans = new Plans();

  /** The log begins anew. */
  forget(): void {
    this.#told.clear();
    this.#calls.clear();
    this.#plans.forget();
  }

  updatesOf(event: SessionEvent, { isOwn }: Told): readonly SessionUpdate[] {
    switch (event.type) {
      case "user_message":
        return isOwn ? [] : [said("user_message_chunk", event.text, event.messageId)];
      case "text_delta":
        return this.#delta(event);
      case "message_complete":
        return this.#complete(event);
      case "thinking.start":
      case "thinking.progress":
        return event.text ? [said("agent_thought_chunk", event.text)] : [];
      case "tool_call_start":
      case "tool_call":
        return [this.#call(event)];
      case "tool_result":
        return [result(event)];
      case "tool_error":
        return [failure(event)];
      case "question_requested":
        return [said("agent_message_chunk", questionText(event), event.requestId)];
      case "turn_complete":
      case "turn_error":
        return this.#turnEnd(event, isOwn);
      default:
        return this.#plans.updatesOf(event);
    }
  }

  #delta({ messageId, attempt, text }: SessionEventOf<"text_delta">): readonly SessionUpdate[] {
    const known = this.#told.get(messageId);
    const chars = known?.attempt === attempt ? known.chars : 0;
    this.#told.set(messageId, { attempt, chars: chars + text.length });
    return [said("agent_message_chunk", text, shownId(messageId, attempt))];
  }

  /** What the deltas have not told: all of it in a replay, where they are gone. */
  #complete({ messageId, text }: SessionEventOf<"message_complete">): readonly SessionUpdate[] {
    const { attempt, chars } = this.#told.get(messageId) ?? { attempt: 1, chars: 0 };
    this.#told.delete(messageId);
    const rest = text.slice(chars);
    return rest === "" ? [] : [said("agent_message_chunk", rest, shownId(messageId, attempt))];
  }

  #call(event: SessionEventOf<"tool_call_start"> | SessionEventOf<"tool_call">): SessionUpdate {
    const { toolCallId, toolName: title } = event;
    const input = event.type === "tool_call" ? { rawInput: event.arguments } : {};
    const status = event.type === "tool_call" ? ("in_progress" as const) : ("pending" as const);
    if (this.#calls.has(toolCallId)) {
      return { sessionUpdate: "tool_call_update", toolCallId, status, ...input };
    }
    this.#calls.add(toolCallId);
    return { sessionUpdate: "tool_call", toolCallId, title, kind: "other", status, ...input };
  }

  #turnEnd(
    event: SessionEventOf<"turn_complete"> | SessionEventOf<"turn_error">,
    isOwn: boolean,
  ): readonly SessionUpdate[] {
    this.#told.clear();
    this.#calls.clear();
    if (event.type === "turn_complete" || isOwn) return [];
    return [said("agent_message_chunk", `This turn failed: ${event.message} (${event.code})`)];
  }
}

/** A message that an agent began again is another one here: what was shown cannot be taken back. */
const shownId = (messageId: string, attempt: number) =>
  attempt === 1 ? messageId : `${messageId}#${attempt}`;

const said = (
  sessionUpdate: "user_message_chunk" | "agent_message_chunk" | "agent_thought_chunk",
  text: string,
  messageId?: string,
): SessionUpdate => ({
  sessionUpdate,
  content: { type: "text", text },
  ...(messageId === undefined ? {} : { messageId }),
});

/** This protocol has no form: the person is told what is asked, and where it is answered. */
function questionText({ questions, commandId }: SessionEventOf<"question_requested">): string {
  const texts = (Array.isArray(questions) ? questions : []).map(
    (one: { readonly text?: unknown } | null) => String(one?.text ?? ""),
  );
  const how =
    commandId === undefined
      ? ""
      : ` Answer it in the console, or with: concert question answer ${commandId} '<JSON>'`;
  return `The agent waits for you: ${texts.join(" ")}${how}`;
}

const shown = (text: string) => [
  { type: "content" as const, content: { type: "text" as const, text } },
];

const result = (event: SessionEventOf<"tool_result">): SessionUpdate => ({
  sessionUpdate: "tool_call_update",
  toolCallId: event.toolCallId,
  status: event.status === "succeeded" ? "completed" : "failed",
  rawOutput: event.result,
  content: shown(JSON.stringify(event.result, null, 2) ?? "null"),
});

const failure = ({ toolCallId, error }: SessionEventOf<"tool_error">): SessionUpdate => ({
  sessionUpdate: "tool_call_update",
  toolCallId,
  status: "failed",
  rawOutput: error,
  content: shown(`${error.class}: ${error.message}`),
});
