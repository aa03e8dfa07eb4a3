/**
 * Owns what a thought's work on its own files is: rounds of calls that are done at once, each with its outcome. Pure.
 * They are part of the thought, not proposals of it: nothing outside Podium changes (docs/files.md).
 */
import type { ProposedCall } from "./fold-step.ts";
import type { CallError, EventDraft, Usage } from "./podium-events.ts";

export type RoundOutcome =
  | { readonly status: "succeeded"; readonly result: unknown }
  | { readonly status: "failed"; readonly error: CallError };

export interface RoundCall {
  readonly call_id: string;
  readonly tool_name: string;
  /** As the model gave them, long contents cut: the file has them. */
  readonly arguments: Record<string, unknown>;
  readonly outcome: RoundOutcome;
}

/** What the model said, called and cost before it read the outcomes. */
export interface WorkspaceRound {
  readonly stepIndex: number;
  readonly text: string;
  readonly calls: readonly RoundCall[];
  readonly usage: Usage;
}

const ARGUMENT_CHARS_MAX = 2_000;

/** `call` for the log and for the model's memory of it. */
export function remembered(call: ProposedCall): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(call.arguments).map(([name, value]) => [name, shortened(value)]),
  );
}

function shortened(value: unknown): unknown {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === undefined || text.length <= ARGUMENT_CHARS_MAX) return value;
  const cut = text.length - ARGUMENT_CHARS_MAX;
  return `${text.slice(0, ARGUMENT_CHARS_MAX)} [${cut} more characters left out]`;
}

/** What a call adds to the log before it is done; the turn's own command stands for it. */
export function foldRoundCall(callId: string, call: ProposedCall): EventDraft[] {
  const named = { call_id: callId, tool_name: call.toolName };
  return [
    { type: "tool.call_start", content: named },
    { type: "tool.call", content: { ...named, arguments: remembered(call) } },
  ];
}
