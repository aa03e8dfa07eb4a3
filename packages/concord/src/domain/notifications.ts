/** Owns what a person finds in the application's inbox, and who may read it: the person, or a member of the group. */
import type { Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import { type CommandId, decodeId, type NotificationId } from "../core/ids.ts";
import type { InboxMessage } from "./connectors.ts";
import type { ListOptions, Page } from "./reading.ts";

export interface Notification extends InboxMessage {
  readonly notificationId: NotificationId;
  readonly commandId: CommandId;
  readonly createdAt: string;
  readonly readAt: string | null;
}

export interface NotificationFilter extends ListOptions {
  /** Only what nobody has read. */
  readonly unread?: boolean;
}

export interface NotificationService {
  list(principal: Principal, filter: NotificationFilter): Promise<Page<Notification>>;
  /** Marks it as read; again is fine. Throws `not_found`, also for what was told to somebody else. */
  read(principal: Principal, id: string): Promise<Notification>;
}

/** What storage does for it. */
export interface NotificationReader {
  list(principal: Principal, filter: NotificationFilter): Promise<Page<Notification>>;
  read(principal: Principal, id: NotificationId): Promise<Notification | undefined>;
}

export function createNotificationService(reader: NotificationReader): NotificationService {
  return {
    list: reader.list,
    read: async (principal, text) => {
      const id = decodeId("notification", text);
      const found = id === undefined ? undefined : await reader.read(principal, id);
      if (found === undefined) throw new Refusal("not_found", "There is no such notification.");
      return found;
    },
  };
}
