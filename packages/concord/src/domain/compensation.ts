/**
 * Owns undoing what a command did (spec §30.2, §31): the chain is planned whole, runs link by link in a workflow
 * of its own, halts at a link that cannot be undone and asks a person. Nothing undone is ever deleted: a link is
 * a new effect that points at the old one (CMP-1). Refuses to own: calling the vendor (connector-attempt.ts).
 */
import type { Command, Effect } from "../core/command.ts";
import {
  type CompensationManifest,
  chainOrder,
  driftOf,
  isSameManifest,
  type Link,
  manifestJson,
  nextLink,
} from "../core/compensation.ts";
import type { Failure } from "../core/errors.ts";
import { encodeId } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import { waitBeforeRetryMs } from "../core/retry.ts";
import { eventOf } from "./audit.ts";
import { type Directive, DONE } from "./directive.ts";
import { openIncident } from "./incidents.ts";
import type { Kit } from "./kit.ts";
import { manifestOf } from "./manifest.ts";
import { moveCommand } from "./move.ts";
import { workflowIdOf } from "./runs.ts";
import type { NewLink, Tx } from "./store.ts";
import type { CompensationDefinition } from "./tasks.ts";

const QUEUE = "connector_calls";

type UndoableEffect = Effect & { readonly compensation: CompensationManifest };

/** Effects of the command that stand and say how they are undone. */
export async function compensatable(tx: Tx, command: Command): Promise<readonly UndoableEffect[]> {
  const standing = await tx.effects.standing([command.commandId]);
  return standing.filter((one): one is UndoableEffect => one.compensation !== null);
}

/** Whether stopping or failing this command undoes what it did. */
export function undoesItself(command: Command): boolean {
  return command.cancellationMode === "compensate_then_stop";
}

/**
 * Plans every link before the first runs (EFF-3), moves the command to `compensating` and starts the chain's own
 * workflow, in one commit. A link that exists from an earlier chain is kept, so that nothing is undone twice.
 */
export async function startChain(
  tx: Tx,
  kit: Kit,
  command: Command,
  details: { readonly actor: string; readonly reason: string },
): Promise<Command> {
  const { actor, reason } = details;
  const known = await tx.effects.ofCommand(command.commandId);
  const linked = new Set(known.map((one) => one.compensatesEffectId));
  const undoable = (await compensatable(tx, command)).filter((one) => !linked.has(one.effectId));
  const fresh = chainOrder(
    undoable.map((effect) => ({ effect, ordinal: effect.ordinal, manifest: effect.compensation })),
  ).map(({ effect }) => effect);
  await tx.effects.planLinks(command, fresh.map(linkOf), kit.newId);
  const moved = await moveCommand(tx, command, "compensating", {
    actor,
    reason,
    facts: { compensatable: true },
  });
  const effects = fresh.map((one) => one.effectType);
  await tx.events.append([
    eventOf(moved, "compensation_started", { effects, reason }, { actor }),
    ...fresh.map((one) =>
      eventOf(moved, "effect_planned", {
        effect_type: one.compensation.name,
        idempotency_key: keyOf(one),
        declared_compensation: null,
        compensates: encodeId("effect", one.effectId),
      }),
    ),
  ]);
  for (const effect of fresh) await compareManifest(tx, kit, moved, effect);
  return runChain(tx, moved);
}

/** CMP-16: a command that fails after something happened undoes it, if that is what it declared. */
export async function failAndUndo(
  tx: Tx,
  kit: Kit,
  command: Command,
  failure: Failure,
): Promise<Directive> {
  const failed = await moveCommand(tx, command, "failed", { failure });
  if (undoesItself(command) && (await compensatable(tx, command)).length > 0) {
    const details = { actor: command.requestedBy, reason: `it failed: ${failure.message}` };
    await startChain(tx, kit, failed, details);
  }
  return DONE;
}

/** A new workflow each time: a run that ended answers with its old outcome (CMD-17). */
async function runChain(tx: Tx, command: Command): Promise<Command> {
  const before = /:compensate:(\d+)/.exec(command.workflowId ?? "")?.[1];
  const workflowId = `${workflowIdOf(command)}:compensate:${Number(before ?? "0") + 1}`;
  await tx.commands.setWorkflow(command.commandId, workflowId);
  await tx.outbox.start(workflowId, command.commandId, QUEUE, command.context.actor);
  return { ...command, workflowId };
}

