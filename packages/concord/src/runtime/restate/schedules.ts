/** Owns asking a Restate server for schedules; what they do there is in schedule-service.ts. */
import type { Json } from "../../core/json.ts";
import type { ScheduleState, Schedules } from "../protocol/index.ts";
import { SCHEDULES, type Tick } from "./schedule-service.ts";
import type { RestateApi } from "./server-api.ts";

export interface RestateSchedules extends Schedules {
  readonly tick: Tick;
}

export function restateSchedules(api: RestateApi): RestateSchedules {
  let work: Tick = async () => undefined;
  const ask = (name: string, handler: string, input: Json = null) =>
    api.call(SCHEDULES, name, handler, input);
  const names = async () =>
    (
      await api.query(
        `SELECT service_key FROM state WHERE service_name = '${SCHEDULES}' ORDER BY service_key`,
      )
    ).map((row) => String(row["service_key"]));
  return {
    tick: (name, dueAt) => work(name, dueAt),
    onTick: (wanted) => {
      work = wanted;
    },
    apply: async (specs) => {
      const gone = (await names()).filter((name) => !specs.some((spec) => spec.name === name));
      for (const name of gone) await ask(name, "remove");
      for (const { name, cron, missed } of specs) await ask(name, "put", { name, cron, missed });
    },
    list: async () => {
      const states = await Promise.all((await names()).map((name) => ask(name, "get")));
      return states.filter((one) => one !== null) as unknown as readonly ScheduleState[];
    },
    pause: async (name) => void (await ask(name, "pause")),
    resume: async (name) => void (await ask(name, "resume")),
    trigger: async (name) => void (await ask(name, "trigger")),
    backfill: async (name, from, to) =>
      Number(await ask(name, "backfill", { from: from.toISOString(), to: to.toISOString() })),
  };
}
