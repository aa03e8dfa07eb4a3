/** Owns SQL on the smaller records of a run: artifacts, connector invocations, policy decisions. */
import { type Insertable, type Selectable, sql, type Updateable } from "kysely";
import type { ClientBase } from "pg";
import type { Failure } from "../../core/errors.ts";
import { asId } from "../../core/ids.ts";
import { canMoveArtifact } from "../../core/transitions.ts";
import { ARTIFACT_STATUSES, type ArtifactStatus, type ErrorClass } from "../../core/vocabulary.ts";
import type { Artifact, ArtifactVisibility } from "../../domain/artifacts.ts";
import type {
  ArtifactRepository,
  InvocationRepository,
  PolicyDecisionRepository,
} from "../../domain/store.ts";
import { building, fixed, fixedRows, run } from "../fixed.ts";
import {
  type ArtifactTable,
  type Db,
  type InvocationTable,
  isoOf,
  jsonb,
  type PolicyDecisionTable,
  type PolicyInputTable,
} from "../schema.ts";
import type { Later } from "../transaction.ts";

const INVOCATIONS = "connector_invocations";

export function artifactOf(row: Selectable<ArtifactTable>): Artifact {
  return {
    artifactId: asId("artifact", row.artifact_id),
    tenantId: row.tenant_id,
    commandId: asId("command", row.command_id),
    stepId: row.step_id,
    artifactType: row.artifact_type,
    version: row.version,
    parentArtifactId:
      row.parent_artifact_id === null ? null : asId("artifact", row.parent_artifact_id),
    title: row.title,
    status: row.status as ArtifactStatus,
    visibility: row.visibility as ArtifactVisibility,
    content: row.content,
    location: row.location,
    checksum: row.checksum,
    lineage: row.lineage,
    creator: row.creator,
    createdAt: isoOf(row.created_at),
  };
}

