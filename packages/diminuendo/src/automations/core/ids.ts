/**
 * Owns the ids that say what they stand for: a tick has one run, a run's attempt one turn, whoever names them. Two
 * schedulers that see the same tick therefore ask for the same command. Pure.
 */
import { createHash } from "node:crypto";

function derived(prefix: string, ...parts: readonly (string | number)[]): string {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  return `${prefix}_${digest.slice(0, 32)}`;
}

export const runOfTick = (automationId: string, dueMs: number): string =>
  derived("run", automationId, "tick", dueMs);

/** A run that somebody asked for, once under each key. */
export const runOnDemand = (automationId: string, userId: string, key: string): string =>
  derived("run", automationId, "demand", userId, key);

export const missedFrom = (automationId: string, firstMs: number): string =>
  derived("run", automationId, "missed", firstMs);

/**
 * The turn of an attempt; Podium submits it to Concord under a key made of this id. `spent`: how many such ids have had
 * their credits put aside and given back before the turn was kept, so that nobody has heard of them.
 */
export const turnOf = (runId: string, attempt: number, spent = 0): string =>
  derived("turn", runId, attempt, ...(spent === 0 ? [] : [spent]));

/** Under which the owner's session knows the turn. */
export const turnKey = (runId: string, attempt: number): string => `automation:${runId}:${attempt}`;
export const sessionKey = (runId: string): string => `automation:${runId}:session`;
export const deliveryKey = (runId: string): string => `automation:${runId}:delivered`;

/** Of a webhook also the `webhook-id`. */
export const deliveryOf = (runId: string, to: string): string => derived("dlv", runId, to);
/** Under which Concord knows the task that tells of a run. */
export const taskKey = (runId: string): string => `automation:${runId}:told`;
export const itemOfDelivery = (deliveryId: string): string => derived("item", deliveryId);
export const itemOfRun = (runId: string): string => derived("item", runId);
export const itemOfPause = (automationId: string, atMs: number): string =>
  derived("item", automationId, "paused", atMs);
