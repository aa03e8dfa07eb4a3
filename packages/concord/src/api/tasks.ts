/** Owns the routes that tell what may be asked for and on which terms (CMD-10). */
import { createRoute, z } from "@hono/zod-openapi";
import { AUDIT_TIERS } from "../core/audit-tiers.ts";
import { PRIMITIVE_FAMILIES } from "../core/primitives.ts";
import { INGRESS_TYPES, RISK_LEVELS } from "../core/vocabulary.ts";
import type { TaskSummary } from "../domain/describing.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { refusals } from "./refusals.ts";

const Open = z.record(z.string(), z.unknown());
const TaskView = z
  .object({
    name: z.string(),
    description: z.string(),
    command_type: z.string(),
    function_name: z.string(),
    ingress_types: z.array(z.enum(INGRESS_TYPES)).openapi({ description: "Empty: any." }),
    required_inputs: z.array(z.string()),
    sync_allowed: z.boolean(),
    async_required: z.boolean(),
    approval_required: z.boolean().openapi({ description: "Always; a policy may ask as well." }),
    memory_write_possible: z.boolean(),
    artifact_output_possible: z.boolean(),
    notification_required: z.boolean(),
    policy_checks: z.array(z.string()),
    connector_requirements: z.array(z.string()),
    risk_level: z.enum(RISK_LEVELS),
    max_attempts: z.int(),
    metadata: Open,
    primitives: z.array(z.object({ name: z.string(), family: z.enum(PRIMITIVE_FAMILIES) })),
    audit_tier: z.enum(AUDIT_TIERS).openapi({ description: "What its commands leave on record." }),
    input_schema: Open,
    agents_may: z.boolean(),
  })
  .openapi("Task");

const route = createRoute({
  method: "get",
  path: "/tasks",
  operationId: "listTasks",
  summary: "What may be asked for, and on which terms.",
  security: [{ operatorKey: [] }, { serviceKey: [], actor: [] }],
  responses: {
    200: {
      description: "All of them",
      content: { "application/json": { schema: z.object({ items: z.array(TaskView) }) } },
    },
    ...refusals(),
  },
});

export function addTasks(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/tasks", identify(auth));
  app.openapi(route, (context) => {
    person(context.get("principal"));
    return context.json({ items: concord.tasks().map(viewOf) }, 200);
  });
}

function viewOf(one: TaskSummary): z.infer<typeof TaskView> {
  return {
    name: one.name,
    description: one.description,
    command_type: one.commandType,
    function_name: one.functionName,
    ingress_types: [...one.ingressTypes],
    required_inputs: [...one.requiredInputs],
    sync_allowed: one.syncAllowed,
    async_required: one.asyncRequired,
    approval_required: one.approvalRequired,
    memory_write_possible: one.memoryWritePossible,
    artifact_output_possible: one.artifactPossible,
    notification_required: one.notificationRequired,
    policy_checks: [...one.policyChecks],
    connector_requirements: [...one.connectorRequirements],
    risk_level: one.riskLevel,
    max_attempts: one.maxAttempts,
    metadata: one.metadata,
    primitives: one.primitives.map((primitive) => ({ ...primitive })),
    audit_tier: one.auditTier,
    input_schema: one.inputSchema,
    agents_may: one.agentsMay,
  };
}
