/**
 * Owns what an inbound webhook is (API-9): who may send it, which task it becomes, and what makes two deliveries
 * the same event. Refuses to own: signatures, which the API room checks before anything is read.
 */
import type { JsonObject } from "../core/json.ts";
import type { SecretRef } from "./connectors.ts";

export interface WebhookDefinition {
  /** The last part of its address: `POST /webhooks/<provider>`. */
  readonly provider: string;
  readonly description: string;
  /** Shared with the sender; signs `<timestamp>.<body>` with HMAC-SHA256. */
  readonly secretRef: SecretRef;
  /** What each event submits, with ingress `external_webhook`. */
  readonly task: string;
  /** Whose commands they are; the sender has no say in it. */
  readonly tenant: string;
  /** What the sender may do; default nothing beyond what the task's policies give anybody. */
  readonly permissions?: readonly string[];
  /** The provider's id of the event: delivered twice, it is one command (CMD-16). */
  readonly eventId: (body: JsonObject) => string | undefined;
  readonly payload: (body: JsonObject) => JsonObject;
}
