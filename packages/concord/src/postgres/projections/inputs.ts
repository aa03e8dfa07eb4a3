/** Owns the list of what people are asked: the questions of one tenant, newest first, by an opaque cursor. */
import type { Pool } from "pg";
import { asId } from "../../core/ids.ts";
import type { InputStatus } from "../../core/vocabulary.ts";
import type { AskedInput, InputFilter, Page } from "../../domain/reading.ts";
import { inputRequestOf } from "../repositories/waits.ts";
import { isoOf, overPool } from "../schema.ts";
import { olderThan, pageOf } from "./lists.ts";

export async function listInputs(
  pool: Pool,
  tenantId: string,
  { status, commandId, cursor, limit }: InputFilter,
): Promise<Page<AskedInput>> {
  let asked = overPool(pool)
    .selectFrom("concord.input_requests")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .orderBy("created_at", "desc")
    .orderBy("input_request_id", "desc")
    .limit(limit + 1);
  if (status !== undefined) asked = asked.where("status", "=", status);
  if (commandId !== undefined) {
    asked = asked.where("command_id", "in", (of) =>
      of
        .selectFrom("concord.commands")
        .select("command_id")
        .where((where) =>
          where.or([where("command_id", "=", commandId), where("root_command_id", "=", commandId)]),
        ),
    );
  }
  if (cursor !== undefined) asked = asked.where(olderThan(cursor, "input_request_id"));
  const rows = await overPool(pool)
    .selectFrom(asked.as("asked"))
    .innerJoin("concord.commands as command", "command.command_id", "asked.command_id")
    .selectAll("asked")
    .select(["command.root_command_id", "command.task_name", "command.requested_by"])
    .orderBy("asked.created_at", "desc")
    .orderBy("asked.input_request_id", "desc")
    .execute();
  const items = rows.map((row) => ({
    ...inputRequestOf(row),
    commandId: asId("command", row.command_id),
    rootCommandId: asId("command", row.root_command_id),
    taskName: row.task_name,
    requestedBy: row.requested_by,
    status: row.status as InputStatus,
    createdAt: isoOf(row.created_at),
    closedAt: row.closed_at === null ? null : isoOf(row.closed_at),
    answeredBy: row.answered_by,
  }));
  return pageOf(items, limit, (one) => [one.createdAt, one.inputRequestId]);
}
