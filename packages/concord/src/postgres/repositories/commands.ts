/** Owns SQL on `commands`: insert by key, lock; whoever changes a row has made or locked it in the same transaction. */
import { type Selectable, sql } from "kysely";
import type { ClientBase } from "pg";
import type { Command, CommandContext, ExecutionPlan } from "../../core/command.ts";
import { asId } from "../../core/ids.ts";
import type { Json } from "../../core/json.ts";
import type {
  CancellationMode,
  CommandStatus,
  ErrorClass,
  IngressType,
} from "../../core/vocabulary.ts";
import type { CommandRepository, NewCommand, StatusPatch } from "../../domain/store.ts";
import { building, fixed, run } from "../fixed.ts";
import type { Change, Columns, HeldRows } from "../held-rows.ts";
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
    isParked: row.parked_run !== null && row.parked_run === row.dbos_workflow_id,
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

type CommandRow = Selectable<CommandTable>;

/** Statements of every command. */
const locked = fixed<{ readonly id: string }>(({ id }) =>
  building
    .selectFrom("concord.commands")
    .selectAll()
    .select(sql<Date>`now()`.as("now"))
    .where("command_id", "=", id)
    .forUpdate(),
);
type Inserted = Omit<NewCommand, "payload" | "context"> & {
  readonly payload: string;
  readonly context: string;
};
const inserted = fixed<Inserted>((command) =>
  building
    .insertInto("concord.commands")
    .values({
      command_id: command.commandId,
      tenant_id: command.tenantId,
      command_type: command.commandType,
      task_name: command.taskName,
      status: "created",
      requested_by: command.requestedBy,
      ingress: command.ingress,
      payload: command.payload,
      context: command.context,
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
    .returningAll(),
);

export function commandRepository(db: Db, client: ClientBase, held: HeldRows): CommandRepository {
  const one = async (query: {
    executeTakeFirst(): Promise<Selectable<CommandTable> | undefined>;
  }) => {
    const row = await query.executeTakeFirst();
    return row === undefined ? undefined : commandOf(row);
  };
  const byId = (id: string) =>
    db.selectFrom("concord.commands").selectAll().where("command_id", "=", id);
  return {
    ...writes(client, held),
    ...keyReads(db),
    find: (id) => one(byId(id)),
    lock: async (id) => {
      const [row] = await run<CommandRow & { now: Date }>(client, locked({ id }));
      if (row === undefined) return undefined;
      const command = commandOf(row);
      held.hold(command, isoOf(row.now));
      return command;
    },
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
  | "insert"
  | "move"
  | "requestCancellation"
  | "setFacts"
  | "setPayload"
  | "setWorkflow"
  | "park"
  | "unpark"
  | "setStepResult"
>;

function writes(client: ClientBase, held: HeldRows): Writes {
  return {
    insert: async (command) => {
      const json = { payload: jsonb(command.payload), context: jsonb(command.context) };
      const [row] = await run<CommandRow>(client, inserted({ ...command, ...json }));
      if (row === undefined) return undefined;
      const made = commandOf(row);
      held.hold(made, made.createdAt, true);
      return made;
    },
    move: async (id, from, to, patch) => {
      const row = held.find(id);
      if (row?.command.status !== from) return undefined;
      return held.change(id, moveOf(to, patch, row.now));
    },
    requestCancellation: (id, by, reason) =>
      held.change(id, {
        command: { cancellationRequestedAt: held.find(id)?.now ?? null },
        columns: {
          cancellation_requested_at: sql`now()`,
          cancellation_requested_by: by,
          cancellation_reason: reason,
        },
      }),
    setFacts: async (id, facts) => {
      await held.change(id, { command: { facts }, columns: { facts: jsonb(facts) } });
    },
    setPayload: async (id, payload) => {
      await held.change(id, { command: { payload }, columns: { payload: jsonb(payload) } });
    },
    setWorkflow: async (id, workflowId) => {
      const columns = { dbos_workflow_id: workflowId, parked_run: null };
      await held.change(id, { command: { workflowId, isParked: false }, columns });
    },
    park: (id, workflowId) =>
      held.change(id, {
        command: { workflowId, isParked: true },
        columns: { dbos_workflow_id: workflowId, parked_run: workflowId },
      }),
    unpark: (id) =>
      held.change(id, { command: { isParked: false }, columns: { parked_run: null } }),
    setStepResult: (id, stepId, result) =>
      held.change(id, { command: {}, result: { [stepId]: result } }),
  };
}

function moveOf(to: CommandStatus, patch: StatusPatch, now: string): Change {
  const { planned, result, failure, completed } = patch;
  const command: Partial<Command> = {
    status: to,
    completedAt: completed ? now : null,
    ...(planned === undefined ? {} : { plan: planned.plan, workflowId: planned.workflowId }),
    ...(result === undefined ? {} : { result }),
    ...(failure === undefined ? {} : { error: failure.message, errorClass: failure.errorClass }),
  };
  const columns: Columns = {
    status: to,
    completed_at: completed ? sql`now()` : null,
    ...(planned === undefined
      ? {}
      : { plan: jsonb(planned.plan), dbos_workflow_id: planned.workflowId }),
    ...(result === undefined ? {} : { result: jsonb(result) }),
    ...(failure === undefined ? {} : { error: failure.message, error_class: failure.errorClass }),
  };
  return { command, columns };
}
