/**
 * Owns what is called for a step of a command: a step of its task, or a link of the chain that undoes it. Both
 * are effects with a key, so both are attempted the same way (connector-attempt.ts).
 */
import type { Command, Effect } from "../core/command.ts";
import type { JsonObject } from "../core/json.ts";
import { resultOf } from "./compensation.ts";
import type { Operation } from "./connectors.ts";
import { viewOf } from "./contract-code.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";

export interface CallSource {
  readonly stepId: string;
  readonly connector: string;
  readonly operationName: string;
  readonly operation: Operation;
  /** Contract code: run it guarded. */
  readonly input: () => JsonObject;
  /** In which status a command may make the call. */
  readonly during: "running" | "compensating";
}

/** Undefined when the code of today does not know the step any more. */
export async function callSourceOf(
  tx: Tx,
  kit: Kit,
  command: Command,
  effect: Effect | undefined,
  stepId: string,
): Promise<CallSource | undefined> {
  if (effect?.compensatesEffectId != null) return linkSource(tx, kit, command, effect);
  const step = kit.catalog.task(command.taskName)?.steps.find((one) => one.id === stepId);
  if (step?.kind !== "connector") return undefined;
  return {
    stepId,
    connector: step.connector,
    operationName: step.operation,
    operation: kit.catalog.operation(step.connector, step.operation),
    input: () => step.input(viewOf(command)),
    during: "running",
  };
}

async function linkSource(
  tx: Tx,
  kit: Kit,
  command: Command,
  link: Effect,
): Promise<CallSource | undefined> {
  const { compensation, compensatesEffectId } = link;
  if (compensation === null || compensatesEffectId === null) return undefined;
  const { connector, operation: operationName } = compensation;
  const operation = kit.catalog.findOperation(connector, operationName);
  const undone = await tx.effects.find(compensatesEffectId);
  if (operation === undefined || undone === undefined) return undefined;
  const definition = kit.catalog.compensation(compensation.name);
  const effect = { effectType: undone.effectType, result: resultOf(undone) };
  return {
    stepId: link.stepId,
    connector,
    operationName,
    operation,
    input: () => definition?.input?.({ ...viewOf(command), effect }) ?? effect.result,
    during: "compensating",
  };
}
