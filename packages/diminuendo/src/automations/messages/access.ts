/**
 * Owns finding automations and blueprints, and who may change an automation: its owner, and who has automation:manage. It acts with its owner's rights, so that
 * whoever changes what it does becomes its owner (saving.ts).
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import { mayDo } from "../../auth/permissions.ts";
import type { StoredAutomation } from "../../db/stored-automations.ts";
import { WorkerManager } from "../../db/WorkerManager.ts";
import { CurrentTrace } from "../../observability/trace.ts";
import type { AutomationLogEntry } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { requirePermission } from "../../session/access.ts";

export const mayManage = (actor: Actor): boolean => mayDo(actor, "automation:manage");

export const findAutomation = Effect.fnUntraced(function* (
  { tenant: tenantId }: Actor,
  automationId: string,
) {
  const { read } = yield* WorkerManager;
  const found = yield* read({ kind: "get_automation", tenantId, automationId });
  return found ?? (yield* notFound(automationId));
});

export const findBlueprint = Effect.fnUntraced(function* (
  { tenant: tenantId }: Actor,
  blueprintId: string,
) {
  const { read } = yield* WorkerManager;
  const found = yield* read({ kind: "get_blueprint", tenantId, blueprintId });
  return found ?? (yield* noBlueprint(blueprintId));
});

/** The automation, if the person may change it. */
export const automationToChange = Effect.fnUntraced(function* (actor: Actor, automationId: string) {
  yield* requirePermission(actor, "automation:write");
  const automation = yield* findAutomation(actor, automationId);
  if (automation.ownerId !== actor.user && !mayManage(actor)) return yield* notTheirs;
  return automation;
});

export const logEntry = Effect.fnUntraced(function* (
  actor: Actor,
  automation: Pick<StoredAutomation, "automationId">,
  action: string,
  detail: unknown,
  nowMs: number,
) {
  const { traceId } = (yield* CurrentTrace) ?? newTrace();
  const { automationId } = automation;
  const entry: AutomationLogEntry = {
    at: nowMs,
    actor: actor.user,
    automationId,
    action,
    detail,
    traceId,
  };
  return entry;
});

export const stale = refuse(
  "AutomationConflict",
  "Somebody has changed it meanwhile; read it again and save with its new version.",
);
const noBlueprint = (blueprintId: string) =>
  refuse("BlueprintNotFound", `There is no blueprint ${blueprintId.slice(0, 60)} here.`);
const notFound = (automationId: string) =>
  refuse("AutomationNotFound", `There is no automation ${automationId.slice(0, 60)} here.`);
const notTheirs = refuse(
  "PermissionDenied",
  "Only its owner, or somebody with the permission automation:manage, may change it.",
);
