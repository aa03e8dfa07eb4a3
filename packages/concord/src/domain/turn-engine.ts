/**
 * Owns the loop of an agent's turn (wire §3), decided from rows: think, make each proposal a child command,
 * wait until every child rests, think again. Invariant G7: children run as the person the turn runs as.
 * Refuses to own: asking the agent (thinking.ts) and how a child runs (engine.ts).
 */
import type { Command } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import type { EventType } from "../core/event-types.ts";
import { asId, type CommandId, encodeId } from "../core/ids.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { isResting } from "../core/vocabulary.ts";
import {
  type AgentCall,
  type AgentMove,
  noSuchTool,
  type Observation,
  type RecordedCall,
  type RecordedMove,
  type TranscriptEntry,
} from "./agents.ts";
import { personFields } from "./asking.ts";
import { eventOf } from "./audit.ts";
import { claimKey, type KeyClaim } from "./derived-key.ts";
import { type Directive, DONE, failWith } from "./directive.ts";
import type { Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import { parkAgain, waitsForPerson } from "./runs.ts";
import type { Tx } from "./store.ts";
import { checkRequest, submitWithin } from "./submission.ts";
import type { Task } from "./tasks.ts";

/** Thoughts in one turn before the agent is stopped. */
export const THOUGHTS_MAX = 12;
/** Calls in one move; the rest are refused, and the agent is told so. */
const CALLS_MAX = 16;

type ToolCalls = Extract<AgentMove, { kind: "tool_calls" }>;

export async function advanceTurn(tx: Tx, kit: Kit, turn: Command): Promise<Directive> {
  const moves = await tx.turns.moves(turn.commandId);
  const last = moves.at(-1);
  if (last === undefined) {
    await tx.events.append([eventOf(turn, "agent_started", startedPayload(turn))]);
    return { kind: "think", stepIndex: 0 };
  }
  if (last.move.kind === "final") return finishTurn(tx, turn, moves, last.move.text);
  const recorded = await tx.turns.calls(turn.commandId);
  const known = new Set(recorded.map((call) => call.callId));
  const fresh = last.move.calls.filter((call) => !known.has(call.callId));
  if (fresh.length > 0) await propose(tx, kit, turn, last, last.move, fresh);
  const called = await tx.turns.called(turn.commandId);
  const open = called.filter((one) => !isResting(one.status));
  if (open.length > 0) return waitForCalls(tx, turn, open);
  if (moves.length >= THOUGHTS_MAX) {
    const message = `the agent did not finish within ${THOUGHTS_MAX} thoughts`;
    return failWith(tx, turn, { errorClass: "agent_failed", message });
  }
  return { kind: "think", stepIndex: moves.length };
}

/** A turn all of whose calls wait for people waits for them as they do: without a run. */
async function waitForCalls(tx: Tx, turn: Command, open: readonly Command[]): Promise<Directive> {
  const isParkable =
    !turn.hasDependencies &&
    open.every(waitsForPerson) &&
    (await tx.turns.holdAsked(turn.commandId));
  if (!isParkable) return { kind: "wait", untilMs: null };
  await parkAgain(tx, turn);
  return DONE;
}

/** True when no child works any more. */
export async function settleCancelledTurn(tx: Tx, turn: Command): Promise<boolean> {
  const children = await tx.commands.children(turn.commandId);
  return children.every((child) => isResting(child.status));
}

/** What the agent has seen so far: its moves, each followed by what became of its calls. */
export async function transcriptOf(tx: Tx, turn: Command): Promise<readonly TranscriptEntry[]> {
  const moves = await tx.turns.moves(turn.commandId);
  const calls = await tx.turns.calls(turn.commandId);
  const called = await tx.turns.called(turn.commandId);
  const byId = new Map(called.map((one) => [one.commandId, one]));
  return moves.flatMap(({ stepIndex, move }) => [
    { kind: "move" as const, move },
    ...calls
      .filter((call) => call.stepIndex === stepIndex)
      .map((call) => ({ kind: "observation" as const, ...observe(call, byId) })),
  ]);
}

async function finishTurn(
  tx: Tx,
  turn: Command,
  moves: readonly RecordedMove[],
  text: string,
): Promise<Directive> {
  const usage = {
    input_tokens: moves.reduce((sum, one) => sum + one.usage.inputTokens, 0),
    output_tokens: moves.reduce((sum, one) => sum + one.usage.outputTokens, 0),
  };
  const summary = { steps: moves.length, usage };
  await tx.events.append([eventOf(turn, "agent_completed", summary, { tokenUsage: usage })]);
  await moveCommand(tx, turn, "succeeded", { result: { text, ...summary } });
  return DONE;
}

async function propose(
  tx: Tx,
  kit: Kit,
  turn: Command,
  at: RecordedMove,
  move: ToolCalls,
  fresh: readonly AgentCall[],
): Promise<void> {
  for (const call of fresh) {
    const ordinal = move.calls.indexOf(call);
    const base = { stepIndex: at.stepIndex, callId: call.callId, toolName: call.toolName };
    const outcome =
      ordinal < CALLS_MAX
        ? await proposeOne(tx, kit, turn, at.stepIndex, call)
        : { refusal: `a move may hold at most ${CALLS_MAX} calls` };
    const record: RecordedCall =
      "childId" in outcome
        ? { ...base, childCommandId: outcome.childId, refusal: null }
        : {
            ...base,
            childCommandId: null,
            refusal: { class: "validation_error", message: outcome.refusal },
          };
    await tx.turns.recordCall(turn.commandId, ordinal, record);
  }
}

/** A proposal is a command or a refusal that the agent gets to read; it never breaks the turn. */
async function proposeOne(
  tx: Tx,
  kit: Kit,
  turn: Command,
  stepIndex: number,
  call: AgentCall,
): Promise<{ readonly childId: CommandId } | { readonly refusal: string }> {
  const checked = await checkProposal(tx, kit, turn, call);
  const proposed = (payload: JsonObject, type: EventType = "tool_call_proposed") =>
    eventOf(
      turn,
      type,
      { call_id: call.callId, tool_name: call.toolName, ...payload },
      {
        actor: `agent:${agentType(turn)}`,
        stepIndex,
        toolName: call.toolName,
      },
    );
  if ("refusal" in checked) {
    await tx.events.append([
      proposed({ arguments: call.arguments, command_id: null }),
      proposed({ command_id: null, reason: checked.refusal }, "tool_call_denied"),
    ]);
    return checked;
  }
  const { task, claim } = checked;
  const commandId = claim?.holder?.commandId ?? asId("command", kit.newId());
  const external = encodeId("command", commandId);
  await tx.events.append([proposed({ arguments: call.arguments, command_id: external })]);
  if (claim?.holder !== undefined) {
    // From here on its end sees that this turn waits for it, or this turn sees that it ended.
    await tx.commands.lock(commandId);
    return { childId: commandId };
  }
  const { command } = await submitWithin(tx, kit, {
    ...childRequest(turn, task, call, commandId),
    ...(claim === undefined ? {} : { claim }),
  });
  if (command.errorClass === "policy_denied") {
    const payload = { command_id: external, reason: command.error };
    await tx.events.append([proposed(payload, "tool_call_denied")]);
  }
  return { childId: command.commandId };
}

/** The task a call asks for and who answers for its key already, or why it cannot be made. */
async function checkProposal(
  tx: Tx,
  kit: Kit,
  turn: Command,
  call: AgentCall,
): Promise<
  { readonly task: Task; readonly claim: KeyClaim | undefined } | { readonly refusal: string }
> {
  const task = kit.catalog.toolTask(call.toolName, agentType(turn));
  if (task === undefined) {
    return { refusal: noSuchTool(kit.catalog, call.toolName, agentType(turn)) };
  }
  const request = {
    taskName: task.name,
    payload: call.arguments,
    ingress: "agent_action",
  } as const;
  const ofPerson = personFields(task).filter((name) => name in call.arguments);
  if (ofPerson.length > 0) {
    const fields = ofPerson.join(", ");
    return { refusal: `Leave out ${fields}: the person is asked for it when it is needed.` };
  }
  try {
    const { payload } = checkRequest(kit, request);
    return { task, claim: await claimKey(tx, kit, task, payload, turn.context.actor) };
  } catch (error) {
    if (error instanceof Refusal) return { refusal: error.message };
    throw error;
  }
}

/** A task that derives its key is found by it from any turn; any other call is keyed by turn and call. */
function childRequest(turn: Command, task: Task, call: AgentCall, commandId: CommandId) {
  const callKey = `${encodeId("command", turn.commandId)}:${call.callId}`;
  return {
    taskName: task.name,
    payload: call.arguments,
    principal: turn.context.actor,
    ingress: "agent_action",
    traceId: turn.traceId,
    ...(task.idempotency === undefined ? { idempotencyKey: callKey } : {}),
    runAs: turn.context.runAs,
    parent: turn,
    agentCall: {
      turnCommandId: turn.commandId,
      callId: call.callId,
      agentType: agentType(turn),
    },
    commandId,
  } as const;
}

function observe(call: RecordedCall, children: ReadonlyMap<CommandId, Command>): Observation {
  const { callId, toolName, childCommandId, refusal } = call;
  const child = childCommandId === null ? undefined : children.get(childCommandId);
  if (child === undefined) {
    const error = refusal ?? ({ class: "unknown_error", message: "the command is gone" } as const);
    return { callId, toolName, commandId: null, status: "failed", error };
  }
  const seen = { callId, toolName, commandId: child.commandId, status: child.status };
  if (child.status === "succeeded") return { ...seen, result: child.result };
  const message = child.error ?? `the command is ${child.status}`;
  return { ...seen, error: { class: child.errorClass ?? restingClass(child), message } };
}

function restingClass(child: Command) {
  return child.status === "expired" ? "human_input_missing" : "cancelled";
}

export function agentType(turn: Command): string {
  const type: Json | undefined = turn.payload["agent_type"];
  return typeof type === "string" ? type : "agent";
}

function startedPayload(turn: Command): JsonObject {
  const { instance_id = null, turn_id = null, session_id = null } = turn.payload;
  return { agent_type: agentType(turn), instance_id, turn_id, session_id };
}
