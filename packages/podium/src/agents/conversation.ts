/**
 * Owns the translation of a step into a model's conversation. Pure.
 * Source: docs/wire.md §3 (transcript) and §5 (messages).
 */
import type { Move, Observation, StepRequest, TranscriptEntry } from "../runs/agent-step.ts";
import { readFailure } from "../runs/failures.ts";
import type { Steer } from "../runs/steer.ts";
import type { RoundCall, WorkspaceRound } from "../runs/workspace-round.ts";
import type { ModelMessage } from "../upstream/ensemble-client.ts";

/** One observation must not crowd the rest out of the model's window. */
const OBSERVATION_CHARS_MAX = 32_000;
/** Nor must all that was done with files in a turn: the newest is shown. */
const FILE_CHARS_MAX = 200_000;
/** Ensemble takes 500. */
const MESSAGES_MAX = 480;

/**
 * System prompt, history, the person's text, then every move with what came of it, and what was said and done to files
 * in between.
 */
export function conversationOf(
  step: StepRequest,
  systemPrompt: string,
  steers: readonly Steer[] = [],
  rounds: readonly WorkspaceRound[] = [],
): ModelMessage[] {
  let move = 0;
  const others = 2 + step.history.length + step.transcript.length + steers.length;
  const shown = newest(rounds, MESSAGES_MAX - others);
  const before = (stepIndex: number) => [
    ...saidBefore(steers, stepIndex),
    ...shown
      .filter((round) => round.stepIndex === stepIndex)
      .flatMap((round) => roundMessages(round, step.step_index)),
  ];
  const told = step.transcript.flatMap((entry) => [
    ...(entry.kind === "move" ? before(move++) : []),
    entryMessage(entry),
  ]);
  return [
    { role: "system", content: systemPrompt },
    ...step.history,
    { role: "user", content: step.text },
    ...told,
    ...before(step.step_index),
  ];
}

/** The rounds that fit: the oldest are left out, and calls that are too long are replaced by a word about them. */
function newest(rounds: readonly WorkspaceRound[], messagesMax: number): WorkspaceRound[] {
  const shown: WorkspaceRound[] = [];
  let messages = 0;
  let chars = 0;
  const fitting = (call: RoundCall): RoundCall => {
    chars += JSON.stringify([call.arguments, call.outcome]).length;
    if (chars <= FILE_CHARS_MAX) return call;
    return {
      ...call,
      arguments: {},
      outcome: call.outcome.status === "failed" ? call.outcome : LEFT_OUT,
    };
  };
  for (const round of rounds.toReversed()) {
    messages += 1 + round.calls.length;
    if (messages > messagesMax) break;
    shown.unshift({ ...round, calls: round.calls.toReversed().map(fitting).toReversed() });
  }
  return shown;
}

const LEFT_OUT = { status: "succeeded", result: "[left out; ask again]" } as const;

/** The calls and their outcomes; what an earlier thought said stands with its move. */
function roundMessages(
  { calls, text, stepIndex }: WorkspaceRound,
  thoughtNow: number,
): ModelMessage[] {
  const tool_calls = calls.map((call) => ({
    id: call.call_id,
    name: call.tool_name,
    arguments: call.arguments,
  }));
  return [
    { role: "assistant", content: stepIndex === thoughtNow ? text : "", tool_calls },
    ...calls.map(({ call_id, tool_name, outcome }) => ({
      role: "tool" as const,
      tool_call_id: call_id,
      name: tool_name,
      content: JSON.stringify(outcome),
    })),
  ];
}

/** Words stand where they were first read, so that the model is shown the same past each time. */
const saidBefore = (steers: readonly Steer[], stepIndex: number): ModelMessage[] =>
  steers
    .filter((steer) => steer.stepIndex === stepIndex)
    .map(({ text }) => ({ role: "user", content: text }));

function entryMessage(entry: TranscriptEntry): ModelMessage {
  return entry.kind === "move" ? moveMessage(entry.move) : observationMessage(entry);
}

function moveMessage(move: Move): ModelMessage {
  if (move.kind === "final") return { role: "assistant", content: move.text };
  const tool_calls = move.calls.map((call) => ({
    id: call.call_id,
    name: call.tool_name,
    arguments: call.arguments,
  }));
  return { role: "assistant", content: move.text ?? "", tool_calls };
}

/** The model reads `{status, result}` of a call that succeeded, `{status, error}` of any other. */
function observationMessage(observation: Observation): ModelMessage {
  const { call_id, tool_name, status } = observation;
  const outcome =
    status === "succeeded"
      ? { status, result: bounded(observation.result ?? null) }
      : { status, error: readFailure(observation.error, { class: status, message: status }) };
  const content = JSON.stringify(outcome);
  return { role: "tool", tool_call_id: call_id, name: tool_name, content };
}

/** A result too large for the model becomes the beginning of its text, so that the message stays JSON. */
function bounded(result: unknown): unknown {
  const text = JSON.stringify(result);
  if (text.length <= OBSERVATION_CHARS_MAX) return result;
  const cut = text.length - OBSERVATION_CHARS_MAX;
  return `${text.slice(0, OBSERVATION_CHARS_MAX)} [${cut} more characters left out]`;
}
