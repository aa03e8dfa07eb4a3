/** Owns SQL on what a command waits for: questions to its requester, and other commands. */
import { type Selectable, sql } from "kysely";
import { asId } from "../../core/ids.ts";
import { type CommandStatus, RESTING_STATUSES } from "../../core/vocabulary.ts";
import type { Dependency } from "../../domain/dependencies.ts";
import type { InputRequest } from "../../domain/input.ts";
import type { DependencyRepository, InputRepository } from "../../domain/store.ts";
import type { HeldRows } from "../held-rows.ts";
import { type Db, type InputRequestTable, isoOf } from "../schema.ts";
import { commandOf } from "./commands.ts";

/** A literal: a plan that is made once for all parameters cannot use the index over open questions alone. */
const OPEN = sql.lit("open");

export function inputRepository(db: Db): InputRepository {
  return {
    ask: async (command, request) => {
      await db
        .insertInto("concord.input_requests")
        .values({
          input_request_id: request.inputRequestId,
          tenant_id: command.tenantId,
          command_id: command.commandId,
          question: request.question,
          questions: JSON.stringify(request.questions),
          answer_schema: JSON.stringify(request.answerSchema),
          asked_by: request.askedBy,
          expires_at: request.expiresAt,
        })
        .execute();
    },
    open: async (commandId) => {
      const row = await db
        .selectFrom("concord.input_requests")
        .selectAll()
        .where("command_id", "=", commandId)
        .where("status", "=", OPEN)
        .executeTakeFirst();
      return row === undefined ? undefined : inputRequestOf(row);
    },
    close: async (commandId, as, by) => {
      const closed = await db
        .updateTable("concord.input_requests")
        .set({ status: as, answered_by: by, closed_at: sql`now()` })
        .where("command_id", "=", commandId)
        .where("status", "=", OPEN)
        .returning("input_request_id")
        .executeTakeFirst();
      return closed === undefined ? undefined : asId("input", closed.input_request_id);
    },
  };
}

export function inputRequestOf(row: Selectable<InputRequestTable>): InputRequest {
  return {
    inputRequestId: asId("input", row.input_request_id),
    question: row.question,
    questions: row.questions,
    answerSchema: row.answer_schema,
    askedBy: row.asked_by,
    expiresAt: isoOf(row.expires_at),
  };
}

export function dependencyRepository(db: Db, held: HeldRows): DependencyRepository {
  return {
    lockGraph: async (tenantId) => {
      const name = JSON.stringify(["dependencies", tenantId]);
      await sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(db);
    },
    add: async (child, dependency) => {
      await db
        .insertInto("concord.command_dependencies")
        .values({
          child_command_id: child.commandId,
          parent_command_id: dependency.parentId,
          tenant_id: child.tenantId,
          required_status: dependency.requiredStatus,
          propagate_cancellation: dependency.propagateCancellation,
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await held.change(child.commandId, {
        command: { hasDependencies: true },
        columns: { has_dependencies: true },
      });
    },
    of: async (childId) => {
      const rows = await db
        .selectFrom("concord.command_dependencies")
        .selectAll()
        .where("child_command_id", "=", childId)
        .orderBy("parent_command_id")
        .execute();
      return rows.map(dependencyOf);
    },
    parentsOf: async (childIds) => {
      const rows = await db
        .selectFrom("concord.command_dependencies")
        .select("parent_command_id")
        .distinct()
        .where("child_command_id", "in", childIds)
        .execute();
      return rows.map((row) => asId("command", row.parent_command_id));
    },
    dependents: async (parentId) => {
      const rows = await db
        .selectFrom("concord.command_dependencies as edge")
        .innerJoin("concord.commands as child", "child.command_id", "edge.child_command_id")
        .selectAll("child")
        .select(["edge.parent_command_id", "edge.required_status", "edge.propagate_cancellation"])
        .where("edge.parent_command_id", "=", parentId)
        .where("child.status", "not in", [...RESTING_STATUSES])
        .orderBy("child.command_id")
        .execute();
      return rows.map((row) => ({
        command: commandOf(row),
        dependency: dependencyOf({ ...row, parent_command_id: parentId }),
      }));
    },
  };
}

function dependencyOf(row: {
  readonly parent_command_id: string;
  readonly required_status: string;
  readonly propagate_cancellation: boolean;
}): Dependency {
  return {
    parentId: asId("command", row.parent_command_id),
    requiredStatus: row.required_status as CommandStatus,
    propagateCancellation: row.propagate_cancellation,
  };
}
