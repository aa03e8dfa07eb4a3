/**
 * Owns how much of an action is on record (V-68, AUD-13), from what only a trace knows to what nobody may ever doubt. What
 * becomes a command is never below tier 3; a task may promise tier 4, and then has to leave everything of it. Pure.
 */

export const AUDIT_TIERS = [
  "ephemeral",
  "observable",
  "domain_event",
  "durable",
  "high_risk",
] as const;
export type AuditTier = (typeof AUDIT_TIERS)[number];

export const AUDIT_RECORDS = [
  "trace",
  "metric",
  "event",
  "command",
  "policy",
  "approval",
  "artifact",
  "idempotency",
  "compensation",
] as const;
export type AuditRecord = (typeof AUDIT_RECORDS)[number];

const RECORDS: Readonly<Record<AuditTier, readonly AuditRecord[]>> = {
  ephemeral: ["trace"],
  observable: ["trace", "metric"],
  domain_event: ["trace", "metric", "event"],
  durable: ["trace", "metric", "event", "command", "policy"],
  high_risk: AUDIT_RECORDS,
};

export function recordsOf(tier: AuditTier): readonly AuditRecord[] {
  return RECORDS[tier];
}

/** Tiers that a task may have: what is asked of Concord is a command. */
export const TASK_TIERS = ["durable", "high_risk"] as const satisfies readonly AuditTier[];
export type TaskTier = (typeof TASK_TIERS)[number];

/** What a tier needs and `leaves` does not hold. */
export function missingRecords(
  tier: AuditTier,
  leaves: ReadonlySet<AuditRecord>,
): readonly AuditRecord[] {
  return RECORDS[tier].filter((one) => !leaves.has(one));
}

/** The highest tier whose records are all there. */
export function tierReached(leaves: ReadonlySet<AuditRecord>): AuditTier {
  const reached = AUDIT_TIERS.filter((tier) => missingRecords(tier, leaves).length === 0);
  return reached.at(-1) ?? "ephemeral";
}
