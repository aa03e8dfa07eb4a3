/**
 * Owns what people do about other commands (decide an approval, take a success back, close an incident) as
 * commands of their own, so that a refused attempt is on record too (APR-7, CAN-12, §71.4).
 */
import type { Command, Principal } from "../core/command.ts";
import { newContext } from "../core/context.ts";
import { Refusal } from "../core/errors.ts";
import { asId, encodeId } from "../core/ids.ts";
import { digest, type JsonObject } from "../core/json.ts";
import type { ErrorClass, IngressType } from "../core/vocabulary.ts";
import { eventOf } from "./audit.ts";
import type { Kit } from "./kit.ts";
import { moveCommand } from "./move.ts";
import type { Tx } from "./store.ts";

export interface Act {
  /** e.g. `resolve_approval`. */
  readonly commandType: string;
  readonly principal: Principal;
  readonly traceId: string;
  readonly payload: JsonObject;
  /** The command it is about, when it is about one. */
  readonly target: Command | undefined;
  /** The rule that allows or refuses it, as the record names it. */
  readonly policy: string;
  readonly ingress?: IngressType;
  readonly idempotencyKey?: string;
}

/** The act as a command, at `validated`: what was tried is on record before it is judged. */
export async function beginAct(tx: Tx, kit: Kit, act: Act): Promise<Command> {
  const commandId = asId("command", kit.newId());
  const { payload, principal, ingress = "user_request" } = act;
  const created = await tx.commands.insert({
    commandId,
    tenantId: principal.tenant,
    commandType: act.commandType,
    taskName: act.commandType,
    requestedBy: principal.user,
    ingress,
    payload,
    context: newContext(
      {
        actor: principal,
        metadata:
          act.target === undefined
            ? {}
            : { target_command_id: encodeId("command", act.target.commandId) },
      },
      kit.newId,
    ),
    requestHash: digest(kit.hash, payload),
    idempotencyKey: act.idempotencyKey ?? null,
    derivedKey: null,
    parentCommandId: null,
    rootCommandId: commandId,
    traceId: act.traceId,
    cancellationMode: "graceful",
  });
  if (created === undefined) {
    throw new Refusal("idempotency_conflict", `The key "${act.idempotencyKey}" was used before.`);
  }
  await tx.events.append([eventOf(created, "command_created", { ingress })]);
  return moveCommand(tx, created, "validated");
}

/** Closes the act as refused. Return the refusal instead of throwing it: its record has to commit. */
export async function refuseAct(
  tx: Tx,
  act: Act,
  begun: Command,
  refusal: Refusal,
  errorClass: ErrorClass = "policy_denied",
): Promise<Refusal> {
  await tx.events.append([verdict(act, begun, "deny", refusal.message)]);
  const message = `${refusal.code}: ${refusal.message}`;
  await moveCommand(tx, begun, "failed", { failure: { errorClass, message } });
  return refusal;
}

export async function allowAct(tx: Tx, act: Act, begun: Command, reason: string): Promise<void> {
  await tx.events.append([verdict(act, begun, "allow", reason)]);
}

export async function finishAct(tx: Tx, begun: Command, result: JsonObject): Promise<void> {
  const running = await moveCommand(tx, begun, "running");
  await moveCommand(tx, running, "succeeded", { result });
}

function verdict(act: Act, begun: Command, decision: "allow" | "deny", reason: string) {
  const payload = { policy: act.policy, version: "1", decision, reasons: [reason] };
  return eventOf(begun, "policy_evaluated", payload);
}
