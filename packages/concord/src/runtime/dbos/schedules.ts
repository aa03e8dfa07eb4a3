/**
 * Owns schedules on DBOS, which keeps them in its own tables, fires each tick once among all executors, and
 * backfills (SCH-4). A tick is a workflow: one step that calls the work, tried again until it succeeds.
 */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { compilePolicy } from "../../core/retry.ts";
import type { ScheduleSpec, ScheduleState, Schedules } from "../protocol/index.ts";

const TICK = "concord.tick";
const QUEUE = "scheduled_maintenance";
/** A tick is submitted or there was none, so it is tried for long; DBOS doubles the wait each time. */
const RETRY = compilePolicy("schedules.tick", { attemptsMax: 10, waitsSeconds: [1] });

export interface DbosSchedules extends Schedules {
  /** Before DBOS launches. */
  register(): void;
}

/** `queueName`: how DBOS calls a queue. */
export function dbosSchedules(queueName: (name: string) => string): DbosSchedules {
  let work: (name: string, dueAt: Date) => Promise<void> = async () => undefined;
  let tick: (dueAt: Date, name: string) => Promise<void> = async () => undefined;
  return {
    onTick: (wanted) => {
      work = wanted;
    },
    register: () => {
      const body = async (dueAt: Date, name: string) => {
        await DBOS.runStep(() => work(name, dueAt), {
          name: "submit",
          retriesAllowed: true,
          maxAttempts: RETRY.attemptsMax,
          intervalSeconds: RETRY.waitsSeconds[0] ?? 1,
        });
      };
      tick = DBOS.registerWorkflow(body, { name: TICK });
    },
    apply: (specs) => apply(specs, tick, queueName(QUEUE)),
    list: async () => (await DBOS.listSchedules()).map(stateOf),
    pause: (name) => DBOS.pauseSchedule(name),
    resume: (name) => DBOS.resumeSchedule(name),
    trigger: async (name) => {
      await DBOS.triggerSchedule(name);
    },
    backfill: async (name, from, to) => (await DBOS.backfillSchedule(name, from, to)).length,
  };
}

/** Those that are gone from the catalog are removed; a pause survives whatever else changed. */
async function apply(
  specs: readonly ScheduleSpec[],
  tick: (dueAt: Date, name: string) => Promise<void>,
  queue: string,
): Promise<void> {
  const known = await DBOS.listSchedules();
  const gone = known.filter((one) => !specs.some((spec) => spec.name === one.scheduleName));
  for (const one of gone) await DBOS.deleteSchedule(one.scheduleName);
  if (specs.length === 0) return;
  await DBOS.applySchedules(
    specs.map(({ name, cron, missed }) => ({
      scheduleName: name,
      workflowFn: tick,
      schedule: cron,
      context: name,
      automaticBackfill: missed === "run",
      cronTimezone: "UTC",
      queueName: queue,
    })),
  );
  for (const { scheduleName, status } of known) {
    const isKept = specs.some(({ name }) => name === scheduleName);
    if (isKept && status === "PAUSED") await DBOS.pauseSchedule(scheduleName);
  }
}

function stateOf(one: Awaited<ReturnType<typeof DBOS.listSchedules>>[number]): ScheduleState {
  return {
    name: one.scheduleName,
    cron: one.schedule,
    missed: one.automaticBackfill ? "run" : "skip",
    status: one.status === "PAUSED" ? "paused" : "active",
    lastTickAt: one.lastFiredAt,
  };
}