/** What the chain does next, from its rows; ends the command when every link is settled. */
export async function advanceChain(tx: Tx, kit: Kit, command: Command): Promise<Directive> {
  const effects = await tx.effects.ofCommand(command.commandId);
  const next = nextLink(effects.flatMap(toLink));
  if (next.kind === "done") return endChain(tx, command);
  const { effect } = next.link;
  if (next.kind === "skip") {
    await settleLink(tx, command, effect, "skipped", `it has to follow ${next.because}`);
    return advanceChain(tx, kit, command);
  }
  const { connector, operation } = next.link.manifest;
  const retry = kit.catalog.findOperation(connector, operation)?.retry;
  if (retry === undefined) {
    const message = `${connector}.${operation} is no longer registered`;
    return halt(tx, kit, command, effect, { errorClass: "validation_error", message });
  }
  const history = await tx.invocations.history(command.commandId, effect.stepId);
  const { attempts, last } = history;
  const attempt: Directive = { kind: "attempt", command, stepId: effect.stepId, history };
  if (last === undefined || last.status === "started") return attempt;
  const counted = attempts - effect.attemptsForgiven;
  if (counted === 0) return attempt;
  const failure: Failure = {
    errorClass: last.errorClass ?? "unknown_error",
    message: last.error ?? "the call failed",
  };
  const waitMs = waitBeforeRetryMs(retry, counted, failure.errorClass);
  if (waitMs === undefined) return halt(tx, kit, command, effect, failure);
  const dueMs = (last.completedAtMs ?? kit.nowMs()) + waitMs;
  if (kit.nowMs() < dueMs) return { kind: "wait", untilMs: dueMs };
  return attempt;
}

interface ChainLink extends Link {
  readonly effect: Effect;
  readonly manifest: CompensationManifest;
}

function toLink(effect: Effect): readonly ChainLink[] {
  const { compensation: manifest } = effect;
  if (effect.compensatesEffectId === null || manifest === null) return [];
  const state = effect.settledAs ?? (effect.status === "succeeded" ? "succeeded" : "open");
  return [{ name: manifest.name, state, after: manifest.after, effect, manifest }];
}

/** CMP-14: nothing behind an unsettled link runs; the command rests until a person settles it. */
async function halt(
  tx: Tx,
  kit: Kit,
  command: Command,
  link: Effect,
  failure: Failure,
): Promise<Directive> {
  const message = `${link.effectType} could not be done: ${failure.message}`;
  await openIncident(tx, kit, command, link, "compensation_exhausted", message, {
    error_class: failure.errorClass,
  });
  const left = (await compensatable(tx, command)).map((one) => one.effectType);
  await tx.events.append([
    eventOf(command, "compensation_drift", {
      effect_type: link.effectType,
      kind: "partial",
      left_standing: left,
    }),
  ]);
  await moveCommand(tx, command, "failed", { failure: { ...failure, message } });
  return DONE;
}

/** CMP-15: goes on where the chain halted, in a new workflow. */
export async function resumeChain(tx: Tx, command: Command, actor: string): Promise<Command> {
  const moved = await moveCommand(tx, command, "compensating", {
    actor,
    reason: "a person settled the incident",
    facts: { compensatable: true },
  });
  const resumed = await runChain(tx, moved);
  if (resumed.workflowId !== null) await tx.outbox.wake(resumed.workflowId);
  return resumed;
}

