/** Owns what the commands of a task leave on record, and refusing a task that promises more (AUD-13). */
import { type AuditRecord, missingRecords, TASK_TIERS } from "../core/audit-tiers.ts";
import type { Policy } from "../core/policy.ts";
import type { TaskDefinition } from "../domain/tasks.ts";
import type { Registrations } from "./catalog.ts";

/** Every command is a row that policy judged and events explain; the rest is up to the task. */
const ALWAYS: readonly AuditRecord[] = ["trace", "metric", "event", "command", "policy"];

export interface RecordFacts {
  /** The policies that judge the task. */
  readonly policies: readonly Pick<Policy, "approvalTypes">[];
  readonly isCompensated: (effectType: string) => boolean;
}

export function recordsLeft(
  task: Pick<TaskDefinition, "steps" | "approval" | "idempotency">,
  { policies, isCompensated }: RecordFacts,
): ReadonlySet<AuditRecord> {
  const effects = task.steps.flatMap((one) =>
    one.kind === "connector" && one.effectType !== undefined ? [one.effectType] : [],
  );
  const asks =
    task.approval !== undefined ||
    policies.some(({ approvalTypes = [] }) => approvalTypes.length > 0);
  const left: readonly (readonly [AuditRecord, boolean])[] = [
    ["approval", asks],
    ["artifact", task.steps.some((one) => one.kind === "artifact")],
    // What writes outside has a key of its own.
    ["idempotency", task.idempotency !== undefined || effects.length > 0],
    ["compensation", effects.every(isCompensated)],
  ];
  return new Set([...ALWAYS, ...left.flatMap(([record, is]) => (is ? [record] : []))]);
}

export function tierProblems({ tasks, policies, compensations }: Registrations): readonly string[] {
  return tasks.flatMap((task) => {
    const { auditTier = "durable", name } = task;
    const at = `task "${name}"`;
    if (!TASK_TIERS.includes(auditTier)) {
      const known = TASK_TIERS.join(" or ");
      return [`${at}: the audit tier "${auditTier}" is not that of a command; it is ${known}`];
    }
    const facts = {
      policies: policies.filter((one) => task.policies.includes(one.name)),
      isCompensated: (type: string) => compensations.some((one) => one.of === type),
    };
    const missing = missingRecords(auditTier, recordsLeft(task, facts));
    if (missing.length === 0) return [];
    return [`${at} promises the audit tier ${auditTier}, but leaves no ${missing.join(", no ")}`];
  });
}
