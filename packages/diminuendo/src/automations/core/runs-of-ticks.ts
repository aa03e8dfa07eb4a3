/** Owns which run each tick becomes: one that is due, one that is left out and why, or one that stands for missed ticks. Pure. */
import type { RunPlan, StoredAutomation, StoredRun } from "../../db/stored-automations.ts";
import { missedFrom, runOfTick } from "./ids.ts";
import type { FiredTick, MissedTicks, TickPlan } from "./plan.ts";
import { fillIn, localTime } from "./prompt.ts";

/** What is known of the runs before. */
export interface RunHistory {
  readonly open: number;
  /** Within the last 24 hours. */
  readonly begun: number;
  readonly lastResult: string;
}

export const DAY_MS = 24 * 60 * 60 * 1_000;
/** Runs of one automation that may be open at once; only one of them has a turn. */
export const OPEN_RUNS_MAX = 100;

export function runsOfTicks(
  automation: StoredAutomation,
  plan: Pick<TickPlan, "fire" | "missed">,
  history: RunHistory,
  nowMs: number,
): readonly StoredRun[] {
  const runs = plan.missed === null ? [] : [missedRun(automation, plan.missed, nowMs)];
  let { open, begun } = history;
  for (const tick of plan.fire) {
    const reason = whyNot(automation, tick, { ...history, open, begun });
    const run = newRun(automation, tick.dueMs, history, nowMs);
    runs.push(reason === null ? run : leftOut(run, reason, nowMs));
    if (reason === null) {
      open += 1;
      begun += 1;
    }
  }
  return runs;
}

type Reason = NonNullable<StoredRun["error"]>;

function whyNot(
  { definition }: StoredAutomation,
  { late }: FiredTick,
  { open, begun }: RunHistory,
): Reason | null {
  if (begun >= definition.limits.runsPerDay) {
    const message = `It has run ${begun} times within 24 hours, as often as its limits allow.`;
    return { code: "DailyLimit", message };
  }
  if (open > 0 && definition.overlap === "skip" && !late) {
    return { code: "PreviousRunOpen", message: "The run before was still going on." };
  }
  if (open < OPEN_RUNS_MAX) return null;
  return { code: "QueueFull", message: `${OPEN_RUNS_MAX} runs waited already.` };
}

const leftOut = (run: StoredRun, error: Reason, nowMs: number): StoredRun => ({
  ...run,
  status: "skipped",
  endedAt: nowMs,
  error,
});

function missedRun(
  automation: StoredAutomation,
  { count, firstMs, lastMs }: MissedTicks,
  nowMs: number,
): StoredRun {
  const run = newRun(automation, firstMs, { open: 0, begun: 0, lastResult: "" }, nowMs);
  const { automationId } = automation;
  return {
    ...run,
    runId: missedFrom(automationId, firstMs),
    status: "missed",
    endedAt: nowMs,
    missed: { count, throughAt: lastMs },
  };
}

/** The run of a tick. */
function newRun(
  automation: StoredAutomation,
  dueMs: number,
  { lastResult }: RunHistory,
  nowMs: number,
): StoredRun {
  const runId = runOfTick(automation.automationId, dueMs);
  const plan = planOf(automation, dueMs, lastResult);
  return freshRun(
    { runId, automationId: automation.automationId, cause: "tick", dueAt: dueMs, plan },
    nowMs,
  );
}

type Beginning = Pick<StoredRun, "runId" | "automationId" | "cause" | "dueAt" | "plan">;

export function freshRun(beginning: Beginning, nowMs: number): StoredRun {
  return {
    ...beginning,
    createdAt: nowMs,
    status: "due",
    missed: null,
    attempt: 1,
    nextAttemptAt: null,
    sessionId: null,
    turnId: null,
    commandId: null,
    startedAt: null,
    endedAt: null,
    deadlineAt: null,
    summary: "",
    error: null,
    microcredits: 0,
  };
}

/** What a run does, as the automation now is. */
export function planOf(
  { definition, owner }: StoredAutomation,
  dueMs: number,
  lastResult: string,
): RunPlan {
  const { name, schedule, execution, delivery, retries, limits, tools } = definition;
  const timeZone = schedule.kind === "cron" ? schedule.timeZone : "UTC";
  const prompt = fillIn(definition.prompt, definition.variables, {
    automation: name,
    due_at: new Date(dueMs).toISOString(),
    local_time: localTime(dueMs, timeZone),
    last_result: lastResult,
  });
  const only = tools === undefined ? {} : { tools };
  return { name, execution, delivery, retries, limits, prompt, owner, ...only };
}
