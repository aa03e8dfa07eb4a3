/**
 * Owns what an agent step adds to the log: the observations it brings, the (re)start of its message, and the
 * move that ends it. Pure.
 * Source: docs/wire.md §3 and §4.
 *
 * INVARIANT P4: a call's outcome is logged once per `call_id`, and before the next message starts.
 * INVARIANT P5: a repeated thought keeps `message_id` and `call_id`s; only `attempt` grows.
 */
import type { Move, Observation, StepRequest } from "./agent-step.ts";
import { callOutcome } from "./call-outcome.ts";
import { callIdOf, messageIdOf } from "./derived-ids.ts";
import type { EventDraft } from "./podium-events.ts";

/** A call before Podium named it. */
export interface ProposedCall {
  readonly toolName: string;
  readonly arguments: Record<string, unknown>;
}

/** The drafts of a thought that begins: outcomes first, then the message. `attempt` counts from 1. */
export function foldStepStart(request: StepRequest, attempt: number): EventDraft[] {
  const observations = request.transcript.filter((entry) => entry.kind === "observation");
  const message = { message_id: messageIdOf(request.step_key), attempt };
  return [
    ...observations.flatMap((observation) => foldObservation(observation, request)),
    ...(attempt > 1 ? [{ type: "message_restarted", content: message } as const] : []),
    { type: "stream_start", content: message },
  ];
}

/** The move of a finished thought; a thought without calls is final. */
export function moveOf(stepKey: string, text: string, calls: readonly ProposedCall[]): Move {
  const message_id = messageIdOf(stepKey);
  if (calls.length === 0) return { kind: "final", message_id, text };
  return {
    kind: "tool_calls",
    message_id,
    ...(text === "" ? {} : { text }),
    calls: calls.map((call, position) => ({
      call_id: callIdOf(stepKey, position),
      tool_name: call.toolName,
      arguments: call.arguments,
    })),
  };
}

/** The drafts of a recorded move: the whole message, then its calls. */
export function foldMove(move: Move): EventDraft[] {
  const end: EventDraft = {
    type: "stream_end",
    content: { message_id: move.message_id, text: move.text ?? "" },
  };
  if (move.kind === "final") return [end];
  const calls = move.calls.flatMap(({ call_id, tool_name, arguments: given }): EventDraft[] => [
    { type: "tool.call_start", content: { call_id, tool_name } },
    { type: "tool.call", content: { call_id, tool_name, arguments: given } },
  ]);
  return [end, ...calls];
}

/** How the log names the one `tool.command` of a call, whether the feed or an observation tells of it first. */
export function toolCommandKey(callId: string): string {
  return `tool.command:${callId}`;
}

function foldObservation(observation: Observation, request: StepRequest): EventDraft[] {
  const { call_id, tool_name, command_id } = observation;
  const task = request.tools.find((tool) => tool.name === tool_name)?.task_name ?? tool_name;
  // The feed may lag behind the step: a result must not appear before the command it came from.
  const command: EventDraft[] =
    command_id === null
      ? []
      : [
          {
            type: "tool.command",
            content: { call_id, command_id, task_name: task },
            dedupKey: toolCommandKey(call_id),
          },
        ];
  return [...command, outcome(observation, request)];
}

/** A call refused before it became a command is on record with the turn's own command. */
function outcome(observation: Observation, request: StepRequest): EventDraft {
  const command_id = observation.command_id ?? request.command_id;
  return callOutcome({ ...observation, command_id }, observation);
}
