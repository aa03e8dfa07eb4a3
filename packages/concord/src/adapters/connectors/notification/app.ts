/** Owns telling people in the application itself: a row in their inbox, once for each key, in the command's tenant. */
import type { JsonObject } from "../../../core/json.ts";
import type { RetryDeclaration } from "../../../core/retry.ts";
import {
  assertIssued,
  type ConnectorDefinition,
  type InboxMessage,
} from "../../../domain/connectors.ts";
import { TELLING, type TellingOptions } from "./telling.ts";

const INPUT = {
  type: "object",
  required: ["recipient", "title", "body"],
  additionalProperties: false,
  properties: {
    recipient_kind: { enum: ["user", "group"] },
    recipient: { type: "string", minLength: 1, maxLength: 200 },
    title: { type: "string", minLength: 1, maxLength: 200 },
    body: { type: "string", minLength: 1, maxLength: 10_000 },
  },
} as const;

/** One row for each key: trying again does no harm, and the database may be slow for a while. */
const AGAIN: RetryDeclaration = { attemptsMax: 5, waitsSeconds: [1, 5, 30, 120] };

/** Operation `send_app_notification`; `recipient` is a user unless `recipient_kind` is `group`. */
export function appNotificationConnector(options: TellingOptions): ConnectorDefinition {
  const { name, keyTemplate } = options;
  return {
    name,
    connectorType: "notification",
    riskLevel: "low",
    auth: { mode: "none" },
    operations: {
      send_app_notification: {
        ...TELLING,
        description: "Put a message into somebody's inbox.",
        keyTemplate,
        inputSchema: INPUT,
        timeoutMs: 5_000,
        retry: options.retry ?? AGAIN,
        call: async (input, context) => {
          assertIssued(context);
          const key = context.idempotencyKey ?? "";
          const { notificationId } = await context.inbox.deliver(key, messageOf(input));
          return { ok: true, output: { channel: "app", notification_id: notificationId } };
        },
        lookup: async (key, context) => {
          const found = await context.inbox.find(key);
          if (found === undefined) return undefined;
          return { ok: true, output: { channel: "app", notification_id: found.notificationId } };
        },
      },
    },
  };
}

function messageOf(input: JsonObject): InboxMessage {
  const kind = input["recipient_kind"] === "group" ? "group" : "user";
  return {
    recipient: { kind, name: String(input["recipient"]) },
    title: String(input["title"]),
    body: String(input["body"]),
  };
}
