/**
 * Owns what somebody outside is told of a run that is over: which receivers, and the very message, made once and sent
 * however often. Pure. Refuses to own: when it is sent (delivery-attempts.ts), and how (Outside.ts).
 */
import type { StoredDelivery, StoredRun } from "../../db/stored-automations.ts";
import type { TaskTarget, WebhookTarget } from "../../protocol/index.ts";
import { deliveryOf } from "./ids.ts";
import { fillInAll } from "./prompt.ts";

/** `type` of a webhook's message. */
export const RUN_ENDED = "automation.run_ended";

/** What a task's payload may name. */
export const KNOWN_OF_RUN = [
  "automation",
  "status",
  "summary",
  "error",
  "run_id",
  "session_id",
  "due_at",
  "ended_at",
] as const;
type KnownOfRun = (typeof KNOWN_OF_RUN)[number];

/** `run` as it ended. */
export function deliveriesOf(run: StoredRun, tenantId: string): readonly StoredDelivery[] {
  const { webhook, task } = run.plan.delivery;
  return [
    ...(isWanted(run, webhook) ? [webhookDelivery(run, webhook, tenantId)] : []),
    ...(isWanted(run, task) ? [taskDelivery(run, task)] : []),
  ];
}

function isWanted<T extends { readonly when: "always" | "problems" }>(
  { status }: StoredRun,
  target: T | undefined,
): target is T {
  return target !== undefined && (target.when === "always" || status !== "succeeded");
}

function webhookDelivery(
  run: StoredRun,
  { url, secretRef }: WebhookTarget,
  tenantId: string,
): StoredDelivery {
  const body = JSON.stringify({
    type: RUN_ENDED,
    timestamp: isoOf(run.endedAt),
    data: {
      tenant_id: tenantId,
      automation_id: run.automationId,
      name: run.plan.name,
      run_id: run.runId,
      cause: run.cause,
      due_at: isoOf(run.dueAt),
      started_at: isoOf(run.startedAt),
      ended_at: isoOf(run.endedAt),
      status: run.status,
      attempt: run.attempt,
      session_id: run.sessionId,
      turn_id: run.turnId,
      command_id: run.commandId,
      summary: run.summary,
      error: run.error,
    },
  });
  return { ...newDelivery(run, "webhook", url), message: { secretRef, body } };
}

function taskDelivery(run: StoredRun, { name, payload }: TaskTarget): StoredDelivery {
  const filled = fillInAll(payload, knownOf(run)) as TaskTarget["payload"];
  const { dueAt, plan } = run;
  return {
    ...newDelivery(run, "task", name),
    message: { payload: filled, owner: plan.owner, dueAt },
  };
}

function knownOf(run: StoredRun): Readonly<Record<KnownOfRun, string>> {
  return {
    automation: run.plan.name,
    status: run.status,
    summary: run.summary,
    error: run.error?.message ?? "",
    run_id: run.runId,
    session_id: run.sessionId ?? "",
    due_at: isoOf(run.dueAt) ?? "",
    ended_at: isoOf(run.endedAt) ?? "",
  };
}

function newDelivery(run: StoredRun, to: StoredDelivery["to"], target: string) {
  const nowMs = run.endedAt ?? run.dueAt;
  return {
    deliveryId: deliveryOf(run.runId, to),
    automationId: run.automationId,
    runId: run.runId,
    to,
    target,
    status: "pending" as const,
    attempts: 0,
    nextAttemptAt: nowMs,
    responseCode: null,
    commandId: null,
    error: null,
    createdAt: nowMs,
    endedAt: null,
  };
}

const isoOf = (atMs: number | null): string | null =>
  atMs === null ? null : new Date(atMs).toISOString();
