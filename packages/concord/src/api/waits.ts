/** Owns the routes of what a command waits for (wire §2): an answer, other commands, somebody else's decision. */
import { createRoute, z } from "@hono/zod-openapi";
import type { DependencyRequest } from "../domain/dependencies.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { person } from "./auth.ts";
import { answering } from "./errors.ts";
import { refusals } from "./refusals.ts";
import { body, DependencyBody, Id, json, PERSON } from "./routes.ts";
import { ApprovalView, approvalView, CommandView, commandView } from "./views.ts";

const InputBody = z
  .strictObject({ input: z.record(z.string(), z.unknown()) })
  .openapi("Input", { example: { input: { check_out: "2027-03-06" } } });
const DependenciesBody = z
  .strictObject({ depends_on: z.array(DependencyBody).min(1).max(100) })
  .openapi("Dependencies");
const DelegationBody = z.strictObject({ to: z.string().min(1).max(200) }).openapi("Delegation");

const inputRoute = createRoute({
  method: "post",
  path: "/commands/{id}/input",
  operationId: "provideInput",
  summary: "Answer what the command waits for; it is judged and planned anew.",
  security: PERSON,
  request: { params: Id, ...body(InputBody) },
  responses: {
    200: json("The command as it now is", CommandView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "not_found",
      "illegal_transition",
      "request_too_large",
    ),
  },
});

const dependenciesRoute = createRoute({
  method: "post",
  path: "/commands/{id}/dependencies",
  operationId: "addDependencies",
  summary: "Let a command that has not begun wait for others.",
  security: PERSON,
  request: { params: Id, ...body(DependenciesBody) },
  responses: {
    200: json("The command", CommandView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "not_found",
      "illegal_transition",
      "dependency_cycle",
      "request_too_large",
    ),
  },
});

const delegateRoute = createRoute({
  method: "post",
  path: "/approvals/{id}/delegate",
  operationId: "delegateApproval",
  summary: "Let somebody else decide in one's place.",
  security: PERSON,
  request: { params: Id, ...body(DelegationBody) },
  responses: {
    200: json("The approval", ApprovalView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "not_approver",
      "self_approval_refused",
      "not_found",
      "approval_already_decided",
      "request_too_large",
    ),
  },
});

export function addWaits(app: ConcordApp, concord: Concord): void {
  app.openapi(inputRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { input } = context.req.valid("json");
    const principal = person(context.get("principal"));
    const command = await answering(concord, () =>
      concord.commands.provideInput(principal, id, input),
    );
    return context.json(commandView(command), 200);
  });
  app.openapi(dependenciesRoute, async (context) => {
    const { id } = context.req.valid("param");
    const requests = context.req.valid("json").depends_on.map(dependencyOf);
    const principal = person(context.get("principal"));
    const command = await answering(concord, () =>
      concord.commands.dependOn(principal, id, requests),
    );
    return context.json(commandView(command), 200);
  });
  app.openapi(delegateRoute, async (context) => {
    const { id: approvalId } = context.req.valid("param");
    const { to } = context.req.valid("json");
    const principal = person(context.get("principal"));
    const { traceId } = context.get("trace");
    const approval = await answering(concord, () =>
      concord.approvals.delegate({ approvalId, to, principal, traceId }),
    );
    return context.json(approvalView(approval), 200);
  });
}

export function dependencyOf(body: z.infer<typeof DependencyBody>): DependencyRequest {
  const { command_id, required_status, propagate_cancellation } = body;
  return {
    commandId: command_id,
    ...(required_status === undefined ? {} : { requiredStatus: required_status }),
    ...(propagate_cancellation === undefined
      ? {}
      : { propagateCancellation: propagate_cancellation }),
  };
}
