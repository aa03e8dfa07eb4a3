/**
 * Owns what an attempt's end means: another attempt, or the end of the run, with the word of it in the owner's inbox and
 * for those outside, and the automation that pauses itself after too many failures. Pure.
 */
import type { ChangeRun, StoredRun } from "../../db/stored-automations.ts";
import type { AutomationLogEntry, InboxItem } from "../../protocol/index.ts";
import { nextAttemptMs } from "./attempts.ts";
import { deliveriesOf } from "./deliveries.ts";
import { itemOfPause, itemOfRun } from "./ids.ts";
import { whole } from "./prompt.ts";

export interface AttemptEnd {
  readonly status: "succeeded" | "failed" | "cancelled" | "timed_out";
  readonly text: string;
  readonly error: StoredRun["error"];
  readonly commandId: string | null;
  readonly microcredits: number;
  /** The owner may not run it any more. */
  readonly ownerGone?: true;
}

export interface Moment {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
  readonly traceId: string;
}

type Change = Omit<ChangeRun, "kind" | "tenantId">;

const SUMMARY_CHARS = 500;
/** Who acts when nobody does. */
export const SYSTEM_ACTOR = "system:automations";

export function attemptEnded(run: StoredRun, end: AttemptEnd, moment: Moment): Change {
  const { nowMs, random } = moment;
  const microcredits = run.microcredits + end.microcredits;
  const spent = { microcredits, commandId: end.commandId ?? run.commandId, deadlineAt: null };
  const base = { runId: run.runId, attempt: run.attempt, nowMs } as const;
  const nextAttemptAt =
    end.status === "failed" && end.ownerGone === undefined
      ? nextAttemptMs(run.plan, run.attempt, end.error?.code ?? "", nowMs, random)
      : null;
  if (nextAttemptAt !== null) {
    const again = { status: "retrying", attempt: run.attempt + 1, nextAttemptAt } as const;
    const patch = { ...spent, ...again, turnId: null, error: end.error };
    return { ...base, patch, item: null, counts: "neither", pause: null };
  }
  const isFailure = end.status === "failed" || end.status === "timed_out";
  const summary = summaryOf(end);
  const over = { ...spent, status: end.status, endedAt: nowMs, nextAttemptAt: null, summary };
  const patch = { ...over, error: end.error };
  return {
    ...base,
    patch,
    deliveries: deliveriesOf({ ...run, ...patch }, run.plan.owner.tenant),
    item: itemOfEnd(run, end, nowMs),
    counts: COUNTS[end.status],
    pause: isFailure ? pauseOf(run, end, moment) : null,
  };
}

const COUNTS = {
  succeeded: "success",
  failed: "failure",
  timed_out: "failure",
  cancelled: "neither",
} as const;

export function summaryOf({ text, error }: AttemptEnd): string {
  return whole(error === null ? text : error.message, SUMMARY_CHARS);
}

const TITLES = {
  succeeded: "has finished",
  failed: "has failed",
  timed_out: "took too long and was stopped",
  cancelled: "was stopped",
} as const;

function itemOfEnd(run: StoredRun, end: AttemptEnd, nowMs: number): InboxItem | null {
  const { inbox } = run.plan.delivery;
  const isProblem = end.status !== "succeeded";
  if (inbox === "never" || (inbox === "problems" && !isProblem)) return null;
  const kind = isProblem ? "failure" : "result";
  return itemOf(run, { kind, title: TITLES[end.status], summary: summaryOf(end), nowMs });
}

interface Word {
  readonly kind: InboxItem["kind"];
  readonly title: string;
  readonly summary: string;
  readonly nowMs: number;
  readonly state?: InboxItem["state"];
}

function itemOf(
  run: StoredRun,
  { kind, title, summary, nowMs, state = "unread" }: Word,
): InboxItem {
  return {
    itemId: itemOfRun(run.runId),
    userId: run.plan.owner.user,
    kind,
    automationId: run.automationId,
    runId: run.runId,
    sessionId: run.sessionId,
    title: `${run.plan.name} ${title}`,
    summary,
    state,
    snoozedUntil: null,
    createdAt: nowMs,
    updatedAt: nowMs,
  };
}

/** The run's turn waits for a person, or goes on after that. */
export function waitingChanged(run: StoredRun, waits: boolean, nowMs: number): Change {
  const word = {
    kind: "attention",
    title: "waits for a person",
    summary: "The agent needs a decision or an answer that only a person can give.",
    nowMs,
    state: waits ? "unread" : "done",
  } as const;
  return {
    runId: run.runId,
    attempt: run.attempt,
    patch: {
      status: waits ? "waiting" : "running",
      deadlineAt: waits ? null : nowMs + run.plan.limits.runMinutes * 60_000,
    },
    item: run.plan.delivery.inbox === "never" ? null : itemOf(run, word),
    counts: "neither",
    pause: null,
    nowMs,
  };
}

function pauseOf(
  run: StoredRun,
  { ownerGone, error }: AttemptEnd,
  { nowMs, traceId }: Moment,
): ChangeRun["pause"] {
  const { failuresInARow } = run.plan.limits;
  if (ownerGone === undefined && failuresInARow === 0) return null;
  const reason = ownerGone === undefined ? ("failures" as const) : ("owner" as const);
  const why =
    reason === "owner"
      ? "Its owner is no member of the tenant any more; somebody else may save it as theirs."
      : `${failuresInARow} runs in a row have failed, the last with: ${error?.message ?? "a time limit"}`;
  const word = { kind: "attention", title: "has paused itself", summary: why, nowMs } as const;
  const { automationId } = run;
  const item = { ...itemOf(run, word), itemId: itemOfPause(automationId, nowMs), runId: null };
  const log: AutomationLogEntry = {
    at: nowMs,
    actor: SYSTEM_ACTOR,
    automationId,
    action: "paused_itself",
    detail: { reason, runId: run.runId },
    traceId,
  };
  return { reason, failuresMax: ownerGone === undefined ? failuresInARow : 0, item, log };
}
