/** Owns what an item of the inbox says and what can be done about it. Pure. */
import type { InboxItem, InboxView } from "@concert/sdk";

export const VIEWS: readonly { readonly value: InboxView; readonly label: string }[] = [
  { value: "open", label: "Open" },
  { value: "snoozed", label: "Later" },
  { value: "done", label: "Done" },
];

export type Triage = "read" | "unread" | "done" | "reopen" | "snooze" | "retry";

export interface Mark {
  readonly label: string;
  readonly tone: "good" | "bad" | "waiting";
}

export function markOf({ kind }: Pick<InboxItem, "kind">): Mark {
  if (kind === "failure") return { label: "Failed", tone: "bad" };
  if (kind === "attention") return { label: "Needs you", tone: "waiting" };
  return { label: "Result", tone: "good" };
}

/** What may be done now, the likeliest first. A run is asked for again only by who may write automations. */
export function actionsFor(
  item: Pick<InboxItem, "kind" | "state" | "runId" | "snoozedUntil">,
  { mayRetry, nowMs }: { readonly mayRetry: boolean; readonly nowMs: number },
): readonly Triage[] {
  if (item.state === "done") return ["reopen"];
  const retry: readonly Triage[] =
    item.kind === "failure" && item.runId !== null && mayRetry ? ["retry"] : [];
  const snoozed = (item.snoozedUntil ?? 0) > nowMs;
  return [
    ...retry,
    "done",
    ...(snoozed ? (["reopen"] as const) : (["snooze"] as const)),
    item.state === "unread" ? "read" : "unread",
  ];
}

export interface Later {
  readonly label: string;
  readonly untilMs: number;
}

const HOUR_MS = 3_600_000;
const MORNING_HOUR = 9;
const MONDAY = 1;

/** When an item may come back, in the reader's own time. */
export function laterTimes(nowMs: number): readonly Later[] {
  return [
    { label: "In an hour", untilMs: nowMs + HOUR_MS },
    { label: "Tomorrow morning", untilMs: morningAfter(nowMs, 1) },
    { label: "Monday morning", untilMs: morningAfter(nowMs, daysToMonday(nowMs)) },
  ];
}

function daysToMonday(nowMs: number): number {
  return (MONDAY - new Date(nowMs).getDay() + 7) % 7 || 7;
}

function morningAfter(nowMs: number, days: number): number {
  const day = new Date(nowMs);
  day.setDate(day.getDate() + days);
  return day.setHours(MORNING_HOUR, 0, 0, 0);
}
