/**
 * Owns the key of a submission that brings none: derived from the task's template, and who answers for it now
 * (EX-9, EX-14). Refuses to own: keys that callers bring, which the unique index alone decides.
 */
import type { Command, Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { encodeId } from "../core/ids.ts";
import { digest, isJsonObject, type JsonObject } from "../core/json.ts";
import { renderTemplate } from "../core/template.ts";
import { isResting } from "../core/vocabulary.ts";
import type { Kit } from "./kit.ts";
import type { Tx } from "./store.ts";
import type { IdempotencyRule, Task } from "./tasks.ts";

export interface KeyClaim {
  readonly derivedKey: string;
  /** Free to be used by a new command. */
  readonly key: string;
  /** The command that already answers for the key. */
  readonly holder: Command | undefined;
}

/** Longer ones are shortened to a digest: the key is indexed. */
const KEY_CHARACTERS_MAX = 200;

export function requestHashOf(kit: Kit, task: Task, payload: JsonObject): string {
  return digest(kit.hash, { task: task.name, payload });
}

/** Undefined when the task derives no key. Throws `idempotency_conflict` when the holder was asked something else. */
export async function claimKey(
  tx: Tx,
  kit: Kit,
  task: Task,
  payload: JsonObject,
  principal: Principal,
): Promise<KeyClaim | undefined> {
  if (task.idempotency === undefined) return undefined;
  const derivedKey = deriveKey(kit, task.idempotency, payload, principal.user);
  const { tenant } = principal;
  const { latest, count } = await tx.commands.claimDerivedKey(tenant, task.commandType, derivedKey);
  const key = count === 0 ? derivedKey : `${derivedKey}#${count + 1}`;
  if (latest === undefined || !(await answers(tx, kit, task.idempotency, latest))) {
    return { derivedKey, key, holder: undefined };
  }
  if (latest.requestHash !== requestHashOf(kit, task, payload)) throw conflict(derivedKey, latest);
  return { derivedKey, key, holder: latest };
}

/** CMD-15: one key, one request. */
export function conflict(key: string | null, found: Command): Refusal {
  const id = encodeId("command", found.commandId);
  const message = `The key "${key}" already made ${id} from another payload; use a new key.`;
  return new Refusal("idempotency_conflict", message, { command_id: id });
}

function deriveKey(
  kit: Kit,
  rule: IdempotencyRule,
  payload: JsonObject,
  requester: string,
): string {
  const rendered = renderTemplate(rule.key, apart({ ...payload, requester }));
  if ("missing" in rendered) {
    throw new Refusal(
      "validation_error",
      `The request cannot be used: its key needs "${rendered.missing}".`,
    );
  }
  const { key } = rendered;
  return key.length <= KEY_CHARACTERS_MAX ? key : `${key.slice(0, 100)}~${kit.hash(key)}`;
}

/** Keeps "a:b" + "c" and "a" + "b:c" different. */
function apart(values: JsonObject): JsonObject {
  const mask = (text: string) => text.replace(/[%:#]/g, (one) => encodeURIComponent(one));
  const entries = Object.entries(values).map(
    ([name, value]) => [name, typeof value === "string" ? mask(value) : value] as const,
  );
  return Object.fromEntries(entries);
}

async function answers(
  tx: Tx,
  kit: Kit,
  rule: IdempotencyRule,
  command: Command,
): Promise<boolean> {
  if (!isResting(command.status)) return true;
  const ageMs = kit.nowMs() - Date.parse(command.createdAt);
  if (rule.holdsForSeconds !== undefined && ageMs > rule.holdsForSeconds * 1000) return false;
  if (command.status === "succeeded") return !(await isSpent(tx, rule, command));
  if (command.errorClass === "approval_rejected") return true;
  return (await tx.effects.standing([command.commandId])).length > 0;
}

async function isSpent(tx: Tx, rule: IdempotencyRule, command: Command): Promise<boolean> {
  if (rule.spentBy === undefined || !isJsonObject(command.result)) return false;
  const { commandType, key: template } = rule.spentBy;
  const rendered = renderTemplate(template, apart(command.result));
  if ("missing" in rendered) return false;
  const user = await tx.commands.findByKey(command.tenantId, commandType, rendered.key);
  return user !== undefined && isResting(user.status);
}
