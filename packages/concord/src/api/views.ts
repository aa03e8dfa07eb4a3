/** Owns the shapes on the wire (wire §2): snake_case, outside ids. The only place that converts. */
import { z } from "@hono/zod-openapi";
import type { Command } from "../core/command.ts";
import { contextTold } from "../core/context.ts";
import { encodeId, type IdKind } from "../core/ids.ts";
import { TIMELINE_KINDS } from "../core/timeline.ts";
import {
  APPROVAL_STATUSES,
  ARTIFACT_STATUSES,
  COMMAND_STATUSES,
  ERROR_CLASSES,
  INGRESS_TYPES,
  RISK_LEVELS,
} from "../core/vocabulary.ts";
import type { Approval } from "../domain/approvals.ts";
import {
  ARTIFACT_VISIBILITIES,
  type Artifact,
  type ArtifactRef,
  type CommandRef,
  type Lineage,
} from "../domain/artifacts.ts";
import type { DomainEvent } from "../domain/audit.ts";
import { type Explanation, REASON_KINDS } from "../domain/explain.ts";
import type { AuditReport, TimelineEntry } from "../domain/reading.ts";
import type { Tool } from "../domain/tasks.ts";

const Open = z.record(z.string(), z.unknown());
const Text = z.string();
const TextOrNull = z.string().nullable();

const ContextView = z.object({
  user_id: Text,
  tenant_id: Text,
  workspace_id: TextOrNull,
  app_id: TextOrNull,
  team_id: TextOrNull,
  environment: TextOrNull,
  run_as: Text,
  trace_id: Text,
  request_id: Text,
});

export const CommandView = z
  .object({
    command_id: Text,
    command_type: Text,
    task_name: Text,
    status: z.enum(COMMAND_STATUSES),
    state: z.enum(COMMAND_STATUSES).openapi({ description: "The same as status." }),
    requested_by: Text,
    tenant_id: Text,
    ingress: z.enum(INGRESS_TYPES),
    payload: Open,
    result: z.unknown(),
    error: TextOrNull,
    error_class: z.enum(ERROR_CLASSES).nullable(),
    parent_command_id: TextOrNull,
    root_command_id: Text,
    trace_id: Text,
    idempotency_key: TextOrNull,
    plan: z.unknown(),
    context: ContextView,
    created_at: Text,
    updated_at: Text,
    completed_at: TextOrNull,
    replayed: z.boolean().optional(),
  })
  .openapi("Command");
export type CommandView = z.infer<typeof CommandView>;

export function commandView(command: Command, replayed = false): CommandView {
  return {
    command_id: encodeId("command", command.commandId),
    command_type: command.commandType,
    task_name: command.taskName,
    status: command.status,
    state: command.status,
    requested_by: command.requestedBy,
    tenant_id: command.tenantId,
    ingress: command.ingress,
    payload: command.payload,
    result: command.result,
    error: command.error,
    error_class: command.errorClass,
    parent_command_id: outside("command", command.parentCommandId),
    root_command_id: encodeId("command", command.rootCommandId),
    trace_id: command.traceId,
    idempotency_key: command.idempotencyKey,
    plan: planView(command),
    context: contextTold(command),
    created_at: command.createdAt,
    updated_at: command.updatedAt,
    completed_at: command.completedAt,
    ...(replayed ? { replayed } : {}),
  };
}

/** What a person reads before deciding; the wire promises these parts, each packet has them (APR-3). */
const ReviewPacketView = z
  .looseObject({
    action: Text,
    requester: Text,
    why: Text,
    affected: z.array(z.object({ label: Text, value: z.unknown() })),
    triggering_policy: Text,
    after_approval: Text,
    risk_level: z.enum(RISK_LEVELS),
    expires_at: Text,
    payload_hash: Text,
  })
  .openapi("ReviewPacket");

export const ApprovalView = z
  .object({
    approval_id: Text,
    command_id: Text,
    root_command_id: Text,
    approval_type: Text,
    status: z.enum(APPROVAL_STATUSES),
    approver: Text,
    requested_by: Text,
    review_packet: ReviewPacketView,
    risk_level: z.enum(RISK_LEVELS),
    expires_at: Text,
    quorum: z.number().openapi({ description: "How many different people have to approve." }),
    votes: z.array(z.object({ by: Text, on_behalf_of: TextOrNull, at: Text })),
    delegations: z.array(z.object({ by: Text, to: Text, at: Text })),
    escalates_at: TextOrNull,
    escalated_to: TextOrNull.openapi({
      description: "Who may decide as well, once that time has come.",
    }),
    created_at: Text,
    decided_at: TextOrNull,
    decided_by: TextOrNull,
    decision: TextOrNull,
    decision_reason: TextOrNull,
  })
  .openapi("Approval");
