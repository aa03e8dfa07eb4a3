/**
 * Owns the translation of Podium's events into client events: snake_case to camelCase, ISO times to epoch
 * milliseconds. Pure and total: a kind it does not know, or one that lacks what its kind promises, is
 * carried on as `unknown_event`, so that no event is ever lost in translation.
 */
import * as Result from "effect/Result";
import * as Schema from "effect/Schema";
import { SESSION_EVENTS, type SessionEvent } from "../protocol/index.ts";
import type { EventDraft, PodiumEvent } from "./podium-event.ts";

type Content = Readonly<Record<string, unknown>>;
type Translate = (content: Content) => Readonly<Record<string, unknown>>;

const TRANSLATIONS: Readonly<Record<string, readonly [EventDraft["type"], Translate]>> = {
  created: ["turn_started", (c) => ({ commandId: c["command_id"] })],
  stream_start: ["message_started", message],
  message_restarted: ["message_restarted", message],
  stream_update: ["text_delta", (c) => ({ ...message(c), text: c["text"] })],
  stream_end: ["message_complete", (c) => ({ messageId: c["message_id"], text: c["text"] })],
  "thinking.start": ["thinking.start", thinking],
  "thinking.progress": ["thinking.progress", thinking],
  "thinking.complete": ["thinking.complete", thinking],
  "tool.call_start": ["tool_call_start", call],
  "tool.call": ["tool_call", (c) => ({ ...call(c), arguments: c["arguments"] ?? null })],
  "tool.command": [
    "tool_command",
    (c) => ({ toolCallId: c["call_id"], commandId: c["command_id"], taskName: c["task_name"] }),
  ],
  "tool.permission_requested": ["permission_requested", permission],
  "tool.approval_resolved": ["approval_resolved", resolution],
  "command.status": [
    "command_status",
    (c) => ({
      commandId: c["command_id"],
      status: c["status"],
      taskName: c["task_name"],
      ...given("toolCallId", c["call_id"]),
    }),
  ],
  "tool.result": ["tool_result", (c) => ({ ...outcome(c), result: c["result"] ?? null })],
  "tool.error": ["tool_error", (c) => ({ ...outcome(c), error: c["error"] })],
  "tool.call_delta": [
    "tool_call_delta",
    (c) => ({ toolCallId: c["call_id"], argumentsDelta: c["arguments_delta"] }),
  ],
  "tool.question_requested": ["question_requested", question],
  "tool.question_resolved": [
    "question_resolved",
    (c) => ({
      requestId: c["request_id"],
      ...given("commandId", c["command_id"]),
      outcome: c["outcome"],
      answeredBy: c["answered_by"] ?? null,
    }),
  ],
  "terminal.stream": [
    "terminal.stream",
    (c) => ({
      terminalId: c["terminal_id"],
      stream: c["stream"] ?? "stdout",
      text: c["text"],
    }),
  ],
  "terminal.complete": [
    "terminal.complete",
    (c) => ({ terminalId: c["terminal_id"], exitCode: c["exit_code"] ?? null }),
  ],
  "sandbox.provisioning": ["sandbox.provisioning", sandbox],
  "sandbox.init": ["sandbox.init", sandbox],
  "sandbox.removed": ["sandbox.removed", sandbox],
  file_change: [
    "file.changed",
    (c) => ({
      path: c["path"],
      change: c["change"],
      ...given("iteration", c["iteration"]),
    }),
  ],
  code_block: ["code_block", (c) => ({ text: c["text"], ...given("language", c["language"]) })],
  "plan.created": ["plan.created", plan],
  "plan.revised": ["plan.revised", plan],
  "plan.step_started": ["plan.step_started", planStep],
  "plan.step_completed": ["plan.step_completed", planStep],
  "memory.extracted": ["memory.extracted", memories],
  "memory.recalled": ["memory.recalled", memories],
  "context.compacted": ["context.compacted", (c) => given("summary", c["summary"])],
  "subagent.started": [
    "subagent.started",
    (c) => ({ subagentId: c["subagent_id"], ...given("title", c["title"]) }),
  ],
  "subagent.update": [
    "subagent.update",
    (c) => ({ subagentId: c["subagent_id"], text: c["text"] }),
  ],
  "subagent.finished": [
    "subagent.finished",
    (c) => ({ subagentId: c["subagent_id"], status: c["status"] }),
  ],
  steered: ["steer_applied", (c) => ({ steerId: c["steer_id"] })],
  usage: [
    "usage_update",
    (c) => ({ inputTokens: c["input_tokens"], outputTokens: c["output_tokens"] }),
  ],
  complete: [
    "turn_complete",
    (c) => ({ finalText: c["final_text"], status: c["status"], commandId: c["command_id"] }),
  ],
  error: ["turn_error", (c) => ({ code: c["code"], message: c["message"] })],
};

