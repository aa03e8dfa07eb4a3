/**
 * Owns `create_automation`, `update_automation` and `delete_automation`. Ticks up to the moment of a change are
 * accounted for under the old definition, those after it under the new one.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import type { StoredAutomation } from "../../db/stored-automations.ts";
import { WorkerManager } from "../../db/WorkerManager.ts";
import {
  AUTOMATION_LIMITS,
  type AutomationLogEntry,
  type ClientMessageOf,
  type ServerMessage,
} from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { requirePermission } from "../../session/access.ts";
import { newId } from "../../session/ids.ts";
import { recallAnswer, rememberedAs } from "../../session/remembering.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Cause } from "../../transport/Reader.ts";
import { accountUntil } from "../accounting.ts";
import { nextDue } from "../core/due.ts";
import { Scheduler } from "../Scheduler.ts";
import { automationNotice } from "../views.ts";
import { automationToChange, logEntry, stale } from "./access.ts";
import { definitionOf, wholeDefinition } from "./definition.ts";
import { mayTellOutside } from "./outside.ts";

type Saving = ClientMessageOf<"create_automation" | "update_automation" | "control_automation">;

export const createAutomation = Effect.fn("createAutomation")(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"create_automation">,
) {
  yield* requirePermission(actor, "automation:write");
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const { definition, blueprint } = yield* wholeDefinition(actor, message);
  const { blueprintId, version } = blueprint ?? {};
  yield* mayTellOutside(actor, definition, blueprint === null ? [] : [blueprint.template]);
  const nowMs = yield* Clock.currentTimeMillis;
  const automation: StoredAutomation = {
    automationId: newId("auto"),
    version: 1,
    definition,
    owner: actor,
    ownerId: actor.user,
    paused: null,
    createdAt: nowMs,
    updatedAt: nowMs,
    anchorAt: nowMs,
    cursorAt: nowMs,
    nextDueAt: nextDue(definition.schedule, nowMs, nowMs),
    failuresInARow: 0,
  };
  const origin = blueprintId === undefined ? {} : { madeFrom: { blueprintId, version } };
  const log = yield* logEntry(actor, automation, "created", { ...definition, ...origin }, nowMs);
  return yield* save(cause, actor, message, { automation, replaces: null, log });
});

export const updateAutomation = Effect.fn("updateAutomation")(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"update_automation">,
) {
  const found = yield* automationToChange(actor, message.automationId);
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const definition = yield* definitionOf(actor, message.definition);
  yield* mayTellOutside(actor, definition, [found.definition]);
  const nowMs = yield* Clock.currentTimeMillis;
  const { version } = message;
  if (found.version !== version) return yield* stale;
  const before = yield* accountUntil(actor.tenant, found, nowMs);
  const { schedule } = definition;
  const isSame = JSON.stringify(schedule) === JSON.stringify(before.definition.schedule);
  const anchorAt = isSame ? before.anchorAt : nowMs;
  const cursorAt = Math.max(before.cursorAt, nowMs);
  const automation: StoredAutomation = {
    ...before,
    version: version + 1,
    definition,
    owner: actor,
    ownerId: actor.user,
    updatedAt: nowMs,
    anchorAt,
    cursorAt,
    nextDueAt: before.paused === null ? nextDue(schedule, anchorAt, cursorAt) : null,
    failuresInARow: 0,
  };
  const log = yield* logEntry(actor, automation, "updated", definition, nowMs);
  return yield* save(cause, actor, message, { automation, replaces: version, log });
});

interface Save {
  readonly automation: StoredAutomation;
  readonly replaces: number | null;
  readonly log: AutomationLogEntry;
}

/** Keeps the automation and the record of its change, and tells of it. */
export const save = Effect.fnUntraced(function* (
  cause: Cause,
  actor: Actor,
  message: Saving,
  { automation, replaces, log }: Save,
) {
  const { tenant: tenantId } = actor;
  const answer: ServerMessage = automationNotice(automation);
  const remembered = rememberedAs(actor, message, answer);
  const { write } = yield* WorkerManager;
  const change = { automation, replaces, log, remembered, nowMs: log.at } as const;
  const countMax = AUTOMATION_LIMITS.perTenant;
  const saved = yield* write({ kind: "save_automation", tenantId, ...change, countMax });
  if (saved === "stale") return yield* stale;
  if (saved === "too_many") return yield* tooMany;
  (yield* Broadcaster).toTenantOf(cause, tenantId, answer);
  (yield* Scheduler).poke(tenantId);
  return answer;
});

export const deleteAutomation = Effect.fn("deleteAutomation")(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"delete_automation">,
) {
  yield* requirePermission(actor, "automation:write");
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const { tenant: tenantId } = actor;
  const automation = yield* automationToChange(actor, message.automationId);
  const { automationId, definition } = automation;
  const nowMs = yield* Clock.currentTimeMillis;
  const log = yield* logEntry(actor, automation, "deleted", definition, nowMs);
  const answer = { type: "automation_deleted" as const, automationId };
  const remembered = rememberedAs(actor, message, answer);
  const { write } = yield* WorkerManager;
  const command = { kind: "delete_automation", tenantId, automationId, nowMs } as const;
  yield* write({ ...command, log, remembered });
  (yield* Broadcaster).toTenantOf(cause, tenantId, answer);
  return answer;
});

const tooMany = refuse(
  "TooManyAutomations",
  `The tenant has ${AUTOMATION_LIMITS.perTenant} automations, as many as it may; delete one first.`,
);
