/**
 * Owns one attempt at a connector call (spec §33, §87): its intent, the call, its outcome. Whoever drives it commits
 * the first before the second begins (runtime/proceed.ts). Invariant G4: before anything is repeated, the row and then the
 * vendor are asked whether it already happened.
 */
import type { Command, Effect } from "../core/command.ts";
import { type Failure, isOutcomeUnknown } from "../core/errors.ts";
import { digest, type JsonObject } from "../core/json.ts";
import { recordedInput, withoutWriteOnly } from "../core/redaction.ts";
import { canMoveEffect } from "../core/transitions.ts";
import { compileSchema, issuesText } from "../core/validation.ts";
import type { ErrorClass } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import { type CallSource, callSourceOf } from "./call-source.ts";
import { concludeLink } from "./compensation.ts";
import { type Called, callVendor, failed } from "./connector-call.ts";
import type { ConnectorResult, Operation, RateGate, SecretResolver } from "./connectors.ts";
import { guarded } from "./contract-code.ts";
import type { Attempt } from "./directive.ts";
import { inboxOf } from "./inbox.ts";
import type { Kit } from "./kit.ts";
import type { Store, Tx } from "./store.ts";

export interface Call {
  readonly command: Command;
  readonly source: CallSource;
  readonly input: JsonObject;
  readonly key: string | null;
  /** As it was begun; undefined for a call that changes nothing outside. */
  readonly effect: Effect | undefined;
  readonly invocationId: string;
  /** Why the vendor is not called at all. */
  readonly precluded: Failure | undefined;
  /** Something may have happened before under this key. */
  readonly repeated: boolean;
  /** Somebody asked to stop, or no attempt is left: find out what happened, but start nothing (CAN-9, CON-18). */
  readonly probing: boolean;
}

/** What calling the outside needs. */
export interface Vendors {
  readonly secrets: SecretResolver;
  readonly gate: RateGate;
}

/** Calls, outside any transaction. Throws when our own storage fails, never for what the vendor does. */
export async function reach(
  store: Store,
  kit: Kit,
  secrets: SecretResolver,
  call: Call,
  /** Of the span around it, when there is one, so that the vendor's stand under it. */
  spanId?: string,
): Promise<Called> {
  const { precluded, command, source, input, key, repeated, probing } = call;
  if (precluded !== undefined) {
    return { result: failed(precluded), reconciled: false, secretRef: undefined };
  }
  const span = spanId ?? kit.newId().replaceAll("-", "").slice(16);
  const { inbox, assertStored } = inboxOf(store, kit, command);
  const called = await callVendor(secrets, {
    operation: source.operation,
    auth: kit.catalog.connector(source.connector).auth,
    input,
    key,
    traceparent: `00-${command.traceId}-${span}-01`,
    inbox,
    repeated,
    insteadOfCalling: probing ? unrepeated(call) : undefined,
  });
  assertStored();
  return called;
}

/** The vendor was asked what became of earlier attempts, or cannot be asked; nothing was started. */
function unrepeated({ source, command }: Call): Failure {
  const isStopped = command.status !== source.during;
  const why = isStopped ? "stopped before it was repeated" : "every attempt failed";
  if (source.operation.lookup === undefined) {
    return { errorClass: "timeout", message: `${why}; whether it happened is not known` };
  }
  const errorClass = isStopped ? "cancelled" : "permanent_connector_error";
  return { errorClass, message: `${why}; it did not happen` };
}

/** Writes the intent, or settles the step without a call; then there is nothing to call. */
export async function begin(
  tx: Tx,
  kit: Kit,
  gate: RateGate,
  { command, stepId, history, ...known }: Attempt,
): Promise<Call | { readonly waitMs: number } | undefined> {
  const { attempts, last } = history;
  // An invocation without an outcome was cut off: it is the same attempt that goes on.
  const attempt = last === undefined || last.status === "failed" ? attempts + 1 : attempts;
  const effect =
    "effect" in known ? known.effect : await tx.effects.lockByStep(command.commandId, stepId);
  const source = await callSourceOf(tx, kit, command, effect, stepId);
  if (source === undefined) return undefined;
  const mayBegin = command.status === source.during || mayHaveHappened(effect, last?.errorClass);
  if (!mayBegin) return undefined;
  const claimed = effect === undefined ? undefined : await claimEffect(tx, command, effect);
  if (claimed === "happened") return undefined;
  const waitMs = await gate.take(kit.catalog.connector(source.connector));
  if (waitMs > 0) return { waitMs };
  const cutOff = last?.status === "started" ? last.invocationId : undefined;
  const isUndoing = claimed === "being_undone";
  return prepare(tx, kit, {
    command,
    source,
    effect: typeof claimed === "string" ? effect : claimed,
    attempt,
    cutOff,
    ...(isUndoing ? { precluded: BEING_UNDONE } : {}),
  });
}

