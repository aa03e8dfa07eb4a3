/** Owns the route that tells what the connectors can do and on which terms (CON-14). */
import { createRoute, z } from "@hono/zod-openapi";
import { ERROR_CLASSES, RISK_LEVELS } from "../core/vocabulary.ts";
import type { ConnectorSummary, OperationSummary } from "../domain/describing.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { refusals } from "./refusals.ts";

const Open = z.record(z.string(), z.unknown());
const UseView = z.object({
  task_name: z.string(),
  command_type: z.string(),
  policies: z.array(z.string()),
  approval_types: z.array(z.string()).openapi({ description: "That may be asked for." }),
  effect_type: z.string().nullable(),
  compensated_by: z.string().nullable(),
  artifacts: z.array(z.string()),
  agents_may: z.boolean(),
});
const OperationView = z.object({
  name: z.string(),
  description: z.string(),
  side_effect: z.boolean(),
  scope: z.string().nullable(),
  key_template: z.string().nullable(),
  compensation: z.string().nullable().openapi({ description: "required, or why it is not needed" }),
  timeout_ms: z.number(),
  attempts_max: z.int(),
  backoff_seconds: z.array(z.number()).openapi({ description: "The last one repeats." }),
  retryable: z
    .array(z.enum(ERROR_CLASSES))
    .openapi({ description: "After which it is tried again." }),
  input_schema: Open.nullable(),
  output_schema: Open.nullable(),
  audit_events: z.array(z.string()),
  uses: z.array(UseView).openapi({ description: "The only ways to it." }),
});
const ConnectorView = z
  .object({
    name: z.string(),
    connector_type: z.string(),
    risk_level: z.enum(RISK_LEVELS),
    secret_ref: z.string().nullable().openapi({ description: "Where its secret is, never what." }),
    scopes: z.array(z.string()),
    rate_limit: z.object({ requests_max: z.number(), per_seconds: z.number() }).nullable(),
    operations: z.array(OperationView),
  })
  .openapi("Connector");

const route = createRoute({
  method: "get",
  path: "/connectors",
  operationId: "listConnectors",
  summary: "What may be reached outside, through which tasks and on which terms.",
  security: [{ operatorKey: [] }, { serviceKey: [], actor: [] }],
  responses: {
    200: {
      description: "All of them",
      content: { "application/json": { schema: z.object({ items: z.array(ConnectorView) }) } },
    },
    ...refusals(),
  },
});

export function addConnectors(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/connectors", identify(auth));
  app.openapi(route, (context) => {
    person(context.get("principal"));
    return context.json({ items: concord.connectors().map(viewOf) }, 200);
  });
}

function viewOf(one: ConnectorSummary): z.infer<typeof ConnectorView> {
  const { rateLimit } = one;
  return {
    name: one.name,
    connector_type: one.connectorType,
    risk_level: one.riskLevel,
    secret_ref: one.secretRef,
    scopes: [...one.scopes],
    rate_limit:
      rateLimit === null
        ? null
        : { requests_max: rateLimit.requestsMax, per_seconds: rateLimit.perSeconds },
    operations: one.operations.map(operationView),
  };
}

function operationView(one: OperationSummary): z.infer<typeof OperationView> {
  const { compensation } = one;
  return {
    name: one.name,
    description: one.description,
    side_effect: one.sideEffect,
    scope: one.scope,
    key_template: one.keyTemplate,
    compensation:
      typeof compensation === "object" && compensation !== null
        ? compensation.notNeeded
        : (compensation ?? null),
    timeout_ms: one.timeoutMs,
    attempts_max: one.attemptsMax,
    backoff_seconds: [...one.waitsSeconds],
    retryable: [...one.retryable],
    input_schema: one.inputSchema,
    output_schema: one.outputSchema,
    audit_events: [...one.auditEvents],
    uses: one.uses.map((use) => ({
      task_name: use.taskName,
      command_type: use.commandType,
      policies: [...use.policies],
      approval_types: [...use.approvalTypes],
      effect_type: use.effectType,
      compensated_by: use.compensatedBy,
      artifacts: [...use.artifacts],
      agents_may: use.agentsMay,
    })),
  };
}
