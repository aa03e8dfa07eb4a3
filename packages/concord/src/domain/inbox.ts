/** Owns delivering to the application's own inbox from inside a step: the command's tenant, once for each key. */
import type { Command } from "../core/command.ts";
import { eventOf } from "./audit.ts";
import type { Inbox } from "./connectors.ts";
import type { Kit } from "./kit.ts";
import type { Store } from "./store.ts";

export function inboxOf(store: Store, kit: Kit, command: Command): Inbox {
  const { tenantId, commandId } = command;
  return {
    find: async (key) => {
      const notificationId = await store.read((tx) => tx.notifications.find(tenantId, key));
      return notificationId === undefined ? undefined : { notificationId };
    },
    deliver: (key, message) =>
      store.transaction(async (tx) => {
        const fresh = kit.newId();
        const notification = { ...message, notificationId: fresh, tenantId, commandId };
        const notificationId = await tx.notifications.deliver({
          ...notification,
          deliveryKey: key,
        });
        if (notificationId === fresh) {
          const { kind, name } = message.recipient;
          const told = { channel: "app", recipient: `${kind}:${name}`, title: message.title };
          await tx.events.append([eventOf(command, "notification_sent", told)]);
        }
        return { notificationId };
      }),
  };
}
