/**
 * Owns how each durable event changes the conversation. Pure; the invariants V2–V4 of `session-view.ts` are
 * kept here.
 */
import type { SessionEvent, SessionEventOf } from "./protocol.ts";
import type { AssistantItem, ThreadItem, ThreadItemOf, ToolItem } from "./thread-items.ts";

type Items = readonly ThreadItem[];

/** The conversation after `event`; `items` itself when nothing visible changed. */
export function foldThread(items: Items, event: SessionEvent): Items {
  switch (event.type) {
    case "user_message":
      return append(items, {
        ...placed(event, event.messageId),
        kind: "user",
        text: event.text,
        userId: event.userId,
        idempotencyKey: event.idempotencyKey ?? null,
      });
    case "message_started":
    case "message_restarted":
    case "text_delta":
    case "message_complete":
      return foldMessage(items, event);
    case "thinking.start":
    case "thinking.progress":
    case "thinking.complete":
      return foldThinking(items, event);
    case "tool_call_start":
    case "tool_call":
      return foldCall(items, event);
    case "tool_command":
    case "command_status":
    case "tool_result":
    case "tool_error":
      return foldCommand(items, event);
    case "permission_requested":
    case "approval_resolved":
      return foldApproval(items, event);
    case "question_requested":
    case "question_resolved":
      return foldQuestion(items, event);
    case "turn_complete":
    case "turn_error":
      return foldEnd(items, event);
    default:
      return items;
  }
}

type MessageEvent = SessionEventOf<
  "message_started" | "message_restarted" | "text_delta" | "message_complete"
>;

function foldMessage(items: Items, event: MessageEvent): Items {
  const known = find(items, "assistant", (item) => item.id === event.messageId);
  const item = known ?? newMessage(event);
  const next = nextMessage(item, event);
  if (known === undefined) return [...items, next];
  return next === known ? items : replace(items, known, next);
}

function nextMessage(item: AssistantItem, event: MessageEvent): AssistantItem {
  if (item.state === "complete") return item;
  if (event.type === "message_complete") return { ...item, text: event.text, state: "complete" };
  if (event.attempt < item.attempt) return item;
  const text = event.attempt > item.attempt ? "" : item.text;
  const added = event.type === "text_delta" ? event.text : "";
  return { ...item, attempt: event.attempt, text: text + added, state: "streaming" };
}

function newMessage(event: MessageEvent): AssistantItem {
  const attempt = event.type === "message_complete" ? 1 : event.attempt;
  return {
    ...placed(event, event.messageId),
    kind: "assistant",
    text: "",
    attempt,
    state: "streaming",
  };
}

type ThinkingEvent = SessionEventOf<"thinking.start" | "thinking.progress" | "thinking.complete">;

/** Thinking has no id of its own: a turn has at most one open thought. */
function foldThinking(items: Items, event: ThinkingEvent): Items {
  const open = find(
    items,
    "thinking",
    (item) => item.turnId === (event.turnId ?? null) && item.state === "streaming",
  );
  const text = event.text ?? "";
  if (event.type === "thinking.complete") {
    if (open === undefined) return items;
    return replace(items, open, { ...open, text: text || open.text, state: "complete" });
  }
  if (open !== undefined) return replace(items, open, { ...open, text: open.text + text });
  return append(items, {
    ...placed(event, `thinking-${event.seq}`),
    kind: "thinking",
    text,
    state: "streaming",
  });
}

function foldCall(items: Items, event: SessionEventOf<"tool_call_start" | "tool_call">): Items {
  const known = find(items, "tool", (item) => item.id === event.toolCallId);
  const args = event.type === "tool_call" ? event.arguments : known?.arguments;
  if (known !== undefined) return replace(items, known, { ...known, arguments: args });
  return append(items, {
    ...placed(event, event.toolCallId),
    kind: "tool",
    toolName: event.toolName,
    arguments: args,
    commandId: null,
    taskName: null,
    status: "proposed",
    outcome: { kind: "none" },
  });
}

type CommandEvent = SessionEventOf<
  "tool_command" | "command_status" | "tool_result" | "tool_error"
>;

