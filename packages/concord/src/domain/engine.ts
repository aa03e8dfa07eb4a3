/**
 * Owns what a command does next, decided from its rows alone: the durable workflow is only a loop around
 * `advance`. Messages are hints, rows are the truth, so a lost or repeated message changes nothing.
 * Refuses to own: calling vendors (connector-attempt.ts) and agents (turn-engine.ts decides for those).
 */
import type { Command, Effect, ExecutionPlan, PlanStep } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import type { CommandId } from "../core/ids.ts";
import { nextStep } from "../core/planning.ts";
import { waitBeforeRetryMs } from "../core/retry.ts";
import { isResting } from "../core/vocabulary.ts";
import {
  advanceChain,
  compensatable,
  failAndUndo,
  startChain,
  undoesItself,
} from "./compensation.ts";
import { guarded, viewOf } from "./contract-code.ts";
import { BEFORE_WORK } from "./dependencies.ts";
import { type Directive, DONE } from "./directive.ts";
import { escalateDue } from "./escalation.ts";
import { boundHash } from "./gate.ts";
import { holdBack } from "./hold-back.ts";
import { expireInput } from "./input.ts";
import type { Kit } from "./kit.ts";
import { findLateTruth, reportUnknown, waitBeforeProbeMs } from "./late-truth.ts";
import { leaveOut } from "./leave-out.ts";
import { type MoveDetails, moveCommand } from "./move.ts";
import { expireApprovals } from "./open-questions.ts";
import { publishArtifact } from "./publish-artifact.ts";
import { parkAgain, waitsForPerson } from "./runs.ts";
import type { Tx } from "./store.ts";
import { type TakenBack, takeBack } from "./take-back.ts";
import type { Task } from "./tasks.ts";
import { advanceTurn, settleCancelledTurn } from "./turn-engine.ts";
import { writeArtifact } from "./write-artifact.ts";

/** Moves the command as far as rows allow and says what has to happen outside a transaction. Called by its run. */
export async function advance(tx: Tx, kit: Kit, commandId: CommandId): Promise<Directive> {
  const command = await tx.commands.lock(commandId);
  if (command === undefined) return DONE;
  return advanceFrom(tx, kit, command.isParked ? await tx.commands.unpark(commandId) : command);
}

/** The same for a command that this transaction has locked, as its row now is. */
export async function advanceFrom(tx: Tx, kit: Kit, command: Command): Promise<Directive> {
  if (isResting(command.status)) return DONE;
  if (command.hasDependencies && BEFORE_WORK.includes(command.status)) {
    const held = await holdBack(tx, kit, command);
    if (held !== undefined) return held;
  }
  switch (command.status) {
    case "waiting_for_input":
      return awaitInput(tx, kit, command);
    case "waiting_for_approval":
      return awaitApproval(tx, kit, command);
    case "approved":
      return enterApproved(tx, kit, command);
    case "queued":
    case "blocked":
      return run(tx, kit, await moveCommand(tx, command, "running"));
    case "running":
      return run(tx, kit, command);
    case "cancelling":
      return settleCancelled(tx, kit, command);
    case "compensating":
      return advanceChain(tx, kit, command);
    default:
      return { kind: "wait", untilMs: null };
  }
}

async function awaitInput(tx: Tx, kit: Kit, command: Command): Promise<Directive> {
  const asked = await tx.inputs.open(command.commandId);
  const deadlineMs = asked === undefined ? undefined : Date.parse(asked.expiresAt);
  if (deadlineMs === undefined || kit.nowMs() < deadlineMs) {
    return waitOrPark(tx, command, deadlineMs ?? null);
  }
  await expireInput(tx, command);
  return DONE;
}

async function awaitApproval(tx: Tx, kit: Kit, command: Command): Promise<Directive> {
  const approvals = await tx.approvals.ofCommand(command.commandId);
  const pending = approvals.filter((one) => one.status === "pending");
  if (pending.length === 0) return waitOrPark(tx, command, null);
  const deadlineMs = Math.min(...pending.map((one) => Date.parse(one.expiresAt)));
  if (kit.nowMs() >= deadlineMs) {
    await expireApprovals(tx, kit, command);
    return DONE;
  }
  const escalationMs = await escalateDue(tx, kit, command, pending);
  return waitOrPark(tx, command, Math.min(deadlineMs, escalationMs));
}

/** A run that would only wait for a person ends; deadlines of what is parked are noticed by one look for all. */
async function waitOrPark(tx: Tx, command: Command, untilMs: number | null): Promise<Directive> {
  if (!waitsForPerson(command)) return { kind: "wait", untilMs };
  await parkAgain(tx, command);
  return DONE;
}

/** G5: what was approved is what runs, or nothing runs. */
async function enterApproved(tx: Tx, kit: Kit, command: Command): Promise<Directive> {
  const approvals = await tx.approvals.ofCommand(command.commandId);
  const queued = await moveCommand(tx, command, "queued");
  const now = boundHash(kit, command, planOf(command));
  // Answers to questions about an earlier payload do not count.
  const plan = planOf(command);
  const approved = approvals.filter((one) => one.status === "approved" && one.boundHash === now);
  if (approved.length >= Math.max(1, plan.requiredApprovals.length)) {
    return run(tx, kit, await moveCommand(tx, queued, "running"));
  }
  const message = "approval_stale: the command is no longer what was approved; submit it again";
  await moveCommand(tx, queued, "failed", {
    failure: { errorClass: "policy_denied", message },
    reason: "approval_stale",
  });
  return DONE;
}

