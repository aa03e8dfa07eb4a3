/**
 * Owns finding out what became of a call whose answer was lost (EFF-7, CON-18), when nothing may be started any
 * more: the attempts are used up, or somebody asked to stop. The vendor is asked by key, a few times; if it never
 * answers, a person is (an incident), and the record says that the outcome is not known.
 */
import type { Command, PlanStep } from "../core/command.ts";
import { isOutcomeUnknown } from "../core/errors.ts";
import type { ErrorClass } from "../core/vocabulary.ts";
import type { Operation } from "./connectors.ts";
import type { Directive } from "./directive.ts";
import { openIncident } from "./incidents.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";

/** How often a vendor is asked what happened, after the last attempt. */
const PROBES_MAX = 3;

/** Milliseconds until the vendor is asked; undefined when that is pointless or was done often enough. */
export function waitBeforeProbeMs(
  { retry, sideEffect, lookup }: Operation,
  attempts: number,
  errorClass: ErrorClass,
): number | undefined {
  if (!sideEffect || lookup === undefined || !isOutcomeUnknown(errorClass)) return undefined;
  if (attempts >= retry.attemptsMax + PROBES_MAX) return undefined;
  return Math.round((retry.waitsSeconds.at(-1) ?? 1) * 1_000);
}

/** The question to ask before a stopped command may rest; undefined when everything is known, or nobody knows. */
export async function findLateTruth(
  tx: Tx,
  kit: Kit,
  command: Command,
): Promise<Directive | undefined> {
  for (const step of command.plan?.steps ?? []) {
    const found = await probeOf(tx, kit, command, step);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function probeOf(
  tx: Tx,
  kit: Kit,
  command: Command,
  step: PlanStep,
): Promise<Directive | undefined> {
  if (step.effect === undefined || command.stepResults[step.stepId] !== undefined) return undefined;
  const history = await tx.invocations.history(command.commandId, step.stepId);
  const { attempts, last } = history;
  if (last === undefined) return undefined;
  const [connector = "", operation = ""] = step.functionName.split(".");
  const found = kit.catalog.findOperation(connector, operation);
  if (found === undefined) return undefined;
  // Cut off in the middle: the same attempt is entered again, which now only asks.
  if (last.status === "started") return { kind: "attempt", command, stepId: step.stepId, history };
  if (last.status !== "failed" || last.errorClass === null) return undefined;
  const waitMs = waitBeforeProbeMs(found, attempts, last.errorClass);
  if (waitMs === undefined) {
    await reportUnknown(tx, kit, command, step.stepId, last.errorClass);
    return undefined;
  }
  // The first question is asked at once; only a vendor that does not answer is left alone for a while.
  const dueMs =
    (last.completedAtMs ?? kit.nowMs()) + (attempts > found.retry.attemptsMax ? waitMs : 0);
  if (kit.nowMs() < dueMs) return { kind: "wait", untilMs: dueMs };
  return { kind: "attempt", command, stepId: step.stepId, history };
}

/** Nobody knows whether the effect happened: a person is told, once. */
export async function reportUnknown(
  tx: Tx,
  kit: Kit,
  command: Command,
  stepId: string,
  errorClass: ErrorClass,
): Promise<void> {
  if (!isOutcomeUnknown(errorClass)) return;
  const effect = await tx.effects.lockByStep(command.commandId, stepId);
  if (effect === undefined || effect.status === "succeeded") return;
  const message = `whether ${effect.effectType} happened is not known: the vendor never answered (${errorClass})`;
  await openIncident(tx, kit, command, effect, "outcome_unknown", message, {
    idempotency_key: effect.idempotencyKey,
  });
}
