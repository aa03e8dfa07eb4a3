/**
 * Owns what an event of Concord's feed adds to an instance's log. Pure: facts go in, drafts come out.
 * Refuses to own: which turn an event belongs to, and storage (`engine/feed-ledger.ts`).
 * Source: docs/wire.md §2 (event types), §4 (Podium events).
 *
 * INVARIANT P6: `complete` or `error` is the last event of a turn; an open message is ended before it.
 */
import { callOutcome } from "./call-outcome.ts";
import { readFailure } from "./failures.ts";
import type { FeedEvent } from "./feed-event.ts";
import { toolCommandKey } from "./fold-step.ts";
import type { EventDraft, Usage } from "./podium-events.ts";

/** A command below a turn, as far as Podium has heard of it. */
export interface KnownCommand {
  readonly commandId: string;
  /** The call of the turn it serves; inherited by commands that it starts itself. */
  readonly callId: string | null;
  readonly taskName: string;
}

/** What Podium's own record says about a turn so far. */
export interface TurnProgress {
  /** A message that began and has not ended, with the text its current attempt has streamed. */
  readonly openMessage: { readonly messageId: string; readonly text: string } | null;
  readonly lastText: string;
  readonly usage: Usage;
}

export interface FeedFacts {
  readonly turn: { readonly commandId: string; readonly stopRequested: boolean };
  readonly commandOf: (commandId: string) => KnownCommand | undefined;
  readonly taskOfCall: (callId: string) => string | undefined;
  /** The tool that a call of this turn asked for; undefined for a call that Podium did not record. */
  readonly toolOfCall: (callId: string) => string | undefined;
  readonly progress: () => TurnProgress;
}

export interface TurnEnd {
  readonly status: "succeeded" | "cancelled" | "failed";
  readonly finalText: string;
}

export interface FeedOutcome {
  readonly drafts: readonly EventDraft[];
  readonly learned?: KnownCommand;
  readonly end?: TurnEnd;
}

/** Where a command stays for good. */
const RESTING = new Set(["succeeded", "failed", "cancelled", "expired", "compensated"]);

const NOTHING: FeedOutcome = { drafts: [] };

/** Folds one event of a known turn. Drafts carry dedup keys, so that a repeated event adds nothing. */
export function foldFeedEvent(event: FeedEvent, facts: FeedFacts): FeedOutcome {
  const outcome = fold(event, facts);
  const drafts = outcome.drafts.map((draft, index) => ({
    dedupKey: `feed:${event.event_id}:${index}`,
    ...draft,
  }));
  return { ...outcome, drafts };
}

function fold(event: FeedEvent, facts: FeedFacts): FeedOutcome {
  const ofTurn = event.command_id === facts.turn.commandId;
  switch (event.event_type) {
    case "command_created":
      return ofTurn ? NOTHING : { drafts: [], learned: describe(event, facts) };
    case "state_transitioned":
      return ofTurn ? foldTurnState(event, facts) : foldChildState(event, facts);
    case "tool_call_proposed":
      return foldProposal(event, facts);
    case "approval_requested":
      return { drafts: [permissionRequested(event, facts)] };
    case "approval_resolved":
      return { drafts: [approvalResolved(event)] };
    case "input_requested":
      return { drafts: questionRequested(event, facts) };
    case "input_provided":
      return { drafts: questionResolved(event, "answered") };
    case "input_closed":
      return { drafts: questionResolved(event, textOf(event.payload?.["outcome"]) ?? "cancelled") };
    default:
      return NOTHING;
  }
}

function foldChildState(event: FeedEvent, facts: FeedFacts): FeedOutcome {
  const status = newStatus(event);
  if (status === undefined) return NOTHING;
  const command = describe(event, facts);
  const content = {
    command_id: event.command_id,
    ...callOf(command),
    status,
    task_name: command.taskName,
  };
  const told: EventDraft = { type: "command.status", content };
  return { drafts: [told, ...outcomeOfCall(event, status, command, facts)], learned: command };
}

/**
 * What became of a call, as soon as its own command rests: an observation tells the same with the next thought,
 * but after a stop there is none. A success whose result the feed left out is for the observation to tell.
 */
function outcomeOfCall(
  event: FeedEvent,
  status: string,
  { commandId, callId }: KnownCommand,
  facts: FeedFacts,
): EventDraft[] {
  const ownCommand = event.parent_command_id === facts.turn.commandId;
  const toolName = callId === null || !ownCommand ? undefined : facts.toolOfCall(callId);
  if (callId === null || toolName === undefined || !RESTING.has(status)) return [];
  const payload = event.payload ?? {};
  if (status === "succeeded" && !("result" in payload)) return [];
  const call = { call_id: callId, tool_name: toolName, command_id: commandId, status };
  const nobodyCame = status === "expired" ? "human_input_missing" : undefined;
  const kind = textOf(payload["error_class"]) ?? nobodyCame;
  const message = textOf(payload["reason"]);
  const fallback = { ...(kind && { class: kind }), ...(message && { message }) };
  return [callOutcome(call, { ...payload, fallback })];
}