export type ApprovalView = z.infer<typeof ApprovalView>;

export function approvalView(approval: Approval): ApprovalView {
  return {
    approval_id: encodeId("approval", approval.approvalId),
    command_id: encodeId("command", approval.commandId),
    root_command_id: encodeId("command", approval.rootCommandId),
    approval_type: approval.approvalType,
    status: approval.status,
    approver: approval.approver.name,
    requested_by: approval.requestedBy,
    review_packet: approval.reviewPacket as z.infer<typeof ReviewPacketView>,
    risk_level: approval.riskLevel,
    expires_at: approval.expiresAt,
    quorum: approval.quorum,
    votes: approval.votes.map(({ by, onBehalfOf, at }) => ({ by, on_behalf_of: onBehalfOf, at })),
    delegations: approval.delegations.map(({ by, to, at }) => ({ by, to, at })),
    escalates_at: approval.escalation?.at ?? null,
    escalated_to: approval.escalatedAt === null ? null : (approval.escalation?.to.name ?? null),
    created_at: approval.createdAt,
    decided_at: approval.decidedAt,
    decided_by: approval.decidedBy,
    decision: approval.decision,
    decision_reason: approval.decisionReason,
  };
}

export const ArtifactView = z
  .object({
    artifact_id: Text,
    command_id: Text,
    artifact_type: Text,
    version: z.number(),
    parent_artifact_id: TextOrNull.openapi({ description: "The version before." }),
    title: Text,
    status: z.enum(ARTIFACT_STATUSES),
    visibility: z.enum(ARTIFACT_VISIBILITIES),
    rendering: TextOrNull.openapi({ description: "text, markdown, table, json or link: a hint." }),
    content: Open,
    location: TextOrNull.openapi({ description: "Where the body lies, when not in content." }),
    checksum: Text,
    lineage: Open,
    creator: Text,
    created_at: Text,
  })
  .openapi("Artifact");
export type ArtifactView = z.infer<typeof ArtifactView>;

export function artifactView(artifact: Artifact, rendering: string | undefined): ArtifactView {
  return {
    artifact_id: encodeId("artifact", artifact.artifactId),
    command_id: encodeId("command", artifact.commandId),
    artifact_type: artifact.artifactType,
    version: artifact.version,
    parent_artifact_id: outside("artifact", artifact.parentArtifactId),
    title: artifact.title,
    status: artifact.status,
    visibility: artifact.visibility,
    rendering: rendering ?? null,
    content: artifact.content,
    location: artifact.location,
    checksum: artifact.checksum,
    lineage: artifact.lineage,
    creator: artifact.creator,
    created_at: artifact.createdAt,
  };
}

const CommandRefView = z.object({ command_id: Text, task_name: Text });
const ArtifactRefView = z.object({
  artifact_id: Text,
  artifact_type: Text,
  version: z.number(),
});

export const ArtifactLineageView = z
  .object({
    artifact_id: Text,
    upstream: z.object({
      command: CommandRefView,
      turn: CommandRefView.extend({ agent_type: Text }).nullable(),
      calls: z.array(
        z.object({ connector: Text, operation: Text, step_id: Text, completed_at: Text }),
      ),
      artifacts: z.array(ArtifactRefView),
    }),
    downstream: z.object({
      commands: z.array(CommandRefView),
      artifacts: z.array(ArtifactRefView),
    }),
  })
  .openapi("ArtifactLineage");

export function artifactLineageView({
  artifact,
  upstream,
  downstream,
}: Lineage): z.infer<typeof ArtifactLineageView> {
  const command = ({ commandId, taskName }: CommandRef) => ({
    command_id: encodeId("command", commandId),
    task_name: taskName,
  });
  const reference = ({ artifactId, artifactType, version }: ArtifactRef) => ({
    artifact_id: encodeId("artifact", artifactId),
    artifact_type: artifactType,
    version,
  });
  const { turn } = upstream;
  return {
    artifact_id: encodeId("artifact", artifact.artifactId),
    upstream: {
      command: command(upstream.command),
      turn: turn === null ? null : { ...command(turn), agent_type: turn.agentType },
      calls: upstream.calls.map(({ connector, operation, stepId, completedAt }) => ({
        connector,
        operation,
        step_id: stepId,
        completed_at: completedAt,
      })),
      artifacts: upstream.artifacts.map(reference),
    },
    downstream: {
      commands: downstream.commands.map(command),
      artifacts: downstream.artifacts.map(reference),
    },
  };
}

