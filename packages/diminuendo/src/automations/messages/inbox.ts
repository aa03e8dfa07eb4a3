/** Owns `list_inbox` and `triage_inbox`: what runs have left for a person, and what the person does about it. */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import type { ClientMessageOf, InboxItem, ServerMessage } from "../../protocol/index.ts";
import { type Refusal, refuse } from "../../security/Refusal.ts";
import { requirePermission } from "../../session/access.ts";
import { newId } from "../../session/ids.ts";
import { recallAnswer, rememberedAs } from "../../session/remembering.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Cause } from "../../transport/Reader.ts";
import { runOnDemand } from "../core/ids.ts";
import { freshRun } from "../core/runs-of-ticks.ts";
import { Scheduler } from "../Scheduler.ts";
import { inboxNotice, runNotice } from "../views.ts";
import { automationToChange, logEntry, mayManage } from "./access.ts";
import { pageOf, told } from "./pages.ts";

type Triage = ClientMessageOf<"triage_inbox">;

const SNOOZE_MAX_MS = 366 * 24 * 60 * 60 * 1_000;

export const listInbox = Effect.fn("listInbox")(function* (
  actor: Actor,
  message: ClientMessageOf<"list_inbox">,
) {
  const { of = "me", view = "open", automationId = null } = message;
  yield* requirePermission(actor, of === "me" ? "automation:read" : "automation:manage");
  const { place: beforePlace, limit } = yield* pageOf(message);
  const nowMs = yield* Clock.currentTimeMillis;
  const { read } = yield* WorkerManager;
  const userId = of === "me" ? actor.user : null;
  const filter = { tenantId: actor.tenant, userId, view, automationId, nowMs } as const;
  const found = yield* read({ kind: "list_inbox", ...filter, beforePlace, limit: limit + 1 });
  const { values, more } = told(found.items, limit);
  return { type: "inbox" as const, items: values, unread: found.unread, ...more };
});

export const triageInbox = Effect.fn("triageInbox")(function* (
  cause: Cause,
  actor: Actor,
  message: Triage,
) {
  yield* requirePermission(actor, "automation:read");
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const { tenant: tenantId } = actor;
  const { read, write } = yield* WorkerManager;
  const item = yield* read({ kind: "get_item", tenantId, itemId: message.itemId });
  if (item === null || (item.userId !== actor.user && !mayManage(actor))) return yield* unknown;
  if (message.action === "retry") return yield* runAgain(cause, actor, message, item);
  const nowMs = yield* Clock.currentTimeMillis;
  const patch = yield* patchOf(message, nowMs);
  const answer: ServerMessage = {
    type: "inbox_item",
    item: { ...item, ...patch, updatedAt: nowMs },
  };
  const remembered = rememberedAs(actor, message, answer);
  const { itemId } = item;
  const changed = yield* write({ kind: "triage_item", tenantId, itemId, patch, remembered, nowMs });
  if (changed === null) return yield* unknown;
  (yield* Broadcaster).toTenantOf(cause, tenantId, inboxNotice(changed));
  return answer;
});

type Patch = Partial<Pick<InboxItem, "state" | "snoozedUntil">>;

function patchOf({ action, until }: Triage, nowMs: number): Effect.Effect<Patch, Refusal> {
  switch (action) {
    case "read":
    case "unread":
      return Effect.succeed({ state: action });
    case "done":
      return Effect.succeed({ state: "done", snoozedUntil: null });
    case "reopen":
      return Effect.succeed({ state: "read", snoozedUntil: null });
    case "snooze":
      if (until === undefined || until <= nowMs || until > nowMs + SNOOZE_MAX_MS) {
        return Effect.fail(badUntil);
      }
      return Effect.succeed({ snoozedUntil: Math.round(until) });
    default:
      return Effect.fail(unknown);
  }
}

/** What failed is asked for once more, in the same words; the item is done with. */
const runAgain = Effect.fnUntraced(function* (
  cause: Cause,
  actor: Actor,
  message: Triage,
  item: InboxItem,
) {
  const { tenant: tenantId } = actor;
  const { itemId, automationId } = item;
  const automation = yield* automationToChange(actor, automationId);
  const { read, write } = yield* WorkerManager;
  const before = yield* read({ kind: "get_run", tenantId, runId: item.runId ?? "" });
  if (before === null || before.endedAt === null) return yield* nothingToRetry;
  const nowMs = yield* Clock.currentTimeMillis;
  const runId = runOnDemand(automationId, actor.user, message.idempotencyKey ?? newId("auto"));
  const beginning = { runId, automationId, cause: "again", dueAt: nowMs } as const;
  const run = freshRun({ ...beginning, plan: before.plan }, nowMs);
  const answer: ServerMessage = runNotice(run);
  const detail = { runId, again: before.runId };
  const log = yield* logEntry(actor, automation, "triggered", detail, nowMs);
  const remembered = rememberedAs(actor, message, answer);
  const command = { kind: "add_run", tenantId, run, log, remembered, nowMs } as const;
  yield* write({ ...command, doneItemId: itemId });
  const broadcaster = yield* Broadcaster;
  broadcaster.toTenantOf(cause, tenantId, answer);
  broadcaster.toTenant(tenantId, inboxNotice(item));
  (yield* Scheduler).poke(tenantId);
  return answer;
});

const unknown = refuse("InboxItemNotFound", "There is no such item in your inbox.");
const badUntil = refuse(
  "INVALID_MESSAGE",
  "snooze needs until: a time to come, in epoch milliseconds, at most a year ahead.",
);
const nothingToRetry = refuse(
  "AutomationConflict",
  "The item has no run that has ended and is still on record: there is nothing to retry.",
);
