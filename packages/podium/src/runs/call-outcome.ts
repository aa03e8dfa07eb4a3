/**
 * Owns how the log tells what became of a call, whether Concord's feed or an observation brings the news. Pure.
 * Refuses to own: which news counts (`fold-feed.ts`, `fold-step.ts`). Source: docs/wire.md §4.
 *
 * INVARIANT P4: a call's outcome is logged once per `call_id`; the first to tell of it is believed.
 */
import { readFailure } from "./failures.ts";
import type { CallError, EventDraft } from "./podium-events.ts";

export interface CallAtRest {
  readonly call_id: string;
  readonly tool_name: string;
  readonly command_id: string;
  readonly status: string;
}

/** What a call ended with: `result` counts when it succeeded; else `error` in any shape, completed by `fallback`. */
export interface CallEnding {
  readonly result?: unknown;
  readonly error?: unknown;
  readonly fallback?: Partial<CallError>;
}

/** `tool.result` or `tool.error`, under the one key of the call. */
export function callOutcome(call: CallAtRest, ending: CallEnding): EventDraft {
  const { call_id, tool_name, command_id, status } = call;
  const common = { call_id, tool_name, command_id, status };
  const dedupKey = `result:${call_id}`;
  if (status === "succeeded") {
    const result = ending.result ?? null;
    return { type: "tool.result", content: { ...common, result }, dedupKey };
  }
  const plain = { class: status, message: `The call ended as ${status}.` };
  const error = readFailure(ending.error, { ...plain, ...ending.fallback });
  return { type: "tool.error", content: { ...common, error }, dedupKey };
}
