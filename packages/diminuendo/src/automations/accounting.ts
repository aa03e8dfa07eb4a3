/** Owns accounting for an automation's ticks up to a time: the plan, its runs, and the cursor, committed at once. */
import * as Effect from "effect/Effect";
import type { StoredAutomation } from "../db/stored-automations.ts";
import { planTicks } from "./core/plan.ts";
import { DAY_MS, runsOfTicks } from "./core/runs-of-ticks.ts";
import { RunPorts } from "./RunPorts.ts";
import { automationNotice, runNotice } from "./views.ts";

/** Whoever else accounts for the same ticks was first, or we were: they are accounted for once. */
/** Accounts for every tick up to `nowMs`, however many there are; the automation as it then is. */
export const accountUntil = Effect.fnUntraced(function* (
  tenantId: string,
  found: StoredAutomation,
  nowMs: number,
) {
  const { read } = yield* RunPorts;
  const { automationId } = found;
  let automation = found;
  while (automation.nextDueAt !== null && automation.nextDueAt <= nowMs) {
    yield* accountFor(tenantId, automation, nowMs);
    const again = yield* read({ kind: "get_automation", tenantId, automationId });
    if (again === null) return automation;
    automation = again;
    yield* Effect.yieldNow;
  }
  return automation;
});

export const accountFor = Effect.fnUntraced(function* (
  tenantId: string,
  automation: StoredAutomation,
  nowMs: number,
) {
  const { read, write, tellTenant } = yield* RunPorts;
  const { automationId, version, definition, anchorAt, cursorAt } = automation;
  const { schedule, missed } = definition;
  const plan = planTicks({ schedule, missed, anchorMs: anchorAt, cursorMs: cursorAt }, nowMs);
  if (plan.cursorMs === cursorAt && plan.nextDueMs === automation.nextDueAt) return;
  const sinceMs = nowMs - DAY_MS;
  const history = yield* read({ kind: "run_history", tenantId, automationId, sinceMs });
  const runs = runsOfTicks(automation, plan, history, nowMs);
  const moved = { cursorAt: plan.cursorMs, nextDueAt: plan.nextDueMs };
  const place = { kind: "advance_automation", tenantId, automationId, version } as const;
  const isFirst = yield* write({ ...place, fromCursorAt: cursorAt, ...moved, runs });
  if (!isFirst) return;
  for (const run of runs) tellTenant(tenantId, runNotice(run));
  tellTenant(tenantId, automationNotice({ ...automation, ...moved }));
});
