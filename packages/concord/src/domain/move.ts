/**
 * Owns the only way a command changes status (invariant G2): through the transition table, compare-and-set,
 * with its event in the same transaction, waking whoever waits for it.
 */
import type { Command } from "../core/command.ts";
import { type Failure, Refusal } from "../core/errors.ts";
import { encodeId } from "../core/ids.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { canTransition, NO_FACTS, type TransitionFacts } from "../core/transitions.ts";
import { type CommandStatus, isResting } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import type { StatusPatch, Tx } from "./store.ts";

export interface MoveDetails {
  readonly actor?: string;
  readonly reason?: string;
  readonly result?: JsonObject;
  readonly failure?: Failure;
  readonly facts?: Partial<TransitionFacts>;
  /** Stored with the move that ends planning. */
  readonly planned?: StatusPatch["planned"];
}

/** Moves `command` and returns it as it now is. Throws `Refusal` `illegal_transition`, having changed nothing. */
export async function moveCommand(
  tx: Tx,
  command: Command,
  to: CommandStatus,
  details: MoveDetails = {},
): Promise<Command> {
  const from = command.status;
  const facts = {
    ...NO_FACTS,
    cancelRequested: command.cancellationRequestedAt !== null,
    ...details.facts,
  };
  if (!canTransition(from, to, facts)) throw illegal(command, to);
  const { result, failure, planned } = details;
  const moved = await tx.commands.move(command.commandId, from, to, {
    ...(planned === undefined ? {} : { planned }),
    ...(result === undefined ? {} : { result }),
    ...(failure === undefined ? {} : { failure }),
    completed: isResting(to),
  });
  if (moved === undefined) throw illegal(command, to);
  await tx.events.append([
    eventOf(moved, "state_transitioned", transitionPayload(from, to, details), {
      actor: details.actor ?? command.requestedBy,
    }),
  ]);
  if (isResting(to)) await wakeWaiting(tx, moved);
  return moved;
}

/** The turn that started it, and turns that asked for the same thing and found it. */
async function wakeWaiting(tx: Tx, command: Command): Promise<void> {
  for (const { workflowId, commandId, tenant, isParked } of await tx.turns.waitingFor(command)) {
    // Only turns are parked while they wait for others.
    if (isParked) await tx.outbox.start(workflowId, commandId, "agent_runs", { tenant });
    else await tx.outbox.wake(workflowId);
  }
}

function transitionPayload(
  from: CommandStatus,
  to: CommandStatus,
  details: MoveDetails,
): JsonObject {
  const { reason, result, failure } = details;
  return {
    from,
    to,
    ...(reason === undefined ? {} : { reason }),
    ...(result === undefined ? {} : { result: result as Json }),
    ...(failure === undefined ? {} : { error: failure.message, error_class: failure.errorClass }),
  };
}

function illegal(command: Command, to: CommandStatus): Refusal {
  const id = encodeId("command", command.commandId);
  return new Refusal(
    "illegal_transition",
    `The command ${id} is ${command.status} and cannot become ${to}; read it again.`,
  );
}
