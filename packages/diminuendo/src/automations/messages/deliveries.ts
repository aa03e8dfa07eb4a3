/** Owns the messages about what is told outside: looking at it, and sending it again. */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { WorkerManager } from "../../db/WorkerManager.ts";
import type { ClientMessageOf } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { requirePermission } from "../../session/access.ts";
import { recallAnswer, rememberedAs } from "../../session/remembering.ts";
import { Scheduler } from "../Scheduler.ts";
import { deliveryNotice, deliveryView } from "../views.ts";
import { automationToChange } from "./access.ts";
import { pageOf, told } from "./pages.ts";

export const listAutomationDeliveries = Effect.fn("listAutomationDeliveries")(function* (
  actor: Actor,
  message: ClientMessageOf<"list_automation_deliveries">,
) {
  yield* requirePermission(actor, "automation:read");
  const { automationId = null, runId = null, status = null } = message;
  const { place: beforePlace, limit } = yield* pageOf(message);
  const { read } = yield* WorkerManager;
  const filter = { tenantId: actor.tenant, automationId, runId, status } as const;
  const found = yield* read({ kind: "list_deliveries", ...filter, beforePlace, limit: limit + 1 });
  const { values, more } = told(found, limit);
  return { type: "automation_deliveries" as const, deliveries: values.map(deliveryView), ...more };
});

export const redeliverAutomation = Effect.fn("redeliverAutomation")(function* (
  actor: Actor,
  message: ClientMessageOf<"redeliver_automation">,
) {
  yield* requirePermission(actor, "automation:write");
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  const { tenant: tenantId } = actor;
  const { deliveryId } = message;
  const { read, write } = yield* WorkerManager;
  const found = yield* read({ kind: "get_delivery", tenantId, deliveryId });
  if (found === null) return yield* notFound(deliveryId);
  yield* automationToChange(actor, found.automationId);
  const nowMs = yield* Clock.currentTimeMillis;
  const anew = { ...found, status: "pending", attempts: 0, nextAttemptAt: nowMs, endedAt: null };
  const answer = deliveryNotice({ ...anew, status: "pending" });
  const remembered = rememberedAs(actor, message, answer);
  yield* write({ kind: "redeliver", tenantId, deliveryId, remembered, nowMs });
  (yield* Scheduler).poke(tenantId);
  return answer;
});

const notFound = (deliveryId: string) =>
  refuse("DeliveryNotFound", `There is no delivery ${deliveryId.slice(0, 60)} here.`);
