/** Owns how an automation reads to a person, and who may change it. Pure. */
import type { Automation, AutomationRun } from "@concert/sdk";
import { formatLeft, humanize } from "../../lib/format.ts";

type Schedule = Automation["definition"]["schedule"];

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** "Every day at 09:00 (Europe/Berlin)", "Every 30 minutes", or the cron expression as it is. */
export function scheduleText(schedule: Schedule): string {
  if (schedule.kind === "heartbeat") {
    const { everyMinutes } = schedule;
    return everyMinutes === 1 ? "Every minute" : `Every ${everyMinutes} minutes`;
  }
  const { cron, timeZone } = schedule;
  const [minute = "", hour = "", day, month, weekday = ""] = cron.split(" ");
  const isDaily = day === "*" && month === "*" && /^\d+$/.test(minute) && /^\d+$/.test(hour);
  const days = isDaily ? daysText(weekday) : undefined;
  if (days === undefined) return `${cron} (${timeZone})`;
  return `${days} at ${hour.padStart(2, "0")}:${minute.padStart(2, "0")} (${timeZone})`;
}

function daysText(weekday: string): string | undefined {
  if (weekday === "*") return "Every day";
  if (weekday === "1-5") return "Monday to Friday";
  const day = /^[0-6]$/.test(weekday) ? DAYS[Number(weekday)] : undefined;
  return day === undefined ? undefined : `Every ${day}`;
}

/** Why it does not run by itself, or when it does next. */
export function nextText({ paused, nextDueAt }: Automation, nowMs: number): string {
  if (paused === "failures") return "Paused: it failed too often";
  if (paused === "owner") return "Paused: its owner may not run it any more";
  if (paused !== null) return "Paused";
  if (nextDueAt === null) return "Not due again";
  return nextDueAt <= nowMs ? "Due now" : `Next in ${formatLeft(nextDueAt - nowMs)}`;
}

export function runTone(status: AutomationRun["status"]): "good" | "bad" | "waiting" | "quiet" {
  if (status === "succeeded") return "good";
  if (status === "failed" || status === "timed_out") return "bad";
  return status === "waiting" || status === "retrying" ? "waiting" : "quiet";
}

export function runText(run: AutomationRun): string {
  if (run.missed !== null) return `Missed ${run.missed.count}`;
  if (run.status === "waiting") return "Waits for a person";
  return humanize(run.status);
}

/** Who may change it: its owner, and who may manage those of others. */
export function mayChange(
  { ownerId }: Pick<Automation, "ownerId">,
  me: string | undefined,
  rights: { readonly write: boolean; readonly manage: boolean },
): boolean {
  return rights.write && (rights.manage || ownerId === me);
}