/** EFF-6: the same thing is just being taken back for another command; wait for the end of that. */
const BEING_UNDONE: Failure = {
  errorClass: "rate_limited",
  message: "what another command did under the same key is being undone; tried again later",
};

/** A call that was cut off, or whose answer was lost: the vendor may know more than the row. */
function mayHaveHappened(effect: Effect | undefined, lastClass: ErrorClass | null | undefined) {
  if (effect?.status === "executing") return true;
  return effect?.status === "failed" && lastClass != null && isOutcomeUnknown(lastClass);
}

interface Preparation {
  readonly command: Command;
  readonly source: CallSource;
  readonly effect: Effect | undefined;
  readonly attempt: number;
  /** The invocation that a crash left without an outcome; it is continued, not doubled. */
  readonly cutOff: string | undefined;
  readonly precluded?: Failure;
}

async function prepare(tx: Tx, kit: Kit, prepared: Preparation): Promise<Call> {
  const { command, source, effect, attempt, cutOff } = prepared;
  const { operation, stepId } = source;
  const made = guarded(source.input, "the input of the call");
  const input = "value" in made ? made.value : {};
  const isBeyond = isProbe(operation, effect, attempt);
  const call: Call = {
    command,
    source,
    input,
    key: effect?.idempotencyKey ?? null,
    effect,
    invocationId: cutOff ?? kit.newId(),
    precluded: prepared.precluded ?? ("failure" in made ? made.failure : unfit(operation, input)),
    repeated: (effect?.attempts ?? 0) > 0,
    probing: command.status !== source.during || isBeyond,
  };
  if (effect !== undefined) {
    // A crash leaves `executing` behind; anything else moves there through the table.
    const isLegal = effect.status === "executing" || canMoveEffect(effect.status, "executing");
    if (!isLegal) throw new Error(`the effect ${effect.effectId} is ${effect.status}`);
    const kept = withoutWriteOnly(operation.inputSchema, input);
    await tx.effects.begin(effect.effectId, command.workflowId, kept, isBeyond);
    const started = { effect_type: effect.effectType, attempt };
    await tx.events.append([eventOf(command, "task_started", started)]);
  }
  if (cutOff === undefined) {
    await tx.invocations.start({
      invocationId: call.invocationId,
      commandId: command.commandId,
      effectId: effect?.effectId ?? null,
      stepId,
      attempt,
      connector: source.connector,
      operation: source.operationName,
      sideEffect: operation.sideEffect,
      idempotencyKey: call.key,
      inputHash: digest(kit.hash, input),
      requestPayload: recordedInput(operation.inputSchema, input),
      traceId: command.traceId,
    });
  }
  return call;
}

function unfit(operation: Operation, input: JsonObject): Failure | undefined {
  if (operation.inputSchema === undefined) return undefined;
  const issues = compileSchema(operation.inputSchema)(input);
  if (issues.length === 0) return undefined;
  return {
    errorClass: "validation_error",
    message: `the input does not fit: ${issuesText(issues)}`,
  };
}

/** An attempt beyond the retry policy only asks what became of the others. */
function isProbe(operation: Operation, effect: Effect | undefined, attempt: number) {
  return attempt - (effect?.attemptsForgiven ?? 0) > operation.retry.attemptsMax;
}

const GENERATIONS_MAX = 1_000;

/**
 * EFF-6, EFF-7: the row knows, or another command already did the same thing under the same key. A key whose
 * effect was undone is spent: the vendor would answer with what is gone, so the next generation is taken.
 */
