/** Owns a person's inbox: what was told to them or to a group of theirs, in their tenant, newest first. */
import {
  type ExpressionBuilder,
  type ExpressionWrapper,
  type Selectable,
  type SqlBool,
  sql,
} from "kysely";
import type { Pool } from "pg";
import type { Principal } from "../../core/command.ts";
import { asId } from "../../core/ids.ts";
import type { Notification, NotificationFilter } from "../../domain/notifications.ts";
import type { Page } from "../../domain/reading.ts";
import { isoOf, isoOrNull, type NotificationTable, overPool, type Tables } from "../schema.ts";
import { olderThan, pageOf } from "./lists.ts";

export async function listNotifications(
  pool: Pool,
  principal: Principal,
  filter: NotificationFilter,
): Promise<Page<Notification>> {
  let query = overPool(pool)
    .selectFrom("concord.notifications")
    .selectAll()
    .where("tenant_id", "=", principal.tenant)
    .where(toldTo(principal))
    .orderBy("created_at", "desc")
    .orderBy("notification_id", "desc")
    .limit(filter.limit + 1);
  if (filter.unread === true) query = query.where("read_at", "is", null);
  if (filter.cursor !== undefined) query = query.where(olderThan(filter.cursor, "notification_id"));
  const found = (await query.execute()).map(notificationOf);
  return pageOf(found, filter.limit, (one) => [one.createdAt, one.notificationId]);
}

/** The notification, read now or before; undefined when it is not this person's. What a group reads is read for all. */
export async function readNotification(
  pool: Pool,
  principal: Principal,
  notificationId: string,
): Promise<Notification | undefined> {
  const row = await overPool(pool)
    .updateTable("concord.notifications")
    .set({ read_at: sql`coalesce(read_at, now())` })
    .where("notification_id", "=", notificationId)
    .where("tenant_id", "=", principal.tenant)
    .where(toldTo(principal))
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : notificationOf(row);
}

type Where = ExpressionBuilder<Tables, "concord.notifications">;

function toldTo({ user, roles }: Principal) {
  return (where: Where): ExpressionWrapper<Tables, "concord.notifications", SqlBool> => {
    const person = where.and([where("recipient_kind", "=", "user"), where("recipient", "=", user)]);
    if (roles.length === 0) return person;
    const group = where.and([
      where("recipient_kind", "=", "group"),
      where("recipient", "in", [...roles]),
    ]);
    return where.or([person, group]);
  };
}

function notificationOf(row: Selectable<NotificationTable>): Notification {
  return {
    notificationId: asId("notification", row.notification_id),
    commandId: asId("command", row.command_id),
    recipient: { kind: row.recipient_kind === "group" ? "group" : "user", name: row.recipient },
    title: row.title,
    body: row.body,
    createdAt: isoOf(row.created_at),
    readAt: isoOrNull(row.read_at),
  };
}
