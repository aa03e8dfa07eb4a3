/**
 * Owns what a turn's events are in AG-UI: a run that is told in order, each of its messages opened and closed, and that
 * ends with the turn or with an approval that waits for a person. Pure but for its own memory.
 */
import type { SessionEvent, SessionEventOf } from "../../protocol/index.ts";
import type { AgUiEvent } from "./events.ts";
import { ANSWER_SCHEMA } from "./run-input.ts";

export interface RunOf {
  readonly threadId: string;
  readonly runId: string;
  readonly turnId: string;
  /** Approvals and questions that this run itself has answered. */
  readonly answered: ReadonlySet<string>;
}
type Asked = SessionEventOf<"permission_requested" | "question_requested">;

export class Run {
  readonly #of: RunOf;
  readonly #asked = new Map<string, Asked>();
  /** The text message that is being told, and how much of it was. */
  #message: { readonly id: string; readonly shownId: string; chars: number } | null = null;
  #reasoning: string | null = null;
  /** Each call of the turn, and whether its arguments are still to come. */
  readonly #calls = new Map<string, "open" | "told">();
  #usage: { readonly inputTokens: number; readonly outputTokens: number } | undefined;
  #isLive = false;
  isOver = false;

  constructor(of: RunOf) {
    this.#of = of;
  }

  /** What happened so far is told: an approval that is still open now ends the run. */
  caughtUp(): readonly AgUiEvent[] {
    this.#isLive = true;
    return this.#interrupted();
  }

