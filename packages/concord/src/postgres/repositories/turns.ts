/** Owns SQL on an agent turn's moves and calls: what the agent said, once per step. */
import { sql } from "kysely";
import type { ClientBase } from "pg";
import { asId } from "../../core/ids.ts";
import { RESTING_STATUSES } from "../../core/vocabulary.ts";
import type { AgentMove, RecordedCall, TokenUsage } from "../../domain/agents.ts";
import type { TurnRepository } from "../../domain/store.ts";
import { building, fixed } from "../fixed.ts";
import type { HeldRows } from "../held-rows.ts";
import { type Db, jsonb } from "../schema.ts";
import { query } from "../transaction.ts";
import { commandOf } from "./commands.ts";

/** Literals: a plan that is made once for all parameters would not know how few commands are open. */
const RESTING = RESTING_STATUSES.map((status) => sql.lit(status));

interface WaitingRow {
  readonly command_id: string;
  readonly tenant_id: string;
  readonly dbos_workflow_id: string;
  readonly parked_run: string | null;
}
interface Waited {
  readonly commandId: string;
  readonly parentCommandId: string | null;
}
const waiting = fixed<Waited>(({ commandId, parentCommandId }) =>
  building
    .selectFrom("concord.commands")
    .select(["command_id", "tenant_id", "dbos_workflow_id", "parked_run"])
    .where("status", "not in", RESTING)
    .where("dbos_workflow_id", "is not", null)
    // One list and no OR: then it is looked up by id, however many commands are open.
    .where(
      sql<boolean>`command_id IN (SELECT ${parentCommandId}::uuid
        UNION ALL SELECT command_id FROM concord.agent_calls WHERE child_command_id = ${commandId}
        UNION ALL SELECT child_command_id FROM concord.command_dependencies
          WHERE parent_command_id = ${commandId})`,
    ),
);

export function turnRepository(db: Db, client: ClientBase, held: HeldRows): TurnRepository {
  return {
    ...callReads(db, client, held),
    moves: async (commandId) => {
      const rows = await db
        .selectFrom("concord.agent_moves")
        .selectAll()
        .where("command_id", "=", commandId)
        .orderBy("step_index")
        .execute();
      return rows.map((row) => ({
        stepIndex: row.step_index,
        move: row.move as unknown as AgentMove,
        usage: row.usage as unknown as TokenUsage,
      }));
    },
    calls: async (commandId) => {
      const rows = await db
        .selectFrom("concord.agent_calls")
        .selectAll()
        .where("command_id", "=", commandId)
        .orderBy("step_index")
        .orderBy("ordinal")
        .execute();
      return rows.map((row) => ({
        stepIndex: row.step_index,
        callId: row.call_id,
        toolName: row.tool_name,
        childCommandId:
          row.child_command_id === null ? null : asId("command", row.child_command_id),
        refusal: row.refusal as unknown as RecordedCall["refusal"],
      }));
    },
    recordMove: async (commandId, stepIndex, move, usage) => {
      const inserted = await db
        .insertInto("concord.agent_moves")
        .values({
          command_id: commandId,
          step_index: stepIndex,
          move: jsonb(move),
          usage: jsonb(usage),
        })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return (inserted.numInsertedOrUpdatedRows ?? 0n) > 0n;
    },
    recordCall: async (commandId, ordinal, call) => {
      await db
        .insertInto("concord.agent_calls")
        .values({
          command_id: commandId,
          step_index: call.stepIndex,
          ordinal,
          call_id: call.callId,
          tool_name: call.toolName,
          child_command_id: call.childCommandId,
          refusal: call.refusal === null ? null : jsonb(call.refusal),
        })
        .execute();
    },
  };
}

function callReads(
  db: Db,
  client: ClientBase,
  held: HeldRows,
): Pick<TurnRepository, "called" | "holdAsked" | "waitingFor"> {
  return {
    holdAsked: async (commandId) => {
      // Skips what somebody else holds: waiting for it here could be waiting for each other.
      const { rows } = await sql<{ is_asked: boolean }>`
        WITH held AS (
          SELECT command_id FROM concord.commands
          WHERE command_id IN (SELECT child_command_id FROM concord.agent_calls WHERE command_id = ${commandId})
            AND (status IN (${sql.join(RESTING)}) OR (status IN ('waiting_for_approval', 'waiting_for_input')))
          FOR SHARE SKIP LOCKED)
        SELECT NOT EXISTS (
          SELECT 1 FROM concord.agent_calls WHERE command_id = ${commandId} AND child_command_id IS NOT NULL
            AND child_command_id NOT IN (SELECT command_id FROM held)) AS is_asked`.execute(db);
      return rows[0]?.is_asked === true;
    },
    called: async (commandId) => {
      const rows = await db
        .selectFrom("concord.commands")
        .selectAll()
        .where("command_id", "in", (query) =>
          query
            .selectFrom("concord.agent_calls")
            .select("child_command_id")
            .where("command_id", "=", commandId)
            .where("child_command_id", "is not", null)
            .$narrowType<{ child_command_id: string }>(),
        )
        .execute();
      return rows.map(commandOf);
    },
    waitingFor: async ({ commandId, parentCommandId }) => {
      // Nobody can wait for what nobody can know of yet.
      if (parentCommandId === null && held.isNew(commandId)) return [];
      // A wake too many is harmless, so what this transaction has yet to write need not be written for it.
      const { rows } = await query(client, waiting({ commandId, parentCommandId }));
      return (rows as WaitingRow[]).map((row) => ({
        commandId: asId("command", row.command_id),
        tenant: row.tenant_id,
        workflowId: row.dbos_workflow_id,
        isParked: row.parked_run === row.dbos_workflow_id,
      }));
    },
  };
}
