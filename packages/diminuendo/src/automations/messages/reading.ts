/** Owns reading automations, their runs and the record of their changes, and looking ahead. */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import type { ClientMessageOf } from "../../protocol/index.ts";
import { requirePermission } from "../../session/access.ts";
import { nextDue } from "../core/due.ts";
import { automationNotice, automationView, runView } from "../views.ts";
import { findAutomation } from "./access.ts";
import { wholeDefinition } from "./definition.ts";
import { pageOf, told } from "./pages.ts";

const LOOK_AHEAD = 5;

export const listAutomations = Effect.fn("listAutomations")(function* (
  actor: Actor,
  message: ClientMessageOf<"list_automations">,
) {
  yield* requirePermission(actor, "automation:read");
  const { place, limit } = yield* pageOf(message);
  const { read } = yield* WorkerManager;
  const page = { afterPlace: place ?? 0, limit: limit + 1 };
  const found = yield* read({ kind: "list_automations", tenantId: actor.tenant, ...page });
  const { values, more } = told(found, limit);
  return {
    type: "automation_list" as const,
    automations: values.map(automationView),
    ...more,
  };
});

export const getAutomation = Effect.fn("getAutomation")(function* (
  actor: Actor,
  { automationId }: ClientMessageOf<"get_automation">,
) {
  yield* requirePermission(actor, "automation:read");
  return automationNotice(yield* findAutomation(actor, automationId));
});

export const previewAutomation = Effect.fn("previewAutomation")(function* (
  actor: Actor,
  message: ClientMessageOf<"preview_automation">,
) {
  yield* requirePermission(actor, "automation:write");
  const { definition } = yield* wholeDefinition(actor, message);
  const { schedule } = definition;
  const nowMs = yield* Clock.currentTimeMillis;
  const dueAt: number[] = [];
  for (let next = nextDue(schedule, nowMs, nowMs); next !== null; ) {
    if (dueAt.push(next) === LOOK_AHEAD) break;
    next = nextDue(schedule, nowMs, next);
  }
  return { type: "automation_preview" as const, dueAt };
});

export const listAutomationRuns = Effect.fn("listAutomationRuns")(function* (
  actor: Actor,
  message: ClientMessageOf<"list_automation_runs">,
) {
  yield* requirePermission(actor, "automation:read");
  const { automationId = null, status = null } = message;
  if (automationId !== null) yield* findAutomation(actor, automationId);
  const { place: beforePlace, limit } = yield* pageOf(message);
  const { read } = yield* WorkerManager;
  const filter = { tenantId: actor.tenant, automationId, status } as const;
  const found = yield* read({ kind: "list_runs", ...filter, beforePlace, limit: limit + 1 });
  const { values, more } = told(found, limit);
  return { type: "automation_runs" as const, runs: values.map(runView), ...more };
});

/** Also of an automation that is no more. */
export const getAutomationLog = Effect.fn("getAutomationLog")(function* (
  actor: Actor,
  message: ClientMessageOf<"get_automation_log">,
) {
  yield* requirePermission(actor, "automation:read");
  const { automationId = null } = message;
  const { place: beforePlace, limit } = yield* pageOf(message);
  const { read } = yield* WorkerManager;
  const page = { beforePlace, limit: limit + 1 };
  const filter = { tenantId: actor.tenant, automationId };
  const found = yield* read({ kind: "automation_log", ...filter, ...page });
  const { values, more } = told(found, limit);
  return { type: "automation_log" as const, entries: values, ...more };
});
