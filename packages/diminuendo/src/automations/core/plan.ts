/**
 * Owns what becomes of the ticks since an automation was last looked at: which fire, which count as missed. Every tick
 * is accounted for once, because the cursor moves past exactly those that the plan tells of. Pure.
 */
import type { AutomationDefinition, AutomationSchedule } from "../../protocol/index.ts";
import { nextDue } from "./due.ts";

/** A tick that is looked at within this time is on time; ticks are at least as far apart. */
export const ON_TIME_MS = 60_000;
/** Looked at in one go; more than `catch_up` may ask for. */
const TICKS_MAX = 200;

export interface Ticks {
  readonly schedule: AutomationSchedule;
  readonly missed: AutomationDefinition["missed"];
  /** Heartbeats count from here. */
  readonly anchorMs: number;
  /** Every tick up to here is accounted for. */
  readonly cursorMs: number;
}

export interface MissedTicks {
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface TickPlan {
  /** Oldest first. */
  readonly fire: readonly FiredTick[];
  readonly missed: MissedTicks | null;
  readonly cursorMs: number;
  readonly nextDueMs: number | null;
}

export interface FiredTick {
  readonly dueMs: number;
  /** It makes up for what was missed: it runs even if another run goes on. */
  readonly late: boolean;
}

/** What happens now; after a very long absence only part of it, and `nextDueMs` is still in the past. */
export function planTicks(ticks: Ticks, nowMs: number): TickPlan {
  const due = dueUntil(ticks, nowMs);
  const isAll = due.length < TICKS_MAX;
  // The newest are left for the next look, which knows what comes after them.
  const seen = isAll ? due : due.slice(0, TICKS_MAX - 1 - kept(ticks.missed));
  const cursorMs = seen.at(-1) ?? ticks.cursorMs;
  const nextDueMs = nextDue(ticks.schedule, ticks.anchorMs, cursorMs);
  const chosen = isAll ? choose(seen, ticks.missed, nowMs) : { fire: [], missed: seen };
  return { fire: chosen.fire, missed: summed(chosen.missed), cursorMs, nextDueMs };
}

function dueUntil({ schedule, anchorMs, cursorMs }: Ticks, nowMs: number): readonly number[] {
  const due: number[] = [];
  let next = nextDue(schedule, anchorMs, cursorMs);
  while (next !== null && next <= nowMs && due.length < TICKS_MAX) {
    due.push(next);
    next = nextDue(schedule, anchorMs, next);
  }
  return due;
}

function choose(due: readonly number[], missed: Ticks["missed"], nowMs: number) {
  const punctual = due.filter((dueMs) => nowMs - dueMs < ON_TIME_MS);
  const late = due.slice(0, due.length - punctual.length);
  // One run makes up for all: the punctual one, if there is one.
  const madeUp = missed.policy === "run_once" && punctual.length > 0 ? 0 : kept(missed);
  const firing = madeUp === 0 ? [] : late.slice(-madeUp);
  return {
    fire: [
      ...firing.map((dueMs) => ({ dueMs, late: true })),
      ...punctual.map((dueMs) => ({ dueMs, late: false })),
    ],
    missed: late.slice(0, late.length - firing.length),
  };
}

function kept({ policy, max }: Ticks["missed"]): number {
  if (policy === "skip") return 0;
  return policy === "run_once" ? 1 : max;
}

function summed(missed: readonly number[]): MissedTicks | null {
  const [firstMs] = missed;
  const lastMs = missed.at(-1);
  if (firstMs === undefined || lastMs === undefined) return null;
  return { count: missed.length, firstMs, lastMs };
}
