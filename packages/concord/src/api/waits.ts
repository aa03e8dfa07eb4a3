/** Owns the routes of what a command waits for (wire §2): an answer, other commands, somebody else's decision. */
import { createRoute, z } from "@hono/zod-openapi";
import { encodeId } from "../core/ids.ts";
import { INPUT_STATUSES } from "../core/vocabulary.ts";
import type { DependencyRequest } from "../domain/dependencies.ts";
import type { Concord } from "../domain/face.ts";
import type { AskedInput } from "../domain/reading.ts";
import type { ConcordApp } from "./app.ts";
import { person } from "./auth.ts";
import { answering } from "./errors.ts";
import { filterOf, listed } from "./paging.ts";
import { refusals } from "./refusals.ts";
import { body, DependencyBody, Id, json, Name, Paging, PERSON, page } from "./routes.ts";
import { ApprovalView, approvalView, CommandView, commandView } from "./views.ts";

const InputBody = z
  .strictObject({
    input: z.record(z.string(), z.unknown()).optional(),
    input_request_id: z.string().max(64).optional().openapi({
      description: "The question that is answered; without it, whichever is open.",
    }),
    dismissed: z.literal(true).optional().openapi({
      description: "Instead of input, with input_request_id: no answer; the command is cancelled.",
    }),
  })
  .refine(
    ({ input, dismissed, input_request_id: asked }) =>
      dismissed === undefined ? input !== undefined : input === undefined && asked !== undefined,
    "needs input, or dismissed with the input_request_id it is about",
  )
  .openapi("Input", { example: { input: { check_out: "2027-03-06" } } });
const TextOrNull = z.string().nullable();
const InputRequestView = z
  .object({
    input_request_id: z.string(),
    command_id: z.string(),
    root_command_id: z.string(),
    task_name: z.string(),
    requested_by: z.string().openapi({ description: "Whom it is for; an owner may answer too." }),
    status: z.enum(INPUT_STATUSES),
    question: z.string(),
    questions: z.array(z.object({ text: z.string(), fields: z.array(z.string()) })),
    answer_schema: z
      .record(z.string(), z.unknown())
      .openapi({ description: "JSON Schema of `input`." }),
    asked_by: z.string(),
    expires_at: z.string(),
    created_at: z.string(),
    closed_at: TextOrNull,
    answered_by: TextOrNull,
  })
  .openapi("InputRequest");
export type InputRequestView = z.infer<typeof InputRequestView>;

function inputRequestView(one: AskedInput): InputRequestView {
  return {
    input_request_id: encodeId("input", one.inputRequestId),
    command_id: encodeId("command", one.commandId),
    root_command_id: encodeId("command", one.rootCommandId),
    task_name: one.taskName,
    requested_by: one.requestedBy,
    status: one.status,
    question: one.question,
    questions: one.questions.map(({ text, fields }) => ({ text, fields: [...fields] })),
    answer_schema: one.answerSchema,
    asked_by: one.askedBy,
    expires_at: one.expiresAt,
    created_at: one.createdAt,
    closed_at: one.closedAt,
    answered_by: one.answeredBy,
  };
}

const inputsRoute = createRoute({
  method: "get",
  path: "/inputs",
  operationId: "listInputs",
  summary: "What people are asked.",
  security: PERSON,
  request: {
    query: z.object({
      status: z.enum(INPUT_STATUSES).optional(),
      command_id: Name.optional(),
      ...Paging,
    }),
  },
  responses: {
    200: json("Questions, newest first", page(InputRequestView)),
    ...refusals("invalid_request", "invalid_cursor", "not_found"),
  },
});

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
  app.openapi(inputsRoute, async (context) => {
    const filter = filterOf(context.req.valid("query"));
    const principal = person(context.get("principal"));
    const list = () => concord.inputs.list(principal, filter);
    return context.json(await listed(concord, list, inputRequestView), 200);
  });
  app.openapi(inputRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { input, dismissed, input_request_id: asked } = context.req.valid("json");
    const principal = person(context.get("principal"));
    const { provideInput, dismissInput } = concord.commands;
    const command = await answering(concord, () =>
      dismissed === true
        ? dismissInput(principal, id, asked ?? "")
        : provideInput(principal, id, input, asked),
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
