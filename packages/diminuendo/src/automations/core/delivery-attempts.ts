/** Owns what an attempt to tell somebody outside means: delivered, tried again and when, or given up. Pure. */
import type { ChangeDelivery, StoredDelivery, StoredRun } from "../../db/stored-automations.ts";
import type { InboxItem } from "../../protocol/index.ts";
import { itemOfDelivery } from "./ids.ts";
import { whole } from "./prompt.ts";

/** What came of sending it once. */
export type Sent =
  | { readonly kind: "delivered"; readonly responseCode?: number; readonly commandId?: string }
  | {
      readonly kind: "failed";
      readonly error: string;
      readonly responseCode?: number;
      /** Sending it again would not help. */
      readonly isFinal: boolean;
      /** The receiver asked for so much patience. */
      readonly retryAfterMs?: number;
    };

/** As Concord waits for the receivers of its own webhooks. */
const WAITS_SECONDS = [5, 30, 120, 600, 1_800, 7_200, 21_600] as const;
const RETRY_AFTER_MAX_MS = 3_600_000;
const ERROR_CHARS = 300;

export interface Sending {
  readonly nowMs: number;
  /** In [0, 1). */
  readonly random: number;
}

export function attemptMade(
  delivery: StoredDelivery,
  sent: Sent,
  run: StoredRun | null,
  { nowMs, random }: Sending,
): Pick<ChangeDelivery, "patch" | "item"> {
  const attempts = delivery.attempts + 1;
  const responseCode = sent.responseCode ?? null;
  if (sent.kind === "delivered") {
    const over = { status: "delivered", nextAttemptAt: null, endedAt: nowMs, error: null } as const;
    const patch = { ...over, attempts, responseCode, commandId: sent.commandId ?? null };
    return { patch, item: null };
  }
  const error = whole(sent.error, ERROR_CHARS);
  const waitMs = waitAfter(attempts, sent, random);
  if (waitMs !== null) {
    return { patch: { attempts, responseCode, error, nextAttemptAt: nowMs + waitMs }, item: null };
  }
  const over = { status: "failed", nextAttemptAt: null, endedAt: nowMs } as const;
  const patch = { ...over, attempts, responseCode, error };
  return { patch, item: run === null ? null : itemOf(delivery, run, error, nowMs) };
}

/** Up to a fifth longer by chance; null after the last. */
function waitAfter(
  attempts: number,
  { isFinal, retryAfterMs = 0 }: Extract<Sent, { kind: "failed" }>,
  random: number,
): number | null {
  const seconds = WAITS_SECONDS[attempts - 1];
  if (isFinal || seconds === undefined) return null;
  const waitMs = Math.max(seconds * 1_000, Math.min(retryAfterMs, RETRY_AFTER_MAX_MS));
  return Math.round(waitMs * (1 + random / 5));
}

/** The owner finds out that nobody was told. */
function itemOf(
  { deliveryId, automationId, runId, to, target }: StoredDelivery,
  { plan, sessionId }: StoredRun,
  error: string,
  nowMs: number,
): InboxItem {
  const whom = to === "webhook" ? "its webhook" : `the task ${target}`;
  return {
    itemId: itemOfDelivery(deliveryId),
    userId: plan.owner.user,
    kind: "attention",
    automationId,
    runId,
    sessionId,
    title: `${plan.name} could not tell ${whom}`,
    summary: error,
    state: "unread",
    snoozedUntil: null,
    createdAt: nowMs,
    updatedAt: nowMs,
  };
}
