/** Owns a call's context for tests of one connector, outside any command. */
import { type CallContext, type InboxMessage, issueContext } from "../domain/connectors.ts";

/** What an operation is handed inside a step; delivered messages are kept by their key in `delivered`. */
export function testContext(
  fields: Partial<Pick<CallContext, "secret" | "idempotencyKey" | "signal">> & {
    readonly delivered?: Map<string, InboxMessage>;
  } = {},
): CallContext {
  const { secret, idempotencyKey = null, signal = AbortSignal.timeout(30_000) } = fields;
  const { delivered = new Map<string, InboxMessage>() } = fields;
  return issueContext({
    secret,
    idempotencyKey,
    signal,
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    inbox: {
      deliver: async (key, message) => {
        if (!delivered.has(key)) delivered.set(key, message);
        return { notificationId: key };
      },
      find: async (key) => (delivered.has(key) ? { notificationId: key } : undefined),
    },
  });
}
