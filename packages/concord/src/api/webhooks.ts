/**
 * Owns webhooks coming in (API-9): the signature over the exact bytes, the window in which a delivery counts, and one
 * command for each event however often it is delivered. Header: `webhook-signature: t=<epoch seconds>,v1=<hex>`.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { ApiError } from "@concert/service-kit";
import { createRoute, z } from "@hono/zod-openapi";
import { encodeId } from "../core/ids.ts";
import { isJsonObject, type JsonObject } from "../core/json.ts";
import type { Concord } from "../domain/face.ts";
import type { WebhookDefinition } from "../domain/webhooks.ts";
import type { ConcordApp } from "./app.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";

const WINDOW_SECONDS = 300;
const EVENT_ID = /^[\x21-\x7e]{1,128}$/;
const HEADER = "webhook-signature";

const Received = z
  .object({ command_id: z.string(), replayed: z.boolean() })
  .openapi("WebhookReceived");

const route = createRoute({
  method: "post",
  path: "/webhooks/{provider}",
  operationId: "receiveWebhook",
  summary: "An event of a registered provider; durable when it answers.",
  security: [{ webhookSignature: [] }],
  request: {
    params: z.object({ provider: z.string().min(1).max(64) }),
    body: {
      required: true,
      content: { "application/json": { schema: z.record(z.string(), z.unknown()) } },
    },
  },
  responses: {
    200: {
      description: "Delivered before",
      content: { "application/json": { schema: Received } },
    },
    202: { description: "Accepted", content: { "application/json": { schema: Received } } },
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "idempotency_conflict",
      "request_too_large",
    ),
  },
});

export function addWebhooks(app: ConcordApp, concord: Concord): void {
  // Before the body is parsed: what is not signed is not read. Unknown providers look like bad signatures.
  app.use("/webhooks/:provider", async (context, next) => {
    const webhook = concord.webhooks.find(context.req.param("provider"));
    const secret = webhook === undefined ? undefined : await concord.webhooks.secret(webhook);
    const bytes = await context.req.text();
    const header = context.req.header(HEADER) ?? "";
    if (secret === undefined || !isSigned(header, bytes, secret, Date.now())) {
      throw new ApiError(401, "unauthorized", `Send ${HEADER}: t=<epoch seconds>,v1=<hex>.`);
    }
    await next();
  });
  app.openapi(route, async (context) => {
    const { provider } = context.req.valid("param");
    const body = context.req.valid("json") as JsonObject;
    const webhook = concord.webhooks.find(provider);
    if (webhook === undefined || !isJsonObject(body)) throw new ApiError(401, "unauthorized", "");
    const { traceId } = context.get("trace");
    const { command, replayed } = await answering(concord, () =>
      concord.commands.submit({
        taskName: webhook.task,
        payload: webhook.payload(body),
        principal: senderOf(webhook),
        ingress: "external_webhook",
        traceId,
        idempotencyKey: `webhook:${provider}:${eventIdOf(webhook, body)}`,
        metadata: { provider },
      }),
    );
    const answer = { command_id: encodeId("command", command.commandId), replayed };
    return context.json(answer, replayed ? 200 : 202);
  });
}

function senderOf({ provider, tenant, permissions = [] }: WebhookDefinition) {
  return { tenant, user: `webhook:${provider}`, roles: [], permissions: [...permissions] };
}

function eventIdOf(webhook: WebhookDefinition, body: JsonObject): string {
  const id = webhook.eventId(body);
  if (id !== undefined && EVENT_ID.test(id)) return id;
  throw new ApiError(400, "validation_error", "The event has no usable id.");
}

/** Whether `header` signs `bytes` with `secret`, within the window around `nowMs`. */
export function isSigned(header: string, bytes: string, secret: string, nowMs: number): boolean {
  const match = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header);
  if (match?.[1] === undefined || match[2] === undefined) return false;
  if (Math.abs(nowMs / 1_000 - Number(match[1])) > WINDOW_SECONDS) return false;
  const wanted = createHmac("sha256", secret).update(`${match[1]}.${bytes}`).digest();
  return timingSafeEqual(wanted, Buffer.from(match[2], "hex"));
}
