/**
 * Owns schedules on Restate: an object for each, which sends itself a delayed message for the next tick, and a
 * workflow for each tick under the schedule's name and the time it was due, so that a tick happens once.
 */
import {
  handlers,
  type ObjectContext,
  type ObjectSharedContext,
  object,
  type WorkflowContext,
  workflow,
} from "@restatedev/restate-sdk";
import { Cron } from "croner";
import type { ScheduleSpec, ScheduleState } from "../protocol/index.ts";

export const SCHEDULES = "concord.schedules";
export const TICKS = "concord.ticks";
/** A backfill is bounded; a longer one is asked for in parts. */
const BACKFILL_MAX = 1_000;

export type Tick = (name: string, dueAt: Date) => Promise<void>;

interface Held {
  readonly spec: ScheduleSpec;
  readonly status: ScheduleState["status"];
  /** Messages of an earlier arrangement are dropped. */
  readonly token: number;
  readonly lastTickAt: string | null;
}

interface Due {
  readonly token: number;
  readonly at: string;
}

type Context = ObjectContext;

const held = (context: ObjectSharedContext) => context.get<Held>("held");

function nextAfter(cron: string, after: Date): Date | null {
  return new Cron(cron, { paused: true, timezone: "UTC" }).nextRun(after);
}

function sendTick(context: Context, dueAt: string): void {
  const key = `${context.key}@${dueAt}`;
  context.genericSend({
    service: TICKS,
    method: "run",
    key,
    parameter: new TextEncoder().encode(JSON.stringify({ name: context.key, dueAt })),
  });
}

/** Sends the message for the tick after `after`. */
async function arrange(context: Context, one: Held, after: Date): Promise<void> {
  context.set("held", one);
  const next = nextAfter(one.spec.cron, after);
  if (next === null || one.status === "paused") return;
  const parameter: Due = { token: one.token, at: next.toISOString() };
  const delay = Math.max(0, next.getTime() - (await context.date.now()));
  context.genericSend({
    service: SCHEDULES,
    method: "due",
    key: context.key,
    parameter: new TextEncoder().encode(JSON.stringify(parameter)),
    delay,
  });
}

async function must(context: Context): Promise<Held> {
  const one = await held(context);
  if (one === null) throw new Error(`there is no schedule "${context.key}"`);
  return one;
}

const now = async (context: Context) => new Date(await context.date.now());

export function scheduleServices(tick: Tick) {
  const schedules = object({
    name: SCHEDULES,
    handlers: {
      put: async (context: Context, spec: ScheduleSpec) => {
        const known = await held(context);
        if (known !== null && JSON.stringify(known.spec) === JSON.stringify(spec)) return;
        const base = known ?? { status: "active" as const, token: 0, lastTickAt: null };
        await arrange(context, { ...base, spec, token: base.token + 1 }, await now(context));
      },
      remove: async (context: Context) => context.clearAll(),
      pause: async (context: Context) => {
        const one = await must(context);
        context.set("held", { ...one, status: "paused", token: one.token + 1 });
      },
      resume: async (context: Context) => {
        const one = await must(context);
        const active = { ...one, status: "active", token: one.token + 1 } as const;
        await arrange(context, active, await now(context));
      },
      trigger: async (context: Context) => {
        await must(context);
        sendTick(context, (await now(context)).toISOString());
      },
      backfill: async (context: Context, range: { readonly from: string; readonly to: string }) => {
        const { spec } = await must(context);
        const to = new Date(range.to);
        let count = 0;
        let at = nextAfter(spec.cron, new Date(range.from));
        while (at !== null && at <= to && count < BACKFILL_MAX) {
          sendTick(context, at.toISOString());
          count += 1;
          at = nextAfter(spec.cron, at);
        }
        return count;
      },
      due: async (context: Context, { token, at }: Due) => {
        const one = await held(context);
        if (one === null || one.token !== token) return;
        sendTick(context, at);
        await arrange(context, { ...one, lastTickAt: at }, afterTick(one, at, await now(context)));
      },
      get: handlers.object.shared(async (context: ObjectSharedContext) => {
        const one = await held(context);
        if (one === null) return null;
        return { ...one.spec, status: one.status, lastTickAt: one.lastTickAt };
      }),
    },
  });
  const ticks = workflow({
    name: TICKS,
    handlers: {
      run: async (
        context: WorkflowContext,
        { name, dueAt }: { readonly name: string; readonly dueAt: string },
      ) => {
        await context.run("submit", () => tick(name, new Date(dueAt)));
      },
    },
  });
  return [schedules, ticks];
}

/** A message that came late: the ticks in between are made up for one by one, or left out. */
function afterTick({ spec }: Held, at: string, nowAt: Date): Date {
  return spec.missed === "run" ? new Date(at) : nowAt;
}
