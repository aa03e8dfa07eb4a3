/** Owns `control_automation`: no ticks, ticks again, or a run now. */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import type { StoredAutomation } from "../../db/stored-automations.ts";
import { WorkerManager } from "../../db/WorkerManager.ts";
import type { ClientMessageOf, ServerMessage } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { newId } from "../../session/ids.ts";
import { recallAnswer, rememberedAs } from "../../session/remembering.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Cause } from "../../transport/Reader.ts";
import { accountUntil } from "../accounting.ts";
import { runOnDemand } from "../core/ids.ts";
import { paused, resumed } from "../core/pausing.ts";
import { DAY_MS, freshRun, OPEN_RUNS_MAX, planOf } from "../core/runs-of-ticks.ts";
import { Scheduler } from "../Scheduler.ts";
import { runNotice } from "../views.ts";
import { automationToChange, logEntry } from "./access.ts";
import { save } from "./saving.ts";

type Control = ClientMessageOf<"control_automation">;

export const controlAutomation = Effect.fn("controlAutomation")(function* (
  cause: Cause,
  actor: Actor,
  message: Control,
) {
  const found = yield* automationToChange(actor, message.automationId);
  const first = yield* recallAnswer(actor, null, message);
  if (first !== null) return first;
  if (message.action === "run") return yield* runNow(cause, actor, message, found);
  const nowMs = yield* Clock.currentTimeMillis;
  const isPause = message.action === "pause";
  // Ticks up to now count; those of the pause never do.
  const before = isPause ? yield* accountUntil(actor.tenant, found, nowMs) : found;
  const automation = isPause ? paused(before, nowMs) : resumed(before, nowMs);
  const action = isPause ? "paused" : "resumed";
  const log = yield* logEntry(actor, automation, action, { was: found.paused }, nowMs);
  return yield* save(cause, actor, message, { automation, replaces: found.version, log });
});

const runNow = Effect.fnUntraced(function* (
  cause: Cause,
  actor: Actor,
  message: Control,
  automation: StoredAutomation,
) {
  const { tenant: tenantId } = actor;
  const { automationId } = automation;
  const { read, write } = yield* WorkerManager;
  const nowMs = yield* Clock.currentTimeMillis;
  const sinceMs = nowMs - DAY_MS;
  const history = yield* read({ kind: "run_history", tenantId, automationId, sinceMs });
  if (history.open >= OPEN_RUNS_MAX) return yield* full;
  const runId = runOnDemand(automationId, actor.user, message.idempotencyKey ?? newId("auto"));
  const plan = planOf(automation, nowMs, history.lastResult);
  const beginning = { runId, automationId, cause: "manual", dueAt: nowMs, plan } as const;
  const run = freshRun(beginning, nowMs);
  const answer: ServerMessage = runNotice(run);
  const log = yield* logEntry(actor, automation, "triggered", { runId }, nowMs);
  const remembered = rememberedAs(actor, message, answer);
  const command = { kind: "add_run", tenantId, run, log, remembered, nowMs } as const;
  yield* write({ ...command, doneItemId: null });
  (yield* Broadcaster).toTenantOf(cause, tenantId, answer);
  (yield* Scheduler).poke(tenantId);
  return answer;
});

const full = refuse("QueueFull", `${OPEN_RUNS_MAX} runs of it wait already; let some end.`);
