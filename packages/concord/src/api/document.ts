/** Owns the API document beyond the routes themselves: who may ask, the plain routes, what the whole is called. */
import { z } from "@hono/zod-openapi";
import type { ConcordApp } from "./app.ts";
import { openRefusals } from "./refusals.ts";
import { eventsRoute } from "./routes.ts";
import { EventView } from "./views.ts";

/** The OpenAPI 3.1 document of `app`, after all its routes were added. */
export function document(app: ConcordApp): object {
  const registry = app.openAPIRegistry;
  registry.registerComponent("securitySchemes", "operatorKey", {
    type: "http",
    scheme: "bearer",
    description: "A key bound to one identity.",
  });
  registry.registerComponent("securitySchemes", "webhookSignature", {
    type: "apiKey",
    in: "header",
    name: "webhook-signature",
    description:
      "t=<epoch seconds>,v1=<hex of HMAC-SHA256 over '<t>.<body>'>; counts for 5 minutes.",
  });
  registry.registerComponent("securitySchemes", "serviceKey", {
    type: "http",
    scheme: "bearer",
    description:
      "The key of Concert's own services; a person is named by the actor token beside it.",
  });
  registry.registerComponent("securitySchemes", "actor", {
    type: "apiKey",
    in: "header",
    name: "concert-actor",
    description: "A signed token, 60 s, that names the person asking.",
  });
  registry.register("Event", EventView);
  registry.registerPath(eventsRoute);
  registerPlain(app);
  return app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Concord",
      version: "1",
      description: "Durable commands with policy, approval, effects and audit.",
    },
  });
}

const Missing = z.object({
  ok: z.boolean(),
  service: z.string(),
  missing: z.array(z.string()),
});

/** Routes that need no key. */
function registerPlain(app: ConcordApp): void {
  const registry = app.openAPIRegistry;
  const json = (description: string, schema: z.ZodType) => ({
    description,
    content: { "application/json": { schema } },
  });
  registry.registerPath({
    method: "get",
    path: "/health",
    operationId: "health",
    summary: "Whether the process answers.",
    security: [],
    responses: { 200: json("It does", z.object({ ok: z.boolean(), service: z.string() })) },
  });
  registry.registerPath({
    method: "get",
    path: "/ready",
    operationId: "ready",
    summary: "Whether it can serve, or what is missing.",
    security: [],
    responses: { 200: json("It can", Missing), 503: json("Something is missing", Missing) },
  });
  registry.registerPath({
    method: "get",
    path: "/metrics",
    operationId: "metrics",
    summary: "Figures in Prometheus text.",
    security: [],
    responses: {
      200: { description: "Figures", content: { "text/plain": { schema: z.string() } } },
      ...openRefusals(),
    },
  });
}
