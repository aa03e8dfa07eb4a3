/** Owns SQL on `notifications`, the application's own inbox: one message for each tenant and key. */
import type { NotificationRepository } from "../../domain/store.ts";
import type { Db } from "../schema.ts";

export function notificationRepository(db: Db): NotificationRepository {
  const find = async (tenantId: string, deliveryKey: string) => {
    const row = await db
      .selectFrom("concord.notifications")
      .select("notification_id")
      .where("tenant_id", "=", tenantId)
      .where("delivery_key", "=", deliveryKey)
      .executeTakeFirst();
    return row?.notification_id;
  };
  return {
    find,
    deliver: async (notification) => {
      const { notificationId, tenantId, deliveryKey, recipient } = notification;
      const inserted = await db
        .insertInto("concord.notifications")
        .values({
          notification_id: notificationId,
          tenant_id: tenantId,
          command_id: notification.commandId,
          delivery_key: deliveryKey,
          recipient_kind: recipient.kind,
          recipient: recipient.name,
          title: notification.title,
          body: notification.body,
        })
        .onConflict((conflict) => conflict.columns(["tenant_id", "delivery_key"]).doNothing())
        .returning("notification_id")
        .executeTakeFirst();
      return inserted?.notification_id ?? (await find(tenantId, deliveryKey)) ?? notificationId;
    },
  };
}
