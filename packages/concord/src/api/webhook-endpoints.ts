/** Owns outbound webhooks over HTTP: endpoints, their secrets' rotation, what became of deliveries, and sending again. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { decodeId, encodeId } from "../core/ids.ts";
import type { Concord } from "../domain/face.ts";
import {
  type Asking,
  DELIVERY_STATUSES,
  type WebhookDelivery,
  type WebhookEndpoint,
} from "../domain/webhook-endpoints.ts";
import type { ConcordApp } from "./app.ts";
import { type ApiEnv, type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { listed } from "./paging.ts";
import { refusals } from "./refusals.ts";
import { body, Id, json, Name, Paging, PERSON, page } from "./routes.ts";

const TextOrNull = z.string().nullable();
const EndpointView = z
  .object({
    webhook_id: z.string(),
    url: z.string(),
    description: z.string(),
    event_types: z.array(z.string()).openapi({ description: "Empty: all." }),
    secret_ref: z.string(),
    previous_secret_ref: TextOrNull,
    previous_until: TextOrNull.openapi({ description: "Until then both secrets sign." }),
    status: z.enum(["enabled", "disabled", "deleted"]),
    disabled_reason: TextOrNull,
    failures: z.number().openapi({ description: "Deliveries in a row that were given up." }),
    created_by: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi("Webhook");
const DeliveryView = z
  .object({
    delivery_id: z.string(),
    webhook_id: z.string(),
    event_id: z.string().openapi({ description: "The webhook-id header of every attempt." }),
    event_type: z.string(),
    status: z.enum(DELIVERY_STATUSES),
    round: z.number().openapi({ description: "How often it was started." }),
    attempts: z.number().openapi({ description: "In this round." }),
    response_code: z.number().nullable(),
    error: TextOrNull,
    next_attempt_at: TextOrNull,
    created_at: z.string(),
    completed_at: TextOrNull,
    log: z.array(
      z.object({
        at: z.string(),
        round: z.number(),
        response_code: z.number().nullable(),
        error: TextOrNull,
        latency_ms: z.number(),
        signed_with: z.array(z.string()),
      }),
    ),
  })
  .openapi("WebhookDelivery");

const fields = {
  url: z.string().min(1).max(2_048),
  event_types: z.array(z.string().max(64)).max(50).optional().openapi({
    description: "Names such as state_transitioned, or a beginning with *; empty: all.",
  }),
  description: z.string().max(200).optional(),
};
const SecretRef = z.string().min(1).max(512).openapi({
  description:
    "env:CONCORD_WEBHOOK_<TENANT>__<NAME>, or a file: or concordance: path with the tenant in it.",
});
const CreateBody = z.strictObject({ ...fields, secret_ref: SecretRef }).openapi("NewWebhook", {
  example: {
    url: "https://example.com/concert",
    secret_ref: "env:CONCORD_WEBHOOK_ACME__SHOP",
    event_types: ["state_transitioned", "approval_*"],
  },
});
const ChangeBody = z
  .strictObject({ ...fields, url: fields.url.optional() })
  .openapi("WebhookChange");
const RotateBody = z
  .strictObject({
    secret_ref: SecretRef,
    overlap_minutes: z.number().int().min(0).max(20_160).optional().openapi({
      description: "How long the old secret signs beside the new one; default a day.",
    }),
  })
  .openapi("WebhookRotation");
const EnableBody = z
  .strictObject({
    skip_missed: z.boolean().optional().openapi({
      description: "True: from now on. Default: where it stopped.",
    }),
  })
  .openapi("WebhookEnabling");
const DisableBody = z.strictObject({ reason: Name.optional() }).openapi("WebhookDisabling");

const ONE = json("The webhook as it now is", EndpointView);
const WRITING = [
  "invalid_json",
  "invalid_request",
  "validation_error",
  "forbidden",
  "not_found",
  "request_too_large",
] as const;
const at = "/webhook-endpoints/{id}";

const addRoute = createRoute({
  method: "post",
  path: "/webhook-endpoints",
  operationId: "createWebhook",
  summary: "Send events to a URL from now on; for owners.",
  security: PERSON,
  request: body(CreateBody),
  responses: { 201: ONE, ...refusals(...WRITING) },
});
const listRoute = createRoute({
  method: "get",
  path: "/webhook-endpoints",
  operationId: "listWebhooks",
  summary: "Who hears of the tenant's events; for owners.",
  security: PERSON,
  request: { query: z.object(Paging) },
  responses: {
    200: json("Newest first", page(EndpointView)),
    ...refusals("invalid_request", "invalid_cursor", "forbidden"),
  },
});
const getRoute = createRoute({
  method: "get",
  path: at,
  operationId: "getWebhook",
  summary: "One webhook.",
  security: PERSON,
  request: { params: Id },
  responses: { 200: ONE, ...refusals("invalid_request", "forbidden", "not_found") },
});
const changeRoute = createRoute({
  method: "patch",
  path: at,
  operationId: "updateWebhook",
  summary: "Another URL, other events, another description.",
  security: PERSON,
  request: { params: Id, ...body(ChangeBody) },
  responses: { 200: ONE, ...refusals(...WRITING) },
});
const deleteRoute = createRoute({
  method: "delete",
  path: at,
  operationId: "deleteWebhook",
  summary: "Send nothing there any more; what was sent stays on record.",
  security: PERSON,
  request: { params: Id },
  responses: { 200: ONE, ...refusals("invalid_request", "forbidden", "not_found") },
});
const rotateRoute = createRoute({
  method: "post",
  path: `${at}/rotate`,
  operationId: "rotateWebhookSecret",
  summary: "Sign with another secret; both sign for a while.",
  security: PERSON,
  request: { params: Id, ...body(RotateBody) },
  responses: { 200: ONE, ...refusals(...WRITING) },
});
const enableRoute = createRoute({
  method: "post",
  path: `${at}/enable`,
  operationId: "enableWebhook",
  summary: "Send again, from where it stopped.",
  security: PERSON,
  request: { params: Id, body: { content: { "application/json": { schema: EnableBody } } } },
  responses: { 200: ONE, ...refusals(...WRITING) },
});
const disableRoute = createRoute({
  method: "post",
  path: `${at}/disable`,
  operationId: "disableWebhook",
  summary: "Send nothing for now; what happens meanwhile is kept.",
  security: PERSON,
  request: { params: Id, body: { content: { "application/json": { schema: DisableBody } } } },
  responses: { 200: ONE, ...refusals(...WRITING) },
});
const deliveriesRoute = createRoute({
  method: "get",
  path: "/webhook-deliveries",
  operationId: "listWebhookDeliveries",
  summary: "What became of events that were to be sent; for owners.",
  security: PERSON,
  request: {
    query: z.object({
      webhook_id: Name.optional(),
      status: z.enum(DELIVERY_STATUSES).optional(),
      event_type: Name.optional(),
      ...Paging,
    }),
  },
  responses: {
    200: json("Newest first", page(DeliveryView)),
    ...refusals("invalid_request", "invalid_cursor", "forbidden"),
  },
});
const deliveryRoute = createRoute({
  method: "get",
  path: "/webhook-deliveries/{id}",
  operationId: "getWebhookDelivery",
  summary: "One delivery and its last attempts.",
  security: PERSON,
  request: { params: Id },
  responses: {
    200: json("The delivery", DeliveryView),
    ...refusals("invalid_request", "forbidden", "not_found"),
  },
});
const redeliverRoute = createRoute({
  method: "post",
  path: "/webhook-deliveries/{id}/redeliver",
  operationId: "redeliverWebhook",
  summary: "Send it again under the same webhook-id, whatever became of it.",
  security: PERSON,
  request: { params: Id },
  responses: {
    202: json("Asked for", DeliveryView),
    ...refusals("invalid_request", "forbidden", "not_found", "endpoint_disabled"),
  },
});

export function addWebhookEndpoints(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  for (const path of ["/webhook-endpoints", "/webhook-deliveries"]) {
    app.use(path, identify(auth));
    app.use(`${path}/*`, identify(auth));
  }
  addReading(app, concord);
  addDeliveries(app, concord);
  const { webhookEndpoints: webhooks } = concord;
  const answer = async (work: () => Promise<WebhookEndpoint>) =>
    endpointView(await answering(concord, work));
  app.openapi(addRoute, async (context) => {
    const { secret_ref: secretRef, ...rest } = context.req.valid("json");
    const request = { ...changeOf(rest), url: rest.url, secretRef };
    return context.json(await answer(() => webhooks.create(asking(context), request)), 201);
  });
  app.openapi(changeRoute, async (context) => {
    const { id } = context.req.valid("param");
    const change = changeOf(context.req.valid("json"));
    return context.json(await answer(() => webhooks.update(asking(context), id, change)), 200);
  });
  app.openapi(deleteRoute, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(await answer(() => webhooks.remove(asking(context), id)), 200);
  });
  app.openapi(rotateRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { secret_ref, overlap_minutes } = context.req.valid("json");
    const rotate = () => webhooks.rotate(asking(context), id, secret_ref, overlap_minutes);
    return context.json(await answer(rotate), 200);
  });
  app.openapi(enableRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { skip_missed } = context.req.valid("json");
    const enable = () => webhooks.enable(asking(context), id, skip_missed);
    return context.json(await answer(enable), 200);
  });
  app.openapi(disableRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { reason } = context.req.valid("json");
    const disable = () => webhooks.disable(asking(context), id, reason);
    return context.json(await answer(disable), 200);
  });
}

function addReading(app: ConcordApp, concord: Concord): void {
  app.openapi(listRoute, async (context) => {
    const filter = context.req.valid("query");
    const principal = person(context.get("principal"));
    const list = () => concord.webhookEndpoints.list(principal, filter);
    return context.json(await listed(concord, list, endpointView), 200);
  });
  app.openapi(getRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const found = await answering(concord, () => concord.webhookEndpoints.get(principal, id));
    return context.json(endpointView(found), 200);
  });
}

function addDeliveries(app: ConcordApp, concord: Concord): void {
  const { webhookEndpoints: webhooks } = concord;
  app.openapi(deliveriesRoute, async (context) => {
    const { webhook_id, event_type, ...rest } = context.req.valid("query");
    const principal = person(context.get("principal"));
    const endpointId = webhook_id === undefined ? undefined : decodeId("webhook", webhook_id);
    if (webhook_id !== undefined && endpointId === undefined) {
      return context.json({ items: [], next_cursor: null }, 200);
    }
    const filter = { ...rest, endpointId, eventType: event_type };
    const list = () => webhooks.deliveries(principal, filter);
    return context.json(await listed(concord, list, deliveryView), 200);
  });
  app.openapi(deliveryRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const found = await answering(concord, () => webhooks.delivery(principal, id));
    return context.json(deliveryView(found), 200);
  });
  app.openapi(redeliverRoute, async (context) => {
    const { id } = context.req.valid("param");
    const found = await answering(concord, () => webhooks.redeliver(asking(context), id));
    return context.json(deliveryView(found), 202);
  });
}

function asking(context: Context<ApiEnv>): Asking {
  const principal = person(context.get("principal"));
  return { principal, traceId: context.get("trace").traceId };
}

function changeOf({ url, event_types, description }: z.infer<typeof ChangeBody>) {
  return {
    ...(url === undefined ? {} : { url }),
    ...(event_types === undefined ? {} : { eventTypes: event_types }),
    ...(description === undefined ? {} : { description }),
  };
}

function endpointView(one: WebhookEndpoint) {
  return {
    webhook_id: encodeId("webhook", one.endpointId),
    url: one.url,
    description: one.description,
    event_types: [...one.eventTypes],
    secret_ref: one.secretRef,
    previous_secret_ref: one.previous?.secretRef ?? null,
    previous_until: one.previous?.until ?? null,
    status: one.status,
    disabled_reason: one.disabledReason,
    failures: one.failures,
    created_by: one.createdBy,
    created_at: one.createdAt,
    updated_at: one.updatedAt,
  };
}

function deliveryView(one: WebhookDelivery) {
  return {
    delivery_id: encodeId("delivery", one.deliveryId),
    webhook_id: encodeId("webhook", one.endpointId),
    event_id: encodeId("event", one.eventId),
    event_type: one.eventType,
    status: one.status,
    round: one.round,
    attempts: one.attempts,
    response_code: one.responseCode,
    error: one.error,
    next_attempt_at: one.nextAttemptAt,
    created_at: one.createdAt,
    completed_at: one.completedAt,
    log: one.log.map(({ responseCode, latencyMs, signedWith, ...rest }) => ({
      ...rest,
      response_code: responseCode,
      latency_ms: latencyMs,
      signed_with: [...signedWith],
    })),
  };
}