/** The event types this gateway knows; everything else is carried as `unknown_event`. */
export const KNOWN_EVENT_TYPES: readonly string[] = Object.keys(TRANSLATIONS);

/** One Podium event as client events, in order. Never empty, never throws. */
export function mapPodiumEvent(event: PodiumEvent): readonly [EventDraft] {
  const turn = given("turnId", event.turnId);
  const entry = Object.hasOwn(TRANSLATIONS, event.eventType)
    ? TRANSLATIONS[event.eventType]
    : undefined;
  const known = entry && isContent(event.content) ? entry[1](event.content) : undefined;
  const draft = entry && known ? asDraft({ type: entry[0], ...turn, ...known }) : undefined;
  return [draft ?? carried(event)];
}

function carried(event: PodiumEvent): EventDraft {
  const { eventType } = event;
  const content = event.content ?? null;
  const draft = asDraft({
    type: "unknown_event",
    eventType,
    content,
    ...given("turnId", event.turnId),
  });
  return draft ?? { type: "unknown_event", eventType, content };
}

const PLACE = { sessionId: "sess_", seq: 1, ts: 0 };
const DECODERS = new Map<unknown, (value: unknown) => Result.Result<SessionEvent, unknown>>(
  SESSION_EVENTS.map((schema) => [
    schema.fields.type.schema.literal,
    Schema.decodeUnknownResult(schema as Schema.Decoder<SessionEvent>),
  ]),
);

function asDraft(candidate: Readonly<Record<string, unknown>>): EventDraft | undefined {
  const decoded = DECODERS.get(candidate["type"])?.({ ...candidate, ...PLACE });
  if (decoded === undefined || Result.isFailure(decoded)) return undefined;
  const { sessionId: _id, seq: _seq, ts: _ts, ...draft } = decoded.success;
  return draft;
}

function message(c: Content) {
  return { messageId: c["message_id"], attempt: c["attempt"] };
}

function thinking(c: Content) {
  return given("text", c["text"]);
}

function sandbox(c: Content) {
  return { ...given("sandboxId", c["sandbox_id"]), ...given("detail", c["detail"]) };
}

function plan(c: Content) {
  return { planId: c["plan_id"], steps: c["steps"] ?? [] };
}

function planStep(c: Content) {
  return { planId: c["plan_id"], stepId: c["step_id"], ...given("title", c["title"]) };
}

function memories(c: Content) {
  return { memories: c["memories"] ?? [] };
}

function call(c: Content) {
  return { toolCallId: c["call_id"], toolName: c["tool_name"] };
}

function outcome(c: Content) {
  return { ...call(c), commandId: c["command_id"], status: c["status"] };
}

function permission(c: Content) {
  return {
    requestId: c["request_id"],
    commandId: c["command_id"],
    approvalType: c["approval_type"],
    reviewPacket: c["review_packet"] ?? {},
    expiresAt: epochMs(c["expires_at"]),
    ...given("toolCallId", c["call_id"]),
  };
}

function question(c: Content) {
  return {
    requestId: c["request_id"],
    questions: c["questions"] ?? null,
    ...given("answerSchema", c["answer_schema"]),
    ...given("commandId", c["command_id"]),
    ...given("toolCallId", c["call_id"]),
    ...given("askedBy", c["asked_by"]),
    ...given("expiresAt", epochMs(c["expires_at"])),
  };
}

function resolution(c: Content) {
  return {
    requestId: c["request_id"],
    commandId: c["command_id"],
    decision: c["decision"],
    decidedBy: c["decided_by"] ?? null,
    ...given("reason", c["reason"]),
  };
}

function given(key: string, value: unknown): Content {
  return value === undefined || value === null ? {} : { [key]: value };
}

function epochMs(iso: unknown): number | null {
  const ms = typeof iso === "string" ? Date.parse(iso) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}

function isContent(value: unknown): value is Content {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