async function run(tx: Tx, kit: Kit, start: Command): Promise<Directive> {
  const task = kit.catalog.task(start.taskName);
  if (task === undefined) return failAndUndo(tx, kit, start, unknownTask(start));
  if (task.runsAs === "agent_turn") return advanceTurn(tx, kit, start);
  let command = start;
  for (;;) {
    const step = nextStep(planOf(command), new Set(Object.keys(command.stepResults)));
    if (step === undefined) return finish(tx, kit, command, task);
    const left = await leaveOut(tx, command, task, step);
    if (left !== undefined) {
      if ("failure" in left) return failAndUndo(tx, kit, command, left.failure);
      command = left.command;
      continue;
    }
    if (step.primitive === "connector_call") return nextAttempt(tx, kit, command, task, step);
    const written = await within(tx, kit, command, task, step);
    if (written === "waits") return { kind: "wait", untilMs: null };
    if ("failure" in written) return failAndUndo(tx, kit, command, written.failure);
    command = written.command;
  }
}

/** What is done with rows alone: an artifact written or published, another command taken back. */
async function within(
  tx: Tx,
  kit: Kit,
  command: Command,
  task: Task,
  { stepId }: PlanStep,
): Promise<TakenBack> {
  const definition = task.steps.find((one) => one.id === stepId);
  if (definition?.kind === "artifact") return writeArtifact(tx, kit, command, definition);
  if (definition?.kind === "publish") return publishArtifact(tx, kit, command, definition);
  if (definition?.kind === "take_back") return takeBack(tx, kit, command, definition);
  return { failure: unknownTask(command) };
}

async function finish(tx: Tx, kit: Kit, command: Command, task: Task): Promise<Directive> {
  const result = guarded(() => task.result(viewOf(command)), "the result");
  if ("failure" in result) return failAndUndo(tx, kit, command, result.failure);
  await moveCommand(tx, command, "succeeded", { result: result.value });
  return DONE;
}

async function nextAttempt(
  tx: Tx,
  kit: Kit,
  command: Command,
  task: Task,
  step: PlanStep,
): Promise<Directive> {
  const definition = task.steps.find((one) => one.id === step.stepId);
  if (definition?.kind !== "connector") return failAndUndo(tx, kit, command, unknownTask(command));
  const operation = kit.catalog.operation(definition.connector, definition.operation);
  const { stepId } = step;
  // Together, so that they are one round trip.
  const [history, effect] = await Promise.all([
    tx.invocations.history(command.commandId, stepId),
    tx.effects.lockByStep(command.commandId, stepId),
  ]);
  const { attempts, last } = history;
  const attempt: Directive = { kind: "attempt", command, stepId, history, effect };
  if (last?.status !== "failed") return attempt;
  const failure: Failure = {
    errorClass: last.errorClass ?? "unknown_error",
    message: last.error ?? "the call failed",
  };
  const waitMs =
    waitBeforeRetryMs(operation.retry, attempts, failure.errorClass, last.retryAfterMs) ??
    waitBeforeProbeMs(operation, attempts, failure.errorClass);
  if (waitMs === undefined) {
    // A vendor that was asked afterwards knew of nothing: what failed is the last attempt, not the question.
    const decisive = history.failures[operation.retry.attemptsMax - 1] ?? failure;
    await reportUnknown(tx, kit, command, stepId, failure.errorClass);
    return failAndUndo(tx, kit, command, decisive);
  }
  const dueMs = (last.completedAtMs ?? kit.nowMs()) + waitMs;
  return kit.nowMs() < dueMs ? { kind: "wait", untilMs: dueMs } : attempt;
}

/** CAN-4, CAN-5: between steps, everything in flight has ended; what happened is found out before it is told. */
async function settleCancelled(tx: Tx, kit: Kit, command: Command): Promise<Directive> {
  const task = kit.catalog.task(command.taskName);
  if (task?.runsAs === "agent_turn" && !(await settleCancelledTurn(tx, command))) {
    return { kind: "wait", untilMs: null };
  }
  const probe = await findLateTruth(tx, kit, command);
  if (probe !== undefined) return probe;
  if (undoesItself(command) && (await compensatable(tx, command)).length > 0) {
    const details = { actor: command.requestedBy, reason: "it was stopped" };
    await startChain(tx, kit, command, details);
    return DONE;
  }
  const children = await tx.commands.children(command.commandId);
  const family = [command.commandId, ...children.map((child) => child.commandId)];
  const unknown = (await tx.incidents.ofCommand(command.commandId))
    .filter((one) => one.kind === "outcome_unknown" && one.status === "open")
    .map((one) => one.message);
  const details = standing(await tx.effects.standing(family), unknown);
  await moveCommand(tx, command, "cancelled", details);
  return DONE;
}

/** Stopping does not undo: who stopped it is told what had happened outside by then, and stands. */
function standing(effects: readonly Effect[], unknown: readonly string[]): MoveDetails {
  if (effects.length === 0 && unknown.length === 0) {
    return { reason: "nothing had happened outside" };
  }
  const names = effects.map((effect) => effect.effectType).join(", ");
  const late = `it was stopped too late for ${names}: that had already happened outside and stands; it was not undone`;
  const message = [...(effects.length === 0 ? [] : [late]), ...unknown].join("; ");
  const happened = effects.map(({ effectType, result }) => ({ effect_type: effectType, result }));
  return {
    reason: message,
    failure: { errorClass: "cancelled", message },
    result: { happened },
  };
}

function planOf(command: Command): ExecutionPlan {
  if (command.plan === null) throw new Error(`the command ${command.commandId} has no plan`);
  return command.plan;
}

function unknownTask(command: Command): Failure {
  const message = `the task ${command.taskName} is no longer what it was when this was planned`;
  return { errorClass: "validation_error", message };
}
