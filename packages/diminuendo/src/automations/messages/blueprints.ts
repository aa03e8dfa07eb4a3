/**
 * Owns the messages about blueprints. Everybody reads them; who may make automations makes them; only who made one, or
 * has automation:manage, changes or deletes it.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import {
  AUTOMATION_LIMITS,
  type AutomationLogEntry,
  type Blueprint,
  type ClientMessageOf,
} from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { requirePermission } from "../../session/access.ts";
import { newId } from "../../session/ids.ts";
import { recallAnswer, rememberedAs } from "../../session/remembering.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Cause } from "../../transport/Reader.ts";
import { checkBlueprint } from "../core/blueprints.ts";
import { findBlueprint, logEntry, mayManage, stale } from "./access.ts";
import { invalid } from "./definition.ts";
import { mayTellOutside, webhookProblems } from "./outside.ts";
import { pageOf, told } from "./pages.ts";

export const listBlueprints = Effect.fn("listBlueprints")(function* (
  actor: Actor,
  message: ClientMessageOf<"list_blueprints">,
) {
  yield* requirePermission(actor, "automation:read");
  const { place, limit } = yield* pageOf(message);
  const { read } = yield* WorkerManager;
  const page = { afterPlace: place ?? 0, limit: limit + 1 };
  const found = yield* read({ kind: "list_blueprints", tenantId: actor.tenant, ...page });
  const { values, more } = told(found, limit);
  return { type: "blueprint_list" as const, blueprints: values, ...more };
});

export const getBlueprint = Effect.fn("getBlueprint")(function* (
  actor: Actor,
  { blueprintId }: ClientMessageOf<"get_blueprint">,
) {
  yield* requirePermission(actor, "automation:read");
  return noticeOf(yield* findBlueprint(actor, blueprintId));
});

export const createBlueprint = Effect.fn("createBlueprint")(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"create_blueprint">,
) {
  yield* requirePermission(actor, "automation:write");
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const nowMs = yield* Clock.currentTimeMillis;
  const said = yield* saidOf(actor, message.blueprint, null, nowMs);
  const made = { createdBy: actor.user, createdAt: nowMs, updatedAt: nowMs };
  const blueprint = { blueprintId: newId("blue"), version: 1, ...said, ...made };
  return yield* save(cause, actor, message, { blueprint, replaces: null, nowMs });
});

export const updateBlueprint = Effect.fn("updateBlueprint")(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"update_blueprint">,
) {
  const found = yield* blueprintToChange(actor, message.blueprintId);
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  if (found.version !== message.version) return yield* stale;
  const nowMs = yield* Clock.currentTimeMillis;
  const said = yield* saidOf(actor, message.blueprint, found, nowMs);
  const blueprint = { ...found, ...said, version: found.version + 1, updatedAt: nowMs };
  return yield* save(cause, actor, message, { blueprint, replaces: found.version, nowMs });
});

export const deleteBlueprint = Effect.fn("deleteBlueprint")(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"delete_blueprint">,
) {
  yield* requirePermission(actor, "automation:write");
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const { tenant: tenantId } = actor;
  const blueprint = yield* blueprintToChange(actor, message.blueprintId);
  const { blueprintId } = blueprint;
  const nowMs = yield* Clock.currentTimeMillis;
  const log = yield* logOf(actor, blueprint, "blueprint_deleted", nowMs);
  const answer = { type: "blueprint_deleted" as const, blueprintId };
  const remembered = rememberedAs(actor, message, answer);
  const { write } = yield* WorkerManager;
  yield* write({ kind: "delete_blueprint", tenantId, blueprintId, log, remembered, nowMs });
  (yield* Broadcaster).toTenantOf(cause, tenantId, answer);
  return answer;
});

const blueprintToChange = Effect.fnUntraced(function* (actor: Actor, blueprintId: string) {
  yield* requirePermission(actor, "automation:write");
  const blueprint = yield* findBlueprint(actor, blueprintId);
  if (blueprint.createdBy !== actor.user && !mayManage(actor)) return yield* notTheirs;
  return blueprint;
});

/** What is said, or a refusal that tells every problem. */
const saidOf = Effect.fnUntraced(function* (
  actor: Actor,
  given: unknown,
  before: Blueprint | null,
  nowMs: number,
) {
  const checked = checkBlueprint(given, nowMs);
  if (!checked.ok) return yield* invalid(checked.problems);
  const { said } = checked;
  yield* mayTellOutside(actor, said.template, before === null ? [] : [before.template]);
  const problems = yield* webhookProblems(actor, said.template, "template.");
  return problems.length === 0 ? said : yield* invalid(problems);
});

interface Save {
  readonly blueprint: Blueprint;
  readonly replaces: number | null;
  readonly nowMs: number;
}

const save = Effect.fnUntraced(function* (
  cause: Cause,
  actor: Actor,
  message: ClientMessageOf<"create_blueprint" | "update_blueprint">,
  { blueprint, replaces, nowMs }: Save,
) {
  const { tenant: tenantId } = actor;
  const action = replaces === null ? "blueprint_created" : "blueprint_updated";
  const log = yield* logOf(actor, blueprint, action, nowMs);
  const answer = noticeOf(blueprint);
  const remembered = rememberedAs(actor, message, answer);
  const { write } = yield* WorkerManager;
  const change = { blueprint, replaces, log, remembered, nowMs } as const;
  const countMax = AUTOMATION_LIMITS.blueprints;
  const saved = yield* write({ kind: "save_blueprint", tenantId, ...change, countMax });
  if (saved === "stale") return yield* stale;
  if (saved === "too_many") return yield* tooMany;
  if (saved === "name_taken") return yield* invalid([nameTaken(blueprint.name)]);
  (yield* Broadcaster).toTenantOf(cause, tenantId, answer);
  return answer;
});

const noticeOf = (blueprint: Blueprint) => ({ type: "blueprint" as const, blueprint });

/** In the log of automations, under the blueprint's own id. */
const logOf = (
  actor: Actor,
  { blueprintId, ...detail }: Blueprint,
  action: string,
  nowMs: number,
): Effect.Effect<AutomationLogEntry> =>
  logEntry(actor, { automationId: blueprintId }, action, detail, nowMs);

const nameTaken = (name: string) => ({
  path: "name",
  problem: `is another blueprint's already: "${name}"`,
});
const notTheirs = refuse(
  "PermissionDenied",
  "Only who made it, or somebody with the permission automation:manage, may change it.",
);
const tooMany = refuse(
  "TooManyAutomations",
  `The tenant has ${AUTOMATION_LIMITS.blueprints} blueprints, as many as it may; delete one first.`,
);
