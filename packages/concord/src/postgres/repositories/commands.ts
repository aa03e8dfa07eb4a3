/** Owns SQL on `commands`: insert by key, lock, compare-and-set. */
import { type Selectable, sql } from "kysely";
import type { Command, CommandContext, ExecutionPlan } from "../../core/command.ts";
import { asId } from "../../core/ids.ts";
import type { Json } from "../../core/json.ts";
import type {
  CancellationMode,
  CommandStatus,
  ErrorClass,
  IngressType,
} from "../../core/vocabulary.ts";
import type { CommandRepository } from "../../domain/store.ts";
import { type CommandTable, type Db, isoOf, isoOrNull, jsonb } from "../schema.ts";

export function commandOf(row: Selectable<CommandTable>): Command {
  return {
    commandId: asId("command", row.command_id),
    tenantId: row.tenant_id,
    commandType: row.command_type,
    taskName: row.task_name,
    status: row.status as CommandStatus,
    requestedBy: row.requested_by,
    ingress: row.ingress as IngressType,
    payload: row.payload,
    context: row.context as unknown as CommandContext,
    facts: row.facts,
    plan: row.plan as unknown as ExecutionPlan | null,
    stepResults: row.step_results,
    requestHash: row.request_hash,
    idempotencyKey: row.idempotency_key,
    parentCommandId: row.parent_command_id === null ? null : asId("command", row.parent_command_id),
    rootCommandId: asId("command", row.root_command_id),
    traceId: row.trace_id,
    workflowId: row.dbos_workflow_id,
    hasDependencies: row.has_dependencies,
    cancellationMode: row.cancellation_mode as CancellationMode,
    cancellationRequestedAt: isoOrNull(row.cancellation_requested_at),
    result: row.result as Json,
    error: row.error,
    errorClass: row.error_class as ErrorClass | null,
    createdAt: isoOf(row.created_at),
    updatedAt: isoOf(row.updated_at),
    completedAt: isoOrNull(row.completed_at),
  };
}

export function commandRepository(db: Db): CommandRepository {
  const one = async (query: {
    executeTakeFirst(): Promise<Selectable<CommandTable> | undefined>;
  }) => {
    const row = await query.executeTakeFirst();
    return row === undefined ? undefined : commandOf(row);
  };
  const byId = (id: string) =>
    db.selectFrom("concord.commands").selectAll().where("command_id", "=", id);
  return {
    ...writes(db),
    ...keyReads(db),
    find: (id) => one(byId(id)),
    lock: (id) => one(byId(id).forUpdate()),
    findByKey: (tenantId, commandType, key) =>
      one(
        db
          .selectFrom("concord.commands")
          .selectAll()
          .where("tenant_id", "=", tenantId)
          .where("command_type", "=", commandType)
          .where("idempotency_key", "=", key),
      ),
    children: async (parentId) => {
      const rows = await db
        .selectFrom("concord.commands")
        .selectAll()
        .where("parent_command_id", "=", parentId)
        .orderBy("command_id")
        .execute();
      return rows.map(commandOf);
    },
    move: (id, from, to, patch) =>
      one(
        db
          .updateTable("concord.commands")
          .set({
            status: to,
            updated_at: sql`now()`,
            completed_at: patch.completed ? sql`now()` : null,
            ...(patch.planned === undefined
              ? {}
              : {
                  plan: jsonb(patch.planned.plan),
                  dbos_workflow_id: patch.planned.workflowId,
                }),
            ...(patch.result === undefined ? {} : { result: jsonb(patch.result) }),
            ...(patch.failure === undefined
              ? {}
              : { error: patch.failure.message, error_class: patch.failure.errorClass }),
          })
          .where("command_id", "=", id)
          .where("status", "=", from)
          .returningAll(),
      ),
    requestCancellation: async (id, by, reason) =>
      commandOf(
        await db
          .updateTable("concord.commands")
          .set({
            cancellation_requested_at: sql`now()`,
            cancellation_requested_by: by,
            cancellation_reason: reason,
            updated_at: sql`now()`,
          })
          .where("command_id", "=", id)
          .returningAll()
          .executeTakeFirstOrThrow(),
      ),
  };
}

