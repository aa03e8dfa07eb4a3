/** Owns the route for agents that run elsewhere (wire §2, API-4): a tool is asked for, and what was decided is told. */
import { createRoute, z } from "@hono/zod-openapi";
import { encodeId } from "../core/ids.ts";
import { COMMAND_STATUSES, RISK_LEVELS } from "../core/vocabulary.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";
import { body, json, Name, PERSON } from "./routes.ts";

const Reason = z
  .string()
  .min(1)
  .max(2_000)
  .refine((text) => !text.includes("\u0000"), "contains a NUL character");

const AgentActionBody = z
  .strictObject({
    tool_name: Name.min(1),
    payload: z.unknown(),
    reason: Reason.openapi({ description: "Why the agent wants it." }),
    action_type: z.literal("tool_call").optional(),
    risk_level: z.enum(RISK_LEVELS).optional().openapi({
      description: "Raises that of the task; a lower one changes nothing.",
    }),
    agent_type: Name.min(1).optional().openapi({
      description: "Which tools the agent is shown, when the contracts say so.",
    }),
    idempotency_key: z.string().min(1).max(256).optional(),
  })
  .openapi("AgentAction", {
    example: {
      tool_name: "hotel_search",
      payload: { city: "Lisbon", check_in: "2027-03-03", check_out: "2027-03-05", guests: 2 },
      reason: "the traveller asked for a room near the fair",
    },
  });

export const AgentActionView = z
  .object({
    decision: z.enum(["allow", "deny", "require_approval", "require_more_input"]),
    command_id: z.string(),
    status: z.enum(COMMAND_STATUSES),
    approval_id: z.string().optional(),
    message: z.string().optional(),
  })
  .openapi("AgentActionAnswer");
export type AgentActionView = z.infer<typeof AgentActionView>;

const agentActionRoute = createRoute({
  method: "post",
  path: "/agent-actions",
  operationId: "proposeAgentAction",
  summary: "Ask for a tool as an agent that acts for a person; durable when it answers.",
  security: PERSON,
  request: body(AgentActionBody),
  responses: {
    200: json("What was decided, and the command on record", AgentActionView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "unknown_task",
      "idempotency_conflict",
      "request_too_large",
    ),
  },
});

export function addAgentActions(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/agent-actions", identify(auth));
  app.openapi(agentActionRoute, async (context) => {
    const { tool_name, payload, reason, ...rest } = context.req.valid("json");
    const { risk_level, agent_type, idempotency_key } = rest;
    const action = {
      toolName: tool_name,
      payload,
      reason,
      principal: person(context.get("principal")),
      traceId: context.get("trace").traceId,
      ...(risk_level === undefined ? {} : { riskLevel: risk_level }),
      ...(agent_type === undefined ? {} : { agentType: agent_type }),
      ...(idempotency_key === undefined ? {} : { idempotencyKey: idempotency_key }),
    };
    const answer = await answering(concord, () => concord.agentActions.propose(action));
    const { decision, command, approvalId, message } = answer;
    const view = {
      decision,
      command_id: encodeId("command", command.commandId),
      status: command.status,
      ...(approvalId === undefined ? {} : { approval_id: encodeId("approval", approvalId) }),
      ...(message === undefined ? {} : { message }),
    };
    return context.json(view, 200);
  });
}
