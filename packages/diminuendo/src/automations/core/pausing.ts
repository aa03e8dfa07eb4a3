/** Owns what pausing and resuming do: ticks of a pause are nobody's, neither run nor missed. Pure. */
import type { StoredAutomation } from "../../db/stored-automations.ts";
import { nextDue } from "./due.ts";

/** Every tick up to `nowMs` is accounted for already. */
export const paused = (automation: StoredAutomation, nowMs: number): StoredAutomation => ({
  ...automation,
  paused: "person",
  nextDueAt: null,
  updatedAt: nowMs,
});

export function resumed(automation: StoredAutomation, nowMs: number): StoredAutomation {
  if (automation.paused === null) return automation;
  const { definition, anchorAt } = automation;
  // Where clocks were put back, ticks up to the cursor have been accounted for under their former time.
  const cursorAt = Math.max(automation.cursorAt, nowMs);
  return {
    ...automation,
    paused: null,
    cursorAt,
    nextDueAt: nextDue(definition.schedule, anchorAt, cursorAt),
    failuresInARow: 0,
    updatedAt: nowMs,
  };
}
