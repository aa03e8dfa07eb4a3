/**
 * Owns judging a command: what policies are shown, every policy within its time, the record of what each said
 * (POL-8), and masking what they want masked (POL-12). Inside the transaction that acts on the decision.
 */
import type { Command } from "../core/command.ts";
import { digest, type JsonObject, toJson } from "../core/json.ts";
import { maskAt } from "../core/policy/pointers.ts";
import {
  type CombinedDecision,
  combineDecisions,
  deepFreeze,
  denial,
  judge,
  type Policy,
  type PolicyDecision,
  type PolicyInput,
} from "../core/policy.ts";
import { eventOf } from "./audit.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";
import { riskOf, type Task } from "./tasks.ts";
import { TimeLimitExceeded, withinTime } from "./time-limit.ts";

/** All policies of one command together; a healthy one takes microseconds. */
const POLICIES_WITHIN_MS = 1_000;

export interface Judgement {
  /** As it goes on: what policies want masked is masked, in the row as well. */
  readonly command: Command;
  readonly combined: CombinedDecision;
}

export async function judgeCommand(
  tx: Tx,
  kit: Kit,
  command: Command,
  task: Task,
): Promise<Judgement> {
  const input = policyInput(kit, command, task);
  const decisions = evaluateInTime(task.policies.map(kit.catalog.policy), input);
  const combined = combineDecisions(decisions);
  await tx.policyDecisions.insert({
    inputId: kit.newId(),
    commandId: command.commandId,
    decisions,
    circumstances: circumstancesOf(input),
    inputsHash: digest(kit.hash, toJson(input)),
    masked: combined.redactions.length > 0,
    newId: kit.newId,
  });
  await tx.events.append(
    decisions.map(({ policy, version, decision, reasons, mode }) => {
      const shadow = mode === "shadow" ? { mode } : {};
      return eventOf(command, "policy_evaluated", {
        policy,
        version,
        decision,
        reasons,
        ...shadow,
      });
    }),
  );
  return { command: await masked(tx, command, combined), combined };
}

/** Each policy judged; one that does not end is stopped and denies, and the others are still heard. */
export function evaluateInTime(
  policies: readonly Policy[],
  input: PolicyInput,
  timeoutMs: number = POLICIES_WITHIN_MS,
): readonly PolicyDecision[] {
  const shown = deepFreeze(input);
  const decisions: PolicyDecision[] = [];
  const next = () => policies[decisions.length];
  while (next() !== undefined) {
    try {
      withinTime(timeoutMs, () => {
        for (let policy = next(); policy !== undefined; policy = next()) {
          decisions.push(judge(policy, shown));
        }
      });
    } catch (error) {
      if (!(error instanceof TimeLimitExceeded)) throw error;
      const stuck = next();
      if (stuck !== undefined) decisions.push(denial(stuck, error.message));
    }
  }
  return decisions;
}

/** What the policies of `task` are shown about `command` (POL-7). */
export function policyInput(kit: Kit, command: Command, task: Task): PolicyInput {
  const connectors = task.steps.flatMap((step) => {
    if (step.kind !== "connector") return [];
    // What may be undone later is judged now: a chain runs without asking again (G3).
    const undo =
      step.effectType === undefined ? undefined : kit.catalog.compensationOf(step.effectType);
    return [step, ...(undo === undefined ? [] : [undo])].map(({ connector, operation }) => {
      const { sideEffect } = kit.catalog.operation(connector, operation);
      return { connector, operation, sideEffect };
    });
  });
  return {
    requester: command.context.actor,
    action: {
      taskName: task.name,
      commandType: task.commandType,
      ingress: command.ingress,
      payload: command.payload,
      riskLevel: riskOf(task, command),
      ...(command.context.place === undefined ? {} : { place: command.context.place }),
    },
    connectors,
    dataTouched: task.dataTouched ?? [],
    sideEffects: task.steps.flatMap((step) =>
      step.kind === "connector" && step.effectType !== undefined ? [step.effectType] : [],
    ),
    approvalAlwaysRequired: task.approval !== undefined,
    facts: command.facts,
  };
}

/** What was judged that the command's own row does not hold already. */
function circumstancesOf(input: PolicyInput): JsonObject {
  const { action, connectors, dataTouched, sideEffects, approvalAlwaysRequired } = input;
  const { riskLevel } = action;
  const uses = connectors.map((use) => ({ ...use }));
  return { riskLevel, connectors: uses, dataTouched, sideEffects, approvalAlwaysRequired };
}

async function masked(tx: Tx, command: Command, combined: CombinedDecision): Promise<Command> {
  if (combined.redactions.length === 0) return command;
  const payload = maskAt(command.payload, combined.redactions);
  await tx.commands.setPayload(command.commandId, payload);
  await tx.events.append([eventOf(command, "payload_redacted", { places: combined.redactions })]);
  return { ...command, payload };
}
