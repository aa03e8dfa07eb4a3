/** The sending of webhooks for other services of Concert: signed, guarded and bounded as Concord's own are. */
export { waitBeforeRetryMs } from "../../core/retry.ts";
export type { OutgoingMessage, SendResult, WebhookSender } from "../../domain/webhook-delivery.ts";
export { secretProblem } from "../../domain/webhook-service.ts";
export { parseRanges } from "../connectors/http/addresses.ts";
export { envSecrets } from "../connectors/secrets.ts";
export { createWebhookSender, type SenderOptions } from "./sender.ts";