function foldCommand(items: Items, event: CommandEvent): Items {
  // Its own name first: calls that became no command go under the turn's.
  const known =
    find(items, "tool", (item) => item.id === event.toolCallId) ??
    find(items, "tool", (item) => item.commandId === event.commandId);
  if (known === undefined) return items;
  return replace(items, known, { ...known, commandId: event.commandId, ...commandChange(event) });
}

function commandChange(event: CommandEvent): Partial<ToolItem> {
  switch (event.type) {
    case "tool_command":
      return { taskName: event.taskName };
    case "command_status":
      return { taskName: event.taskName, status: event.status };
    case "tool_result":
      return { status: event.status, outcome: { kind: "result", result: event.result } };
    case "tool_error":
      return { status: event.status, outcome: { kind: "error", ...event.error } };
  }
}

function foldApproval(
  items: Items,
  event: SessionEventOf<"permission_requested" | "approval_resolved">,
): Items {
  const known = find(items, "approval", (item) => item.id === event.requestId);
  if (event.type === "approval_resolved") {
    if (known === undefined) return items;
    const { decision, decidedBy, ts } = event;
    const resolution = { decision, decidedBy, reason: event.reason ?? null, ts };
    return replace(items, known, { ...known, resolution });
  }
  if (known !== undefined) return items;
  return append(items, {
    ...placed(event, event.requestId),
    kind: "approval",
    commandId: event.commandId,
    toolCallId: event.toolCallId ?? null,
    approvalType: event.approvalType,
    reviewPacket: event.reviewPacket,
    expiresAt: event.expiresAt,
    resolution: null,
  });
}

function foldQuestion(
  items: Items,
  event: SessionEventOf<"question_requested" | "question_resolved">,
): Items {
  const known = find(items, "question", (item) => item.id === event.requestId);
  if (event.type === "question_resolved") {
    if (known === undefined) return items;
    const { outcome, answeredBy, ts } = event;
    return replace(items, known, { ...known, resolution: { outcome, answeredBy, ts } });
  }
  if (known !== undefined) return items;
  return append(items, {
    ...placed(event, event.requestId),
    kind: "question",
    commandId: event.commandId ?? null,
    toolCallId: event.toolCallId ?? null,
    questions: event.questions,
    answerSchema: event.answerSchema ?? {},
    askedBy: event.askedBy ?? null,
    expiresAt: event.expiresAt ?? null,
    resolution: null,
  });
}

function foldEnd(items: Items, event: SessionEventOf<"turn_complete" | "turn_error">): Items {
  const turnId = event.turnId ?? null;
  const settled = items.some((item) => item.turnId === turnId && isOpen(item))
    ? items.map((item) => (item.turnId === turnId ? interrupt(item) : item))
    : items;
  if (event.type === "turn_complete" && event.status === "succeeded") return settled;
  const failed = event.type === "turn_error";
  return append(settled, {
    ...placed(event, `end-${event.seq}`),
    kind: "turn_end",
    status: failed ? "failed" : "cancelled",
    code: failed ? event.code : null,
    message: failed ? event.message : "Stopped.",
  });
}

function isOpen(item: ThreadItem): boolean {
  return (item.kind === "assistant" || item.kind === "thinking") && item.state === "streaming";
}

function interrupt(item: ThreadItem): ThreadItem {
  if (item.kind === "assistant" && item.state === "streaming") {
    return { ...item, state: "interrupted" };
  }
  if (item.kind === "thinking" && item.state === "streaming") return { ...item, state: "complete" };
  return item;
}

function placed(event: SessionEvent, id: string) {
  return { id, turnId: event.turnId ?? null, ts: event.ts };
}

/** Newest first: almost every event is about one of the last few items. */
function find<K extends ThreadItem["kind"]>(
  items: Items,
  kind: K,
  matches: (item: ThreadItemOf<K>) => boolean,
): ThreadItemOf<K> | undefined {
  const found = items.findLast((item) => item.kind === kind && matches(item as ThreadItemOf<K>));
  return found as ThreadItemOf<K> | undefined;
}

function append(items: Items, item: ThreadItem): Items {
  return items.some((known) => known.kind === item.kind && known.id === item.id)
    ? items
    : [...items, item];
}

function replace(items: Items, known: ThreadItem, next: ThreadItem): Items {
  return items.with(items.lastIndexOf(known), next);
}