async function endChain(tx: Tx, command: Command): Promise<Directive> {
  const effects = await tx.effects.ofCommand(command.commandId);
  const undone = effects.flatMap((link) => {
    const of = effects.find((one) => one.effectId === link.compensatesEffectId);
    const isUndone = link.status === "succeeded" || link.settledAs === "by_hand";
    return of === undefined || !isUndone
      ? []
      : [{ effect_type: of.effectType, by: link.effectType, result: link.result }];
  });
  const standing = await tx.effects.standing([command.commandId]);
  const happened = standing.map(({ effectType, result }) => ({ effect_type: effectType, result }));
  for (const id of await tx.artifacts.archiveCancelled(command.commandId)) {
    const external = encodeId("artifact", id);
    await tx.events.append([
      eventOf(command, "artifact_archived", { artifact_id: external, cancelled: true }),
    ]);
  }
  const names = (list: readonly { readonly effect_type: string }[]) =>
    list.map((one) => one.effect_type).join(", ");
  const told = [
    ...(undone.length === 0 ? [] : [`undone: ${names(undone)}`]),
    ...(happened.length === 0 ? [] : [`left standing: ${names(happened)}`]),
  ].join("; ");
  await tx.events.append([
    eventOf(command, "compensation_completed", { effects: undone.map((one) => one.effect_type) }),
  ]);
  const result = { undone, happened };
  const isCancelled = command.cancellationRequestedAt !== null;
  const compensated = await moveCommand(tx, command, "compensated", { reason: told, result });
  if (!isCancelled) return DONE;
  const failure = { errorClass: "cancelled", message: `it was stopped; ${told}` } as const;
  await moveCommand(tx, compensated, "cancelled", { reason: told, failure, result });
  return DONE;
}

/** A person, or a rule, settled a link without the vendor. */
export async function settleLink(
  tx: Tx,
  command: Command,
  link: Effect,
  as: "skipped" | "by_hand",
  note: string | null,
): Promise<void> {
  await tx.effects.settle(link.effectId, as);
  const payload = { effect_type: link.effectType, how: as, note };
  await tx.events.append([eventOf(command, "compensation_completed", payload)]);
}

/** CMP-10, CMP-20: the vendor undid it; what else it did is compared with what was declared. */
export async function concludeLink(
  tx: Tx,
  kit: Kit,
  command: Command,
  link: Effect,
  output: JsonObject,
): Promise<void> {
  const payload = { effect_type: link.effectType, how: "done" };
  await tx.events.append([eventOf(command, "compensation_completed", payload)]);
  const definition = kit.catalog.compensation(link.effectType);
  if (definition?.emitted === undefined) return;
  const drift = driftOf(definition.produces ?? [], emittedBy(definition, output));
  if (drift === undefined) return;
  const kind = drift.unexpected.length > 0 ? "unexpected" : "missing";
  await reportDrift(tx, kit, command, link, kind, { ...drift });
}

function emittedBy(definition: CompensationDefinition, output: JsonObject): readonly string[] {
  try {
    return definition.emitted?.(output) ?? [];
  } catch {
    // The link is done; a recorder that fails must not undo that, and must not hide either.
    return ["unknown"];
  }
}

/** What was promised when the effect was planned against what the code promises now. */
async function compareManifest(
  tx: Tx,
  kit: Kit,
  command: Command,
  effect: UndoableEffect,
): Promise<void> {
  const definition = kit.catalog.compensation(effect.compensation.name);
  const now = definition === undefined ? undefined : manifestOf(definition);
  if (isSameManifest(effect.compensation, now)) return;
  await reportDrift(tx, kit, command, effect, "manifest_changed", {
    planned: manifestJson(effect.compensation),
    now: now === undefined ? null : manifestJson(now),
  });
}

/** CMP-11: drift is told and looked at, it does not fail the compensation. */
async function reportDrift(
  tx: Tx,
  kit: Kit,
  command: Command,
  effect: Effect,
  kind: "unexpected" | "missing" | "manifest_changed",
  drift: JsonObject,
): Promise<void> {
  const effectId = encodeId("effect", effect.effectId);
  const payload = { effect_id: effectId, effect_type: effect.effectType, kind, drift };
  await tx.events.append([eventOf(command, "compensation_drift", payload)]);
  const message = `undoing with ${effect.effectType} was not what was declared (${kind})`;
  await openIncident(tx, kit, command, effect, "compensation_drift", message, { kind, drift });
}

function linkOf(effect: UndoableEffect): NewLink {
  return {
    stepId: `compensate:${effect.stepId}`,
    effectType: effect.compensation.name,
    idempotencyKey: keyOf(effect),
    compensation: effect.compensation,
    compensates: effect.effectId,
  };
}

/** CMP-21: a key of its own, the same however often the chain is run. */
function keyOf(effect: Effect): string {
  return `compensate:${encodeId("effect", effect.effectId)}`;
}

export function resultOf(effect: Effect): JsonObject {
  return isJsonObject(effect.result) ? effect.result : {};
}
