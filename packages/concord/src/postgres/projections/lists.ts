/** Owns lists for people: commands and approvals of one tenant, newest first, by an opaque cursor. */
import { type Expression, type SqlBool, sql } from "kysely";
import type { Pool } from "pg";
import type { Command } from "../../core/command.ts";
import { Refusal } from "../../core/errors.ts";
import type { Approval } from "../../domain/approvals.ts";
import type { ApprovalFilter, CommandFilter, Page } from "../../domain/reading.ts";
import { approvalOf } from "../repositories/approvals.ts";
import { commandOf } from "../repositories/commands.ts";
import { overPool } from "../schema.ts";

export async function listCommands(
  pool: Pool,
  tenantId: string,
  filter: CommandFilter,
): Promise<Page<Command>> {
  let query = overPool(pool)
    .selectFrom("concord.commands")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .orderBy("created_at", "desc")
    .orderBy("command_id", "desc")
    .limit(filter.limit + 1);
  if (filter.status !== undefined) query = query.where("status", "=", filter.status);
  if (filter.taskName !== undefined) query = query.where("task_name", "=", filter.taskName);
  if (filter.rootCommandId !== undefined) {
    query = query.where("root_command_id", "=", filter.rootCommandId);
  }
  const { requestedBy, ingress, since, until } = filter;
  if (requestedBy !== undefined) query = query.where("requested_by", "=", requestedBy);
  if (ingress !== undefined) query = query.where("ingress", "=", ingress);
  if (since !== undefined) query = query.where(sql<boolean>`created_at >= ${since}::timestamptz`);
  if (until !== undefined) query = query.where(sql<boolean>`created_at < ${until}::timestamptz`);
  if (filter.cursor !== undefined) query = query.where(olderThan(filter.cursor, "command_id"));
  const commands = (await query.execute()).map(commandOf);
  return pageOf(commands, filter.limit, (one) => [one.createdAt, one.commandId]);
}

export async function listApprovals(
  pool: Pool,
  tenantId: string,
  filter: ApprovalFilter,
): Promise<Page<Approval>> {
  let query = overPool(pool)
    .selectFrom("concord.approvals")
    .selectAll()
    .where("tenant_id", "=", tenantId)
    .orderBy("created_at", "desc")
    .orderBy("approval_id", "desc")
    .limit(filter.limit + 1);
  if (filter.status !== undefined) query = query.where("status", "=", filter.status);
  if (filter.commandId !== undefined) {
    const id = filter.commandId;
    query = query.where((where) =>
      where.or([where("command_id", "=", id), where("root_command_id", "=", id)]),
    );
  }
  if (filter.cursor !== undefined) query = query.where(olderThan(filter.cursor, "approval_id"));
  const approvals = (await query.execute()).map(approvalOf);
  return pageOf(approvals, filter.limit, (one) => [one.createdAt, one.approvalId]);
}

/** The page, and the cursor of the next one when `rows` holds one more than `limit`. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  keyOf: (row: T) => readonly [string, string],
): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const nextCursor =
    rows.length > limit && last !== undefined
      ? Buffer.from(JSON.stringify(keyOf(last))).toString("base64url")
      : null;
  return { items, nextCursor };
}

const UUID = /^[0-9a-f-]{36}$/;

/**
 * Times are compared in milliseconds, as the cursor holds them; the id settles the rest. The first condition says nothing new,
 * but by it an index is entered at the cursor instead of being read up to it.
 */
export function olderThan(
  cursor: string,
  idColumn:
    | "command_id"
    | "approval_id"
    | "incident_id"
    | "input_request_id"
    | "notification_id"
    | "endpoint_id"
    | "delivery_id",
): Expression<SqlBool> {
  const [at, id] = parsePlace(cursor);
  const time = sql.ref("created_at");
  return sql<SqlBool>`${time} < ${at}::timestamptz + interval '1 millisecond'
    AND (date_trunc('milliseconds', ${time}), ${sql.ref(idColumn)}) < (${at}::timestamptz, ${id}::uuid)`;
}

function parsePlace(cursor: string): readonly [string, string] {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    if (Array.isArray(place)) {
      const [at, id] = place as unknown[];
      const isPlace =
        typeof at === "string" &&
        typeof id === "string" &&
        !Number.isNaN(Date.parse(at)) &&
        UUID.test(id);
      if (isPlace) return [new Date(at).toISOString(), id];
    }
  } catch {
    // Not ours: refused below like any other text.
  }
  throw new Refusal(
    "invalid_cursor",
    "The cursor is not one this list gave out; start without it.",
  );
}