async function claimEffect(
  tx: Tx,
  command: Command,
  planned: Effect,
): Promise<Effect | "happened" | "being_undone"> {
  if (planned.status === "succeeded") {
    await tx.commands.setStepResult(command.commandId, planned.stepId, planned.result);
    return "happened";
  }
  const base = planned.idempotencyKey;
  if (base === null) return planned;
  let effect = planned;
  for (let generation = 1; generation <= GENERATIONS_MAX; generation += 1) {
    const twin = await tx.effects.succeededTwin(effect, command.tenantId);
    if (twin === undefined) return effect;
    if (twin.undoing === "under_way") return "being_undone";
    if (twin.undoing === "none") {
      await reuse(tx, command, effect, twin.effect);
      return "happened";
    }
    effect = await tx.effects.rekey(effect, `${base}#${generation + 1}`);
  }
  throw new Error(`the key ${base} was undone ${GENERATIONS_MAX} times`);
}

async function reuse(tx: Tx, command: Command, effect: Effect, twin: Effect): Promise<void> {
  await tx.effects.satisfy(effect.effectId, twin.effectId);
  await tx.commands.setStepResult(command.commandId, effect.stepId, twin.result);
  const payload = { effect_type: effect.effectType, idempotency_key: effect.idempotencyKey };
  await tx.events.append([eventOf(command, "effect_reused", payload)]);
}

/** Writes what came of the call; the command, locked and as it now is. */
export async function conclude(
  tx: Tx,
  kit: Kit,
  call: Call,
  called: Called,
  latencyMs: number,
): Promise<Command | undefined> {
  const { source } = call;
  const { result, reconciled, secretRef } = called;
  // One behind the other, in one round trip: the row of the command is held before that of the effect.
  const locking = tx.commands.lock(call.command.commandId);
  const happening = happened(tx, call, result);
  const command = await locking;
  if (command === undefined) return undefined;
  await tx.invocations.finish(call.invocationId, {
    ok: result.ok,
    outputSummary: result.ok ? `fields: ${Object.keys(result.output).join(", ")}` : null,
    ...(result.ok ? {} : { failure: result }),
    latencyMs,
  });
  await tx.events.append([
    eventOf(
      command,
      "connector_called",
      {
        connector: source.connector,
        operation: source.operationName,
        ok: result.ok,
        reconciled,
        latency_ms: latencyMs,
        ...costOf(call, reconciled),
        ...(secretRef === undefined ? {} : { secret_ref: secretRef }),
        ...(result.ok ? {} : { error_class: result.errorClass, error: result.message }),
      },
      { latencyMs },
    ),
  ]);
  await concludeEffect(tx, kit, command, call, result, await happening);
  if (!result.ok) return command;
  return tx.commands.setStepResult(command.commandId, source.stepId, result.output);
}

/** False when the effect is not being executed any more, or another command's has succeeded under its key. */
function happened(tx: Tx, { command, effect }: Call, result: ConnectorResult): Promise<boolean> {
  if (effect === undefined || !result.ok) return Promise.resolve(false);
  const happening = tx.effects.succeed(effect, command.tenantId, result.output);
  // Whoever waits for what was sent before it fails first, and with the cause.
  happening.catch(() => undefined);
  return happening;
}

/** OPS-6: a call that was made costs what its operation says, whatever came of it. */
function costOf({ source, precluded, probing }: Call, reconciled: boolean): JsonObject {
  const { costUnits = 0 } = source.operation;
  const isMade = precluded === undefined && !probing && !reconciled;
  return isMade && costUnits > 0 ? { cost_units: costUnits } : {};
}

async function concludeEffect(
  tx: Tx,
  kit: Kit,
  command: Command,
  { effect }: Call,
  result: ConnectorResult,
  isDone: boolean,
): Promise<void> {
  if (effect === undefined) return;
  const { effectId, effectType, idempotencyKey, compensatesEffectId } = effect;
  const payload = { effect_type: effectType, idempotency_key: idempotencyKey };
  if (!result.ok) {
    const { errorClass, message } = result;
    if (!(await tx.effects.fail(effectId, { errorClass, message }))) return;
    const failed = { ...payload, error_class: errorClass, error: message };
    await tx.events.append([eventOf(command, "task_failed", failed)]);
    return;
  }
  if (!isDone) {
    const twin = await tx.effects.succeededTwin(effect, command.tenantId);
    if (twin !== undefined) await reuse(tx, command, effect, twin.effect);
    return;
  }
  await tx.events.append([eventOf(command, "task_succeeded", payload)]);
  if (compensatesEffectId !== null) await concludeLink(tx, kit, command, effect, result.output);
}
