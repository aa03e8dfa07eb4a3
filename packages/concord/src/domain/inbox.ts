/**
 * Owns delivering to the application's own inbox from inside a step: the command's tenant, once for each key. Our own
 * storage is no vendor: when it fails, the call has not failed, and the step is entered again.
 */
import type { Command } from "../core/command.ts";
import { eventOf } from "./audit.ts";
import type { Inbox, InboxMessage } from "./connectors.ts";
import type { Kit } from "./kit.ts";
import type { Store } from "./store.ts";

export interface WatchedInbox {
  readonly inbox: Inbox;
  /** Throws what storage threw, whatever the connector made of it. */
  readonly assertStored: () => void;
}

export function inboxOf(store: Store, kit: Kit, command: Command): WatchedInbox {
  let broken: { readonly error: unknown } | undefined;
  const watched = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      broken = { error };
      throw error;
    }
  };
  return {
    inbox: {
      find: async (key) => {
        const id = await watched(store.read((tx) => tx.notifications.find(command.tenantId, key)));
        return id === undefined ? undefined : { notificationId: id };
      },
      deliver: (key, message) => watched(deliver(store, kit, command, key, message)),
    },
    assertStored: () => {
      if (broken !== undefined) throw broken.error;
    },
  };
}

function deliver(store: Store, kit: Kit, command: Command, key: string, message: InboxMessage) {
  const { tenantId, commandId } = command;
  return store.transaction(async (tx) => {
    const fresh = kit.newId();
    const notification = { ...message, notificationId: fresh, tenantId, commandId };
    const notificationId = await tx.notifications.deliver({ ...notification, deliveryKey: key });
    if (notificationId === fresh) {
      const { kind, name } = message.recipient;
      const told = { channel: "app", recipient: `${kind}:${name}`, title: message.title };
      await tx.events.append([eventOf(command, "notification_sent", told)]);
    }
    return { notificationId };
  });
}