  eventsOf(event: SessionEvent): readonly AgUiEvent[] {
    if (this.isOver) return [];
    if (event.type === "session_state") return [statusOf(event)];
    if (event.turnId !== this.#of.turnId) return [];
    switch (event.type) {
      case "user_message":
      case "turn_started":
      case "message_started":
        return [];
      case "text_delta":
        return this.#delta(event);
      case "message_complete":
        return this.#complete(event);
      case "thinking.start":
      case "thinking.progress":
      case "thinking.complete":
        return this.#thought(event);
      case "tool_call_start":
      case "tool_call":
        return [...this.#closed(), ...this.#call(event)];
      case "tool_result":
        return [...this.#callClosed(event.toolCallId), resultOf(event, event.result)];
      case "tool_error":
        return [...this.#callClosed(event.toolCallId), resultOf(event, { error: event.error })];
      case "usage_update":
        this.#usage = { inputTokens: event.inputTokens, outputTokens: event.outputTokens };
        return [];
      case "permission_requested":
        if (!this.#of.answered.has(event.requestId)) this.#asked.set(event.requestId, event);
        return [asIs(event), ...this.#interrupted()];
      case "question_requested":
        // Without a command nobody takes an answer.
        if (event.commandId === undefined) return [asIs(event)];
        if (!this.#of.answered.has(event.requestId)) this.#asked.set(event.requestId, event);
        return [asIs(event), ...this.#interrupted()];
      case "approval_resolved":
      case "question_resolved":
        this.#asked.delete(event.requestId);
        return [asIs(event)];
      case "turn_complete":
        return this.#finished(event);
      case "turn_dequeued":
        return this.#end({ type: "cancelled" });
      case "turn_error":
        return this.failed(event.code, event.message);
      default:
        return [asIs(event)];
    }
  }

  failed(code: string, message: string): readonly AgUiEvent[] {
    this.isOver = true;
    return [...this.#allClosed(), { type: "RUN_ERROR", code, message }];
  }

  #delta({ messageId, attempt, text }: SessionEventOf<"text_delta">): readonly AgUiEvent[] {
    const shownId = attempt === 1 ? messageId : `${messageId}#${attempt}`;
    const before = this.#message?.shownId === shownId ? [] : this.#opened(messageId, shownId);
    if (this.#message !== null) this.#message.chars += text.length;
    return [...before, { type: "TEXT_MESSAGE_CONTENT", messageId: shownId, delta: text }];
  }

  /** What the deltas have not told: all of it in a replay, where they are gone. */
  #complete({ messageId, text }: SessionEventOf<"message_complete">): readonly AgUiEvent[] {
    const isOpen = this.#message?.id === messageId;
    if (text === "" && !isOpen) return [];
    const before = isOpen ? [] : this.#opened(messageId, messageId);
    const shownId = this.#message?.shownId ?? messageId;
    const rest = text.slice(this.#message?.chars ?? 0);
    const told: AgUiEvent[] =
      rest === "" ? [] : [{ type: "TEXT_MESSAGE_CONTENT", messageId: shownId, delta: rest }];
    return [...before, ...told, ...this.#closed()];
  }

  #opened(id: string, shownId: string): readonly AgUiEvent[] {
    const closed = this.#closed();
    this.#message = { id, shownId, chars: 0 };
    return [...closed, { type: "TEXT_MESSAGE_START", messageId: shownId, role: "assistant" }];
  }

  #thought(
    event: SessionEventOf<"thinking.start" | "thinking.progress" | "thinking.complete">,
  ): readonly AgUiEvent[] {
    const told: AgUiEvent[] = [];
    const messageId = this.#reasoning ?? `reasoning-${event.seq}`;
    if (this.#reasoning === null) {
      this.#reasoning = messageId;
      told.push(
        { type: "REASONING_START", messageId },
        { type: "REASONING_MESSAGE_START", messageId, role: "reasoning" },
      );
    }
    // The last of them repeats the whole thought.
    if (event.text && event.type !== "thinking.complete") {
      told.push({ type: "REASONING_MESSAGE_CONTENT", messageId, delta: event.text });
    }
    return event.type === "thinking.complete" ? [...told, ...this.#thoughtClosed()] : told;
  }

  #call(event: SessionEventOf<"tool_call_start" | "tool_call">): readonly AgUiEvent[] {
    const { toolCallId, toolName: toolCallName } = event;
    const known = this.#calls.get(toolCallId);
    const start: AgUiEvent[] =
      known === undefined ? [{ type: "TOOL_CALL_START", toolCallId, toolCallName }] : [];
    this.#calls.set(toolCallId, known ?? "open");
    if (event.type === "tool_call_start" || known === "told") return start;
    const delta = JSON.stringify(event.arguments) ?? "null";
    return [
      ...start,
      { type: "TOOL_CALL_ARGS", toolCallId, delta },
      ...this.#callClosed(toolCallId),
    ];
  }

  #callClosed(toolCallId: string): readonly AgUiEvent[] {
    if (this.#calls.get(toolCallId) !== "open") return [];
    this.#calls.set(toolCallId, "told");
    return [{ type: "TOOL_CALL_END", toolCallId }];
  }

  /** Everything that is open, so that the run may end. */
  #allClosed(): readonly AgUiEvent[] {
    const calls = [...this.#calls.keys()].flatMap((toolCallId) => this.#callClosed(toolCallId));
    return [...this.#closed(), ...calls];
  }

  /** Whatever is open is closed before something else is told. */
  #closed(): readonly AgUiEvent[] {
    const messageId = this.#message?.shownId;
    this.#message = null;
    const text: AgUiEvent[] =
      messageId === undefined ? [] : [{ type: "TEXT_MESSAGE_END", messageId }];
    return [...text, ...this.#thoughtClosed()];
  }

  #thoughtClosed(): readonly AgUiEvent[] {
    const messageId = this.#reasoning;
    this.#reasoning = null;
    if (messageId === null) return [];
    return [
      { type: "REASONING_MESSAGE_END", messageId },
      { type: "REASONING_END", messageId },
    ];
  }

  #interrupted(): readonly AgUiEvent[] {
    if (!this.#isLive || this.isOver || this.#asked.size === 0) return [];
    return this.#end({ type: "interrupt", interrupts: [...this.#asked.values()].map(interruptOf) });
  }

  #finished({ finalText, status }: SessionEventOf<"turn_complete">): readonly AgUiEvent[] {
    const outcome = status === "cancelled" ? "cancelled" : "success";
    return this.#end({ type: outcome }, { finalText, turnId: this.#of.turnId });
  }

  #end(
    outcome: NonNullable<Extract<AgUiEvent, { type: "RUN_FINISHED" }>["outcome"]>,
    result?: object,
  ): readonly AgUiEvent[] {
    this.isOver = true;
    const { threadId, runId } = this.#of;
    const usage = this.#usage === undefined ? {} : { usage: [this.#usage] };
    const end = { type: "RUN_FINISHED", threadId, runId, outcome, result, ...usage } as const;
    return [...this.#allClosed(), end];
  }
}

const statusOf = ({ status, waitingFor }: SessionEventOf<"session_state">): AgUiEvent => ({
  type: "STATE_DELTA",
  delta: [
    { op: "replace", path: "/concert/status", value: status },
    { op: "replace", path: "/concert/waitingFor", value: waitingFor ?? null },
  ],
});

const resultOf = (
  { toolCallId, seq }: SessionEventOf<"tool_result" | "tool_error">,
  content: unknown,
): AgUiEvent => ({
  type: "TOOL_CALL_RESULT",
  messageId: `result-${seq}`,
  toolCallId,
  content: JSON.stringify(content) ?? "null",
  role: "tool",
});

/** What AG-UI has no word for is carried as it is. */
const asIs = (event: SessionEvent): AgUiEvent => ({
  type: "CUSTOM",
  name: `concert.${event.type}`,
  value: event,
});

function interruptOf(asked: Asked) {
  const { requestId, toolCallId, commandId, expiresAt = null } = asked;
  return {
    id: requestId,
    ...(asked.type === "question_requested" ? ofQuestion(asked) : ofApproval(asked)),
    ...(toolCallId === undefined ? {} : { toolCallId }),
    ...(expiresAt === null ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
    metadata: {
      ...(asked.type === "permission_requested" ? { reviewPacket: asked.reviewPacket } : {}),
      commandId,
    },
  };
}

function ofApproval({ reviewPacket, approvalType }: SessionEventOf<"permission_requested">) {
  const action = reviewPacket["action"];
  const message = typeof action === "string" ? action : `Approval (${approvalType})`;
  return { reason: "approval", message, responseSchema: ANSWER_SCHEMA };
}

function ofQuestion({ questions, answerSchema = {} }: SessionEventOf<"question_requested">) {
  const texts = (Array.isArray(questions) ? questions : []).map(
    (one: { readonly text?: unknown } | null) => String(one?.text ?? ""),
  );
  return { reason: "question", message: texts.join(" "), responseSchema: answerSchema };
}
