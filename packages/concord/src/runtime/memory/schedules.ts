/**
 * Owns ticks by timers of this process. They do not survive it: what was due meanwhile is asked for by `backfill`,
 * and a pause ends with the process, too.
 */
import { Cron } from "croner";
import type { ScheduleSpec, ScheduleState, Schedules } from "../protocol/index.ts";
import type { Clock } from "./clock.ts";

const RETRY_MS = 1_000;
const ATTEMPTS_MAX = 10;
/** A backfill is bounded; a longer one is asked for in parts. */
const BACKFILL_MAX = 1_000;

interface Held {
  readonly spec: ScheduleSpec;
  readonly cron: Cron;
  isPaused: boolean;
  lastTickAt: string | null;
  readonly happened: Set<number>;
  readonly stop: AbortController;
}

export interface TimedSchedules extends Schedules {
  start(): void;
  stop(): void;
}

export function timedSchedules(clock: Clock, onLost: (error: unknown) => void): TimedSchedules {
  const held = new Map<string, Held>();
  let work: (name: string, dueAt: Date) => Promise<void> = async () => undefined;
  let isStarted = false;

  async function tick(one: Held, dueAt: Date): Promise<void> {
    if (one.happened.has(dueAt.getTime())) return;
    one.happened.add(dueAt.getTime());
    one.lastTickAt = dueAt.toISOString();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work(one.spec.name, dueAt);
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || one.stop.signal.aborted) return onLost(error);
        await clock
          .until(clock.nowMs() + RETRY_MS * attempt, one.stop.signal)
          .catch(() => undefined);
      }
    }
  }

  async function loop(one: Held): Promise<void> {
    for (;;) {
      const next = one.cron.nextRun(new Date(clock.nowMs()));
      if (next === null) return;
      await clock.until(next.getTime(), one.stop.signal);
      if (!one.isPaused) void tick(one, next);
    }
  }

  const must = (name: string): Held => {
    const one = held.get(name);
    if (one === undefined) throw new Error(`there is no schedule "${name}"`);
    return one;
  };
  const begin = (one: Held) => {
    loop(one).catch((error: unknown) => {
      if (!one.stop.signal.aborted) onLost(error);
    });
  };
  return {
    onTick: (wanted) => {
      work = wanted;
    },
    apply: async (specs) => {
      for (const [name, one] of held) {
        const isSame = specs.some((spec) => spec.name === name && spec.cron === one.spec.cron);
        if (!isSame) {
          one.stop.abort(new Error("the schedule changed"));
          held.delete(name);
        }
      }
      for (const spec of specs) {
        if (held.has(spec.name)) continue;
        const cron = new Cron(spec.cron, { paused: true, timezone: "UTC" });
        const fresh: Held = {
          spec,
          cron,
          isPaused: false,
          lastTickAt: null,
          happened: new Set(),
          stop: new AbortController(),
        };
        held.set(spec.name, fresh);
        if (isStarted) begin(fresh);
      }
    },
    list: async () => [...held.values()].map(stateOf),
    pause: async (name) => {
      must(name).isPaused = true;
    },
    resume: async (name) => {
      must(name).isPaused = false;
    },
    trigger: async (name) => tick(must(name), new Date(clock.nowMs())),
    backfill: async (name, from, to) => {
      const one = must(name);
      let count = 0;
      for (let at = one.cron.nextRun(from); at !== null && at <= to; at = one.cron.nextRun(at)) {
        if (count === BACKFILL_MAX) break;
        await tick(one, at);
        count += 1;
      }
      return count;
    },
    start: () => {
      isStarted = true;
      for (const one of held.values()) begin(one);
    },
    stop: () => {
      for (const one of held.values()) one.stop.abort(new Error("the runtime stops"));
    },
  };
}

function stateOf({ spec, isPaused, lastTickAt }: Held): ScheduleState {
  return { ...spec, status: isPaused ? "paused" : "active", lastTickAt };
}
