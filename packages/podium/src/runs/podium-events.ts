/**
 * Owns the vocabulary of an instance's event log: every `event_type` and its `content` (docs/wire.md §4).
 * Refuses to own: numbering and storage (`store/event-log.ts`), delivery (`socket/`).
 */

export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
}

export interface CallError {
  readonly class: string;
  readonly message: string;
}

/** `content` by `event_type`. Names are the wire's. */
export interface EventContents {
  readonly created: { turn_id: string; command_id: string };
  readonly stream_start: { message_id: string; attempt: number };
  readonly message_restarted: { message_id: string; attempt: number };
  readonly stream_update: { message_id: string; attempt: number; text: string };
  readonly stream_end: { message_id: string; text: string };
  readonly "thinking.start": Record<string, never>;
  readonly "thinking.progress": { text: string };
  readonly "thinking.complete": Record<string, never>;
  readonly "tool.call_start": { call_id: string; tool_name: string };
  readonly "tool.call": { call_id: string; tool_name: string; arguments: unknown };
  readonly "tool.command": { call_id: string; command_id: string; task_name: string };
  readonly "tool.permission_requested": {
    request_id: string;
    command_id: string;
    call_id?: string;
    approval_type: string;
    review_packet: unknown;
    expires_at: string | null;
  };
  readonly "tool.approval_resolved": {
    request_id: string;
    command_id: string;
    decision: string;
    decided_by: string | null;
    reason?: string;
  };
  readonly "tool.question_requested": {
    request_id: string;
    command_id: string;
    call_id?: string;
    questions: unknown;
    answer_schema: unknown;
    asked_by: string;
    expires_at: string | null;
  };
  readonly "tool.question_resolved": {
    request_id: string;
    command_id: string;
    outcome: string;
    answered_by: string | null;
  };
  readonly "command.status": {
    command_id: string;
    call_id?: string;
    status: string;
    task_name: string;
  };
  readonly "tool.result": {
    call_id: string;
    tool_name: string;
    command_id: string;
    status: string;
    result: unknown;
  };
  readonly "tool.error": {
    call_id: string;
    tool_name: string;
    command_id: string;
    status: string;
    error: CallError;
  };
  readonly file_change: {
    path: string;
    change: "created" | "modified" | "deleted";
    iteration: number;
  };
  readonly steered: { steer_id: string };
  readonly usage: Usage;
  readonly complete: {
    final_text: string;
    status: "succeeded" | "cancelled";
    usage: Usage;
    command_id: string;
  };
  readonly error: { code: string; message: string; command_id?: string };
}

export type EventType = keyof EventContents;

/** An event that has no number yet. A `dedupKey` already in the instance's log makes it a no-op. */
export type EventDraft = {
  readonly [T in EventType]: {
    readonly type: T;
    readonly content: EventContents[T];
    readonly dedupKey?: string;
  };
}[EventType];

/** A logged event, exactly as a socket frame carries it. */
export interface PodiumEvent {
  readonly type: "update";
  /** 1, 2, 3 … per instance, without holes. */
  readonly event_id: number;
  readonly event_type: string;
  readonly turn_id: string;
  readonly content: unknown;
  /** ISO 8601 UTC. */
  readonly at: string;
}
