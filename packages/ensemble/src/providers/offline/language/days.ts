/** Owns calendar arithmetic on `YYYY-MM-DD`, and how a day is written for people. Pure: UTC throughout. */

const DAY_MS = 86_400_000;
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

export function addDays(day: string, count: number): string {
  return new Date(Date.parse(day) + count * DAY_MS).toISOString().slice(0, 10);
}

export function nightsBetween(checkIn: string, checkOut: string): number {
  return Math.round((Date.parse(checkOut) - Date.parse(checkIn)) / DAY_MS);
}

export function weekdayOf(day: string): number {
  return new Date(day).getUTCDay();
}

/** The first `YYYY-MM-<dayOfMonth>` on or after `from`; undefined for a day no month has. */
export function nextDayOfMonth(dayOfMonth: number, from: string): string | undefined {
  if (dayOfMonth < 1 || dayOfMonth > 31) return undefined;
  for (let day = from, steps = 0; steps < 62; steps += 1, day = addDays(day, 1)) {
    if (Number(day.slice(8)) === dayOfMonth) return day;
  }
  return undefined;
}

/** How many days the month can have, with February's longest. Months count from 1. */
export function longestMonth(month: number): number {
  return new Date(Date.UTC(2024, month, 0)).getUTCDate();
}

/** `Wed 3 Mar 2027`. */
export function spoken(day: string): string {
  const date = new Date(day);
  const weekday = WEEKDAYS[date.getUTCDay()] ?? "";
  return `${weekday} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()] ?? ""} ${date.getUTCFullYear()}`;
}

/** `Wed 3 Mar 2027 to Fri 5 Mar 2027`: what `readSpokenStay` reads back. */
export function spokenStay(checkIn: string, checkOut: string): string {
  return `${spoken(checkIn)} to ${spoken(checkOut)}`;
}

/** The stay in a text of ours. Yesterday's "tomorrow" was settled by our own answer, and stays what it was. */
export function readSpokenStay(text: string): { checkIn: string; checkOut: string } | undefined {
  const day = String.raw`\w{3} (\d{1,2}) (\w{3}) (\d{4})`;
  const match = new RegExp(`${day} to ${day}`).exec(text);
  if (match === null) return undefined;
  const checkIn = toDay(match[1], match[2], match[3]);
  const checkOut = toDay(match[4], match[5], match[6]);
  return checkIn === undefined || checkOut === undefined ? undefined : { checkIn, checkOut };
}

function toDay(date?: string, month?: string, year?: string): string | undefined {
  const index = MONTHS.indexOf(month ?? "");
  if (index === -1) return undefined;
  return `${year}-${String(index + 1).padStart(2, "0")}-${(date ?? "").padStart(2, "0")}`;
}