export const ToolView = z
  .object({
    name: Text,
    description: Text,
    input_schema: Open,
    task_name: Text,
    risk_level: z.enum(RISK_LEVELS),
    side_effect: z.boolean(),
  })
  .openapi("Tool");
export type ToolView = z.infer<typeof ToolView>;

export function toolView(tool: Tool): ToolView {
  return {
    name: tool.name,
    description: tool.description,
    input_schema: tool.inputSchema,
    task_name: tool.taskName,
    risk_level: tool.riskLevel,
    side_effect: tool.sideEffect,
  };
}

export const TimelineEntryView = z
  .object({
    cursor: Text,
    at: Text,
    kind: z.enum(TIMELINE_KINDS),
    command_id: TextOrNull,
    title: Text,
    detail: TextOrNull,
    actor: Text,
    event_type: Text,
    payload: Open,
  })
  .openapi("TimelineEntry");
export type TimelineEntryView = z.infer<typeof TimelineEntryView>;

export function timelineEntryView(entry: TimelineEntry): TimelineEntryView {
  return {
    cursor: entry.cursor,
    at: entry.at,
    kind: entry.kind,
    command_id: outside("command", entry.commandId),
    title: entry.title,
    detail: entry.detail,
    actor: entry.actor,
    event_type: entry.eventType,
    payload: entry.payload,
  };
}

export const AuditReportView = z
  .object({
    intact: z.boolean(),
    tenant_id: Text,
    seals: z.number(),
    events: z.number(),
    unsealed: z.number(),
    head: Text,
    problems: z.array(Text),
  })
  .openapi("AuditReport");

export function auditReportView({
  tenantId,
  ...report
}: AuditReport): z.infer<typeof AuditReportView> {
  return { ...report, tenant_id: tenantId, problems: [...report.problems] };
}

export const ExplanationView = z
  .object({
    command_id: Text,
    status: z.enum(COMMAND_STATUSES),
    reasons: z.array(
      z.object({ kind: z.enum(REASON_KINDS), text: Text, until: TextOrNull, about: TextOrNull }),
    ),
  })
  .openapi("Explanation");

export function explanationView({
  command,
  reasons,
}: Explanation): z.infer<typeof ExplanationView> {
  const { commandId, status } = command;
  return { command_id: encodeId("command", commandId), status, reasons: [...reasons] };
}

export const EventView = z
  .object({
    cursor: Text,
    event_id: Text,
    event_type: Text,
    command_id: TextOrNull,
    root_command_id: TextOrNull,
    parent_command_id: TextOrNull,
    tenant_id: Text,
    task_name: TextOrNull,
    status: Text.optional(),
    payload: Open,
    actor: Text,
    trace_id: Text,
    at: Text,
  })
  .openapi("Event");
export type EventView = z.infer<typeof EventView>;

export function eventView(event: DomainEvent): EventView {
  const to = event.eventType === "state_transitioned" ? event.payload["to"] : undefined;
  return {
    cursor: event.cursor,
    event_id: event.eventId,
    event_type: event.eventType,
    command_id: outside("command", event.commandId),
    root_command_id: outside("command", event.rootCommandId),
    parent_command_id: outside("command", event.parentCommandId),
    tenant_id: event.tenantId,
    task_name: event.taskName,
    ...(typeof to === "string" ? { status: to } : {}),
    payload: event.payload,
    actor: event.actor,
    trace_id: event.traceId,
    at: event.at,
  };
}

function planView({ plan }: Command) {
  if (plan === null) return null;
  return {
    plan_id: plan.planId,
    execution_mode: plan.executionMode,
    primitives: plan.primitives,
    steps: plan.steps.map((step) => ({
      step_id: step.stepId,
      primitive: step.primitive,
      function_name: step.functionName,
      depends_on: step.dependsOn,
      metadata: step.metadata,
      ...(step.effect === undefined
        ? {}
        : {
            effect: {
              effect_type: step.effect.effectType,
              idempotency_key: step.effect.idempotencyKey,
              declared_compensation: step.effect.declaredCompensation,
            },
          }),
    })),
    required_approvals: plan.requiredApprovals,
    expected_artifacts: plan.expectedArtifacts,
    memory_write_intents: plan.memoryWriteIntents,
    notification_intents: plan.notificationIntents,
    created_at: plan.createdAt,
  };
}

function outside(kind: IdKind, id: string | null): string | null {
  return id === null ? null : encodeId(kind, id);
}
