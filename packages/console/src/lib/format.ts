/** Owns how times, names and amounts read. Pure: the moment comes in as `nowMs`. */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** "now", "5 min", "3 h", "yesterday", then the date. */
export function formatAge(thenMs: number, nowMs: number): string {
  const ageMs = Math.max(0, nowMs - thenMs);
  if (ageMs < MINUTE_MS) return "now";
  if (ageMs < HOUR_MS) return `${Math.floor(ageMs / MINUTE_MS)} min`;
  if (ageMs < DAY_MS) return `${Math.floor(ageMs / HOUR_MS)} h`;
  if (ageMs < 2 * DAY_MS) return "yesterday";
  return new Date(thenMs).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

/** "2 days", "3 h 20 min", "12 min", "45 s"; the time that is left, never negative. */
export function formatLeft(leftMs: number): string {
  const left = Math.max(0, leftMs);
  if (left >= 2 * DAY_MS) return `${Math.floor(left / DAY_MS)} days`;
  if (left >= HOUR_MS) {
    const minutes = Math.floor((left % HOUR_MS) / MINUTE_MS);
    return `${Math.floor(left / HOUR_MS)} h${minutes > 0 ? ` ${minutes} min` : ""}`;
  }
  if (left >= MINUTE_MS) return `${Math.floor(left / MINUTE_MS)} min`;
  return `${Math.floor(left / 1_000)} s`;
}

/** "14:03:09" in the reader's own time. */
export function formatClock(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

/** "22 Nov, 17:57" in the reader's own time. */
export function formatMoment(ms: number): string {
  return new Date(ms).toLocaleString(undefined, {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}

/** `check_in` → "Check in", `hotelSearch` → "Hotel search", `waiting_approval` → "Waiting approval". */
export function humanize(name: string): string {
  const words = name
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .replace(/[_.\-:]+/g, " ")
    .trim()
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A value as one line for people; objects become JSON. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return "—";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return JSON.stringify(value);
}

/** Short enough to read, long enough to recognise: `cmd_0192f3…9ab1`. */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 10)}…${id.slice(-4)}`;
}
