/**
 * Owns when an automation is due. A cron names wall-clock times: one that comes twice when clocks go back counts once,
 * one that clocks leave out comes as much later as they jump. A cron that names minutes of every hour, and a heartbeat,
 * follow real time. Pure.
 */
import { Cron } from "croner";
import type { AutomationSchedule } from "../../protocol/index.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const FIVE_FIELDS = /^\S+(?: \S+){4}$/;
const EVERY_HOUR = /^(\S+) \* \* \* \*$/;

/** The first time after `afterMs`, or null if there is none. Heartbeats count from `anchorMs`. */
export function nextDue(
  schedule: AutomationSchedule,
  anchorMs: number,
  afterMs: number,
): number | null {
  if (schedule.kind === "heartbeat") return nextBeat(schedule.everyMinutes, anchorMs, afterMs);
  const cron = schedule.cron.trim().replace(/\s+/g, " ");
  const { timeZone } = schedule;
  if (EVERY_HOUR.test(cron)) return nextOfEachHour(cron, timeZone, afterMs);
  return following(cronOf(cron, timeZone), afterMs);
}

/** What is wrong with a cron and its time zone, as sentences. */
export function cronProblems(cron: string, timeZone: string, nowMs: number): readonly string[] {
  if (!isTimeZone(timeZone)) {
    return [`"${timeZone.slice(0, 60)}" is no time zone; use an IANA name like Europe/Berlin`];
  }
  const fields = cron.trim().replace(/\s+/g, " ");
  if (!FIVE_FIELDS.test(fields)) {
    return ["cron needs five fields: minute, hour, day of month, month, day of week"];
  }
  try {
    const due = nextDue({ kind: "cron", cron, timeZone }, nowMs, nowMs);
    return due === null ? ["this cron never comes due"] : [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [`cron cannot be read: ${reason.replace(/^Cron\w+: /, "")}`];
  }
}

export function isTimeZone(name: string): boolean {
  try {
    offsetAt(name, 0);
    return true;
  } catch {
    return false;
  }
}

function nextBeat(everyMinutes: number, anchorMs: number, afterMs: number): number {
  const everyMs = everyMinutes * MINUTE_MS;
  return anchorMs + (Math.floor(Math.max(0, afterMs - anchorMs) / everyMs) + 1) * everyMs;
}

/**
 * Minutes of each real hour. The zone matters by the part of its offset that is no whole hour, which a change of clocks
 * may alter (Lord Howe): then the first hour is looked at minute by minute.
 */
function nextOfEachHour(cron: string, timeZone: string, afterMs: number): number | null {
  const shiftMs = offsetAt(timeZone, afterMs);
  const next = following(cronOf(cron, "UTC"), afterMs + shiftMs);
  if (next === null) return null;
  const dueMs = next - shiftMs;
  if ((offsetAt(timeZone, dueMs) - shiftMs) % HOUR_MS === 0) return dueMs;
  return minuteByMinute(cron, timeZone, afterMs);
}

function minuteByMinute(cron: string, timeZone: string, afterMs: number): number | null {
  const utc = cronOf(cron, "UTC");
  const firstMs = (Math.floor(afterMs / MINUTE_MS) + 1) * MINUTE_MS;
  for (let atMs = firstMs; atMs <= firstMs + 2 * HOUR_MS; atMs += MINUTE_MS) {
    const localMs = atMs + offsetAt(timeZone, atMs);
    if (following(utc, localMs - 1) === localMs) return atMs;
  }
  return null;
}

function following(cron: Cron, afterMs: number): number | null {
  return cron.nextRun(new Date(afterMs))?.getTime() ?? null;
}

/** More than are in use at once; made anew is only slower. */
const KEPT_MAX = 500;
const crons = new Map<string, Cron>();
const formats = new Map<string, Intl.DateTimeFormat>();

function cronOf(cron: string, timeZone: string): Cron {
  return keptIn(crons, `${timeZone} ${cron}`, () => {
    // Given as an offset, UTC is asked of no calendar: fifty times faster.
    const zone = timeZone === "UTC" ? { utcOffset: 0 } : { timezone: timeZone };
    return new Cron(cron, { ...zone, mode: "5-part" });
  });
}

function keptIn<T>(kept: Map<string, T>, name: string, make: () => T): T {
  const known = kept.get(name);
  if (known !== undefined) return known;
  const made = make();
  if (kept.size >= KEPT_MAX) kept.clear();
  kept.set(name, made);
  return made;
}

/** How far the zone's clocks are ahead of UTC at a time. Throws for no time zone. */
function offsetAt(timeZone: string, atMs: number): number {
  const format = keptIn(formats, timeZone, () => {
    return new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  });
  const name = format.formatToParts(atMs).find(({ type }) => type === "timeZoneName")?.value ?? "";
  const [, sign, hours = "0", minutes = "0"] = /^GMT([+-])(\d{2}):(\d{2})/.exec(name) ?? [];
  const shiftMs = Number(hours) * HOUR_MS + Number(minutes) * MINUTE_MS;
  return sign === "-" ? -shiftMs : shiftMs;
}