type KeyReads = Pick<CommandRepository, "claimDerivedKey" | "countRecent">;

function keyReads(db: Db): KeyReads {
  return {
    claimDerivedKey: async (tenantId, commandType, derivedKey) => {
      await lockName(db, ["derived key", tenantId, commandType, derivedKey]);
      const rows = await db
        .selectFrom("concord.commands")
        .selectAll()
        .select(sql<string>`count(*) OVER ()`.as("holders"))
        .where("tenant_id", "=", tenantId)
        .where("command_type", "=", commandType)
        .where("derived_key", "=", derivedKey)
        .orderBy("created_at", "desc")
        .limit(1)
        .execute();
      const [row] = rows;
      return {
        latest: row === undefined ? undefined : commandOf(row),
        count: Number(row?.holders ?? 0),
      };
    },
    countRecent: async (command, seconds) => {
      const { tenantId, requestedBy, commandType, commandId } = command;
      await lockName(db, ["recent commands", tenantId, requestedBy, commandType]);
      const row = await db
        .selectFrom("concord.commands")
        .select(sql<string>`count(*)`.as("count"))
        .where("tenant_id", "=", tenantId)
        .where("requested_by", "=", requestedBy)
        .where("command_type", "=", commandType)
        .where("command_id", "<>", commandId)
        .where(sql<boolean>`created_at > clock_timestamp() - make_interval(secs => ${seconds})`)
        .where(sql<boolean>`error_class IS DISTINCT FROM 'policy_denied'`)
        .executeTakeFirst();
      return Number(row?.count ?? 0);
    },
  };
}

/** Holds everyone else who wants the same name until the transaction ends. */
async function lockName(db: Db, name: readonly string[]): Promise<void> {
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${JSON.stringify(name)}, 0))`.execute(db);
}

type Writes = Pick<
  CommandRepository,
  "insert" | "setFacts" | "setPayload" | "setWorkflow" | "setStepResult"
>;

function writes(db: Db): Writes {
  const update = (id: string) =>
    db.updateTable("concord.commands").where("command_id", "=", id).set({ updated_at: sql`now()` });
  return {
    insert: async (command) => {
      const row = await db
        .insertInto("concord.commands")
        .values({
          command_id: command.commandId,
          tenant_id: command.tenantId,
          command_type: command.commandType,
          task_name: command.taskName,
          status: "created",
          requested_by: command.requestedBy,
          ingress: command.ingress,
          payload: jsonb(command.payload),
          context: jsonb(command.context),
          request_hash: command.requestHash,
          idempotency_key: command.idempotencyKey,
          derived_key: command.derivedKey,
          parent_command_id: command.parentCommandId,
          root_command_id: command.rootCommandId,
          trace_id: command.traceId,
          cancellation_mode: command.cancellationMode,
        })
        .onConflict((conflict) =>
          conflict.columns(["tenant_id", "command_type", "idempotency_key"]).doNothing(),
        )
        .returningAll()
        .executeTakeFirst();
      return row === undefined ? undefined : commandOf(row);
    },
    setFacts: async (id, facts) => {
      await update(id)
        .set({ facts: jsonb(facts) })
        .execute();
    },
    setPayload: async (id, payload) => {
      await update(id)
        .set({ payload: jsonb(payload) })
        .execute();
    },
    setWorkflow: async (id, workflowId) => {
      await update(id).set({ dbos_workflow_id: workflowId }).execute();
    },
    setStepResult: async (id, stepId, result) => {
      const addition = jsonb({ [stepId]: result });
      return commandOf(
        await update(id)
          .set({ step_results: sql`step_results || ${addition}::jsonb` })
          .returningAll()
          .executeTakeFirstOrThrow(),
      );
    },
  };
}