export function artifactRepository(db: Db): ArtifactRepository {
  return {
    insert: async (artifact) => {
      const row = await db
        .insertInto("concord.artifacts")
        .values({
          artifact_id: artifact.artifactId,
          tenant_id: artifact.tenantId,
          command_id: artifact.commandId,
          step_id: artifact.stepId,
          artifact_type: artifact.artifactType,
          version: artifact.version,
          parent_artifact_id: artifact.parentArtifactId,
          location: artifact.location,
          title: artifact.title,
          status: artifact.status,
          visibility: artifact.visibility,
          content: jsonb(artifact.content),
          checksum: artifact.checksum,
          lineage: jsonb(artifact.lineage),
          creator: artifact.creator,
        })
        .onConflict((conflict) =>
          conflict
            .column("parent_artifact_id")
            .where("parent_artifact_id", "is not", null)
            .doNothing(),
        )
        .returning("artifact_id")
        .executeTakeFirst();
      return row !== undefined;
    },
    move: async (id, from, to) => {
      if (!canMoveArtifact(from, to)) throw new Error(`an artifact never moves ${from} to ${to}`);
      const { numUpdatedRows } = await db
        .updateTable("concord.artifacts")
        .set({ status: to })
        .where("artifact_id", "=", id)
        .where("status", "=", from)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },
    noteRead: async (commandId, id) => {
      await db
        .insertInto("concord.artifact_reads")
        .values({ command_id: commandId, artifact_id: id })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
    find: async (id, tenantId) => {
      const row = await db
        .selectFrom("concord.artifacts")
        .selectAll()
        .where("artifact_id", "=", id)
        .where("tenant_id", "=", tenantId)
        .executeTakeFirst();
      return row === undefined ? undefined : artifactOf(row);
    },
    archiveCancelled: async (commandId) => {
      const rows = await db
        .updateTable("concord.artifacts")
        .set({ status: "archived", metadata: sql`metadata || '{"cancelled": true}'::jsonb` })
        .where("command_id", "=", commandId)
        .where("status", "in", UNDOABLE)
        .returning("artifact_id")
        .execute();
      return rows.map((row) => asId("artifact", row.artifact_id));
    },
  };
}

/** What may be archived when the command that wrote it is undone. */
const UNDOABLE = ARTIFACT_STATUSES.filter((from) =>
  canMoveArtifact(from, "archived", { isUndone: true }),
);

const startInvocation = fixed<Parameters<InvocationRepository["start"]>[0] & { payload: string }>(
  (call) =>
    building.insertInto("concord.connector_invocations").values({
      connector_invocation_id: call.invocationId,
      command_id: call.commandId,
      domain_effect_id: call.effectId,
      step_id: call.stepId,
      attempt: call.attempt,
      connector_name: call.connector,
      operation: call.operation,
      side_effect: call.sideEffect,
      idempotency_key: call.idempotencyKey,
      status: "started",
      input_hash: call.inputHash,
      request_payload: call.payload,
      trace_id: call.traceId,
    }),
);
const finishInvocation = fixed<Updateable<InvocationTable> & { readonly id: string }>((outcome) =>
  building
    .updateTable("concord.connector_invocations")
    .set({
      status: outcome.status,
      output_summary: outcome.output_summary,
      error: outcome.error,
      error_class: outcome.error_class,
      retry_after_ms: outcome.retry_after_ms,
      latency_ms: outcome.latency_ms,
      completed_at: sql`clock_timestamp()`,
    })
    .where("connector_invocation_id", "=", outcome.id),
);
const invocationsOf = fixed<{ readonly commandId: string; readonly stepId: string }>((of) =>
  building
    .selectFrom("concord.connector_invocations")
    .select(HISTORY)
    .where("command_id", "=", of.commandId)
    .where("step_id", "=", of.stepId)
    .orderBy("attempt"),
);
const HISTORY = [
  "connector_invocation_id",
  "status",
  "error_class",
  "error",
  "completed_at",
  "retry_after_ms",
] as const;
type HistoryRow = Pick<Selectable<InvocationTable>, (typeof HISTORY)[number]>;

export function invocationRepository(client: ClientBase, later: Later): InvocationRepository {
  return {
    start: async (call) => {
      const insert = startInvocation({ ...call, payload: jsonb(call.requestPayload) });
      await later({ table: INVOCATIONS, kind: "insert", compile: () => insert });
    },
    finish: async (id, outcome) => {
      const update = finishInvocation({
        id,
        status: outcome.ok ? "succeeded" : "failed",
        output_summary: outcome.outputSummary,
        error: outcome.failure?.message ?? null,
        error_class: outcome.failure?.errorClass ?? null,
        retry_after_ms: outcome.failure?.retryAfterMs ?? null,
        latency_ms: outcome.latencyMs,
      });
      await later({ table: INVOCATIONS, kind: "update", compile: () => update });
    },
    history: async (commandId, stepId) => {
      const rows = await run<HistoryRow>(client, invocationsOf({ commandId, stepId }));
      const last = rows.at(-1);
      if (last === undefined) return { attempts: 0, failures: [], last: undefined };
      return {
        attempts: rows.length,
        failures: rows.map(failureIn),
        last: {
          invocationId: last.connector_invocation_id,
          status: last.status as "started" | "succeeded" | "failed",
          errorClass: last.error_class as ErrorClass | null,
          error: last.error,
          completedAtMs: last.completed_at?.getTime() ?? null,
          retryAfterMs: last.retry_after_ms,
        },
      };
    },
  };
}

function failureIn(
  row: Pick<Selectable<InvocationTable>, "error_class" | "error">,
): Failure | undefined {
  if (row.error_class === null) return undefined;
  return { errorClass: row.error_class as ErrorClass, message: row.error ?? "the call failed" };
}

const insertPolicyInput = fixed<Insertable<PolicyInputTable>>((input) =>
  building.insertInto("concord.policy_inputs").values({
    policy_input_id: input.policy_input_id,
    command_id: input.command_id,
    circumstances: input.circumstances,
    inputs_hash: input.inputs_hash,
    masked: input.masked,
  }),
);
const DECISION_COLUMNS = [
  "policy_decision_id",
  "policy_input_id",
  "command_id",
  "policy",
  "policy_version",
  "mode",
  "decision",
  "reasons",
  "required_approvals",
  "redactions",
  "inputs_hash",
] as const satisfies readonly (keyof Insertable<PolicyDecisionTable>)[];
const insertDecisions = fixedRows<Insertable<PolicyDecisionTable>>(DECISION_COLUMNS, (rows) =>
  building.insertInto("concord.policy_decisions").values(rows),
);

export function policyDecisionRepository(later: Later): PolicyDecisionRepository {
  return {
    insert: async (record) => {
      const { inputId, commandId, decisions, inputsHash } = record;
      const input = insertPolicyInput({
        policy_input_id: inputId,
        command_id: commandId,
        circumstances: jsonb(record.circumstances),
        inputs_hash: inputsHash,
        masked: record.masked,
      });
      await later({ table: "policy_inputs", kind: "insert", compile: () => input });
      if (decisions.length === 0) return;
      const insert = insertDecisions(
        decisions.map((one) => ({
          policy_decision_id: record.newId(),
          policy_input_id: inputId,
          command_id: commandId,
          policy: one.policy,
          policy_version: one.version,
          mode: one.mode,
          decision: one.decision,
          reasons: jsonb(one.reasons),
          required_approvals: jsonb(one.requiredApprovals),
          redactions: jsonb(one.redactions),
          inputs_hash: inputsHash,
        })),
      );
      await later({ table: "policy_decisions", kind: "insert", compile: () => insert });
    },
  };
}