function foldProposal(event: FeedEvent, facts: FeedFacts): FeedOutcome {
  const callId = textOf(event.payload?.["call_id"]);
  const commandId = textOf(event.payload?.["command_id"]);
  if (callId === undefined || commandId === undefined) return NOTHING;
  const ownTask = event.command_id === commandId ? textOf(event.task_name) : undefined;
  const taskName =
    facts.commandOf(commandId)?.taskName ??
    facts.taskOfCall(callId) ??
    ownTask ??
    textOf(event.payload?.["tool_name"]) ??
    "unknown";
  const content = { call_id: callId, command_id: commandId, task_name: taskName };
  return {
    drafts: [{ type: "tool.command", content, dedupKey: toolCommandKey(callId) }],
    learned: { commandId, callId, taskName },
  };
}

function permissionRequested(event: FeedEvent, facts: FeedFacts): EventDraft {
  const payload = event.payload ?? {};
  return {
    type: "tool.permission_requested",
    content: {
      request_id: textOf(payload["approval_id"]) ?? "",
      command_id: event.command_id,
      ...callOf(describe(event, facts)),
      approval_type: textOf(payload["approval_type"]) ?? "approval",
      review_packet: payload["review_packet"] ?? null,
      expires_at: textOf(payload["expires_at"]) ?? null,
    },
  };
}

function approvalResolved(event: FeedEvent): EventDraft {
  const payload = event.payload ?? {};
  const reason = textOf(payload["reason"]);
  return {
    type: "tool.approval_resolved",
    content: {
      request_id: textOf(payload["approval_id"]) ?? "",
      command_id: event.command_id,
      decision: textOf(payload["decision"]) ?? "unknown",
      decided_by: textOf(payload["decided_by"]) ?? null,
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

/** A question without an id is from before questions had one: nobody could answer it from here. */
function questionRequested(event: FeedEvent, facts: FeedFacts): EventDraft[] {
  const payload = event.payload ?? {};
  const request_id = textOf(payload["input_request_id"]);
  if (request_id === undefined) return [];
  const content = {
    request_id,
    command_id: event.command_id,
    ...callOf(describe(event, facts)),
    questions: payload["questions"] ?? [],
    answer_schema: payload["answer_schema"] ?? {},
    asked_by: textOf(payload["asked_by"]) ?? "",
    expires_at: textOf(payload["expires_at"]) ?? null,
  };
  return [{ type: "tool.question_requested", content }];
}

function questionResolved(event: FeedEvent, outcome: string): EventDraft[] {
  const request_id = textOf(event.payload?.["input_request_id"]);
  if (request_id === undefined) return [];
  const answered_by = textOf(event.payload?.["provided_by"]) ?? null;
  const content = { request_id, command_id: event.command_id, outcome, answered_by };
  return [{ type: "tool.question_resolved", content }];
}

function foldTurnState(event: FeedEvent, facts: FeedFacts): FeedOutcome {
  const end = endStatus(newStatus(event), facts.turn.stopRequested);
  if (end === undefined) return NOTHING;
  const progress = facts.progress();
  const usage = progress.usage;
  const open = progress.openMessage;
  const closing: EventDraft[] =
    open === null
      ? []
      : [{ type: "stream_end", content: { message_id: open.messageId, text: open.text } }];
  const totals: EventDraft = { type: "usage", content: usage };
  const commandId = facts.turn.commandId;
  if (end === "failed") {
    const error = turnFailure(event, commandId);
    return { drafts: [...closing, totals, error], end: { status: "failed", finalText: "" } };
  }
  const finalText = resultText(event) ?? open?.text ?? progress.lastText;
  const complete: EventDraft = {
    type: "complete",
    content: { final_text: finalText, status: end, usage, command_id: commandId },
  };
  return { drafts: [...closing, totals, complete], end: { status: end, finalText } };
}

/** A stopped turn may end as `failed` when Concord meets `turn_stopped` before the cancellation: it was stopped. */
function endStatus(
  status: string | undefined,
  stopRequested: boolean,
): TurnEnd["status"] | undefined {
  if (status === "succeeded" || status === "cancelled") return status;
  if (status === "failed") return stopRequested ? "cancelled" : "failed";
  return status === "expired" ? "failed" : undefined;
}

function turnFailure(event: FeedEvent, commandId: string): EventDraft {
  const status = newStatus(event) ?? "failed";
  const reason = textOf(event.payload?.["reason"]);
  const failure = readFailure(event.payload?.["error"], {
    class: textOf(event.payload?.["error_class"]) ?? `turn_${status}`,
    message: reason ?? `The turn ended as ${status}; its timeline says why.`,
  });
  return {
    type: "error",
    content: { code: failure.class, message: failure.message, command_id: commandId },
  };
}

function resultText(event: FeedEvent): string | undefined {
  const result = event.payload?.["result"];
  if (typeof result !== "object" || result === null) return undefined;
  const text = new Map<string, unknown>(Object.entries(result)).get("text");
  return typeof text === "string" ? text : undefined;
}

function newStatus(event: FeedEvent): string | undefined {
  return textOf(event.payload?.["to"]) ?? textOf(event.status);
}

function describe(event: FeedEvent, facts: FeedFacts): KnownCommand {
  const known = facts.commandOf(event.command_id);
  const parent = event.parent_command_id ? facts.commandOf(event.parent_command_id) : undefined;
  return {
    commandId: event.command_id,
    callId: known?.callId ?? parent?.callId ?? null,
    taskName: known?.taskName ?? textOf(event.task_name) ?? "unknown",
  };
}

function callOf(command: KnownCommand): { call_id?: string } {
  return command.callId === null ? {} : { call_id: command.callId };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
