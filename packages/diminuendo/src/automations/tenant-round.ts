/**
 * Owns one look at a tenant's automations: ticks are accounted for, open runs driven. It may be cut anywhere, and two
 * may look at once: what the one has done the other finds done.
 */
import * as Effect from "effect/Effect";
import { accountFor } from "./accounting.ts";
import { RunPorts } from "./RunPorts.ts";
import { driveRun } from "./run-driver.ts";

export interface Wake {
  /** When the next tick is due. */
  readonly atMs: number | null;
  readonly openRuns: number;
  /** When somebody outside is to be told of a run. */
  readonly deliverAtMs: number | null;
}

export const tenantRound = Effect.fn("automations.round")(function* (
  tenantId: string,
  nowMs: number,
) {
  const { read } = yield* RunPorts;
  for (const automation of yield* read({ kind: "due_automations", tenantId, nowMs })) {
    yield* alone(accountFor(tenantId, automation, nowMs), automation.automationId);
  }
  // Runs of one automation go one after the other, the oldest first.
  const busy = new Set<string>();
  for (const run of yield* read({ kind: "open_runs", tenantId })) {
    if (busy.has(run.automationId)) continue;
    const isOpen = yield* alone(driveRun(tenantId, run, nowMs), run.runId);
    if (isOpen !== false) busy.add(run.automationId);
  }
  const wake: Wake = yield* read({ kind: "automation_wake", tenantId });
  return wake;
});

/** One that fails does not keep the others down; it is looked at again. */
export const alone = <A, E, R>(work: Effect.Effect<A, E, R>, what: string) =>
  work.pipe(
    Effect.catchCause((cause) =>
      Effect.as(Effect.logError(`automation: ${what} could not be looked at`, cause), undefined),
    ),
  );
