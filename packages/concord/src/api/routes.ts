/** Owns the declarations of the routes (wire §2), from which the API document is generated. */
import { createRoute, z } from "@hono/zod-openapi";
import {
  APPROVAL_DECISIONS,
  type CommandStatus,
  INGRESS_TYPES,
  RESTING_STATUSES,
} from "../core/vocabulary.ts";
import { refusals } from "./refusals.ts";
import {
  ApprovalView,
  ArtifactLineageView,
  ArtifactView,
  AuditReportView,
  CommandView,
  EventView,
  ExplanationView,
  TimelineEntryView,
  ToolView,
} from "./views.ts";

export const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { "application/json": { schema } },
});
export const page = (item: z.ZodType) =>
  z.object({
    items: z.array(item),
    next_cursor: z.string().nullable().openapi({ description: "null on the last page" }),
  });
export const body = <T extends z.ZodObject>(schema: T) => ({
  body: { required: true, content: { "application/json": { schema } } },
});

/** An operator key names a person; the service key needs a signed actor beside it. */
export const PERSON = [{ operatorKey: [] }, { serviceKey: [], actor: [] }];
const ANY_KEY = [...PERSON, { serviceKey: [] }];

export const Id = z.object({ id: z.string().max(64) });
export const Paging = {
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(512).optional(),
};
/** Postgres text holds no NUL character. */
export const Name = z
  .string()
  .max(200)
  .refine((text) => !text.includes("\u0000"), "contains a NUL character");

export const DependencyBody = z
  .strictObject({
    command_id: z.string().max(64),
    required_status: z
      .enum(RESTING_STATUSES as readonly [CommandStatus, ...CommandStatus[]])
      .optional(),
    propagate_cancellation: z.boolean().optional().openapi({
      description: "Default true: cancelled with it; otherwise blocked.",
    }),
  })
  .openapi("Dependency");
export const SubmitBody = z
  .strictObject({
    task_name: z.string().min(1).max(200).optional(),
    command_type: z.string().min(1).max(200).optional().openapi({
      description: "Instead of task_name, where one task alone makes commands of the type.",
    }),
    payload: z.unknown(),
    idempotency_key: z.string().min(1).max(256).optional().openapi({
      description:
        "Asking again under one key is one command; absent, the task may derive its own.",
    }),
    context: z
      .strictObject({
        run_as: z.string().max(64).optional(),
        workspace_id: z.string().min(1).max(200).optional(),
        app_id: z.string().min(1).max(200).optional(),
        team_id: z.string().min(1).max(200).optional(),
        environment: z.string().min(1).max(200).optional().openapi({ example: "prod" }),
        metadata: z.record(z.string(), z.unknown()).optional(),
        ingress: z.enum(["api_request", "scheduled_trigger"]).optional().openapi({
          description: "For services only: scheduled_trigger for what a clock asks for.",
        }),
      })
      .optional(),
    depends_on: z.array(DependencyBody).max(100).optional(),
  })
  .refine(
    ({ task_name, command_type }) => (task_name === undefined) !== (command_type === undefined),
    "say task_name or command_type, one of them",
  )
  .openapi("Submission", {
    example: {
      task_name: "hotel.search",
      payload: { city: "Lisbon", check_in: "2027-03-03", check_out: "2027-03-05", guests: 2 },
      idempotency_key: "search-1",
    },
  });
export const CancelBody = z
  .strictObject({ reason: z.string().max(2_000).optional() })
  .openapi("Cancellation");
export const ResolveBody = z
  .strictObject({
    decision: z.enum(APPROVAL_DECISIONS),
    reason: z.string().max(2_000).optional().openapi({
      description: "Needed with request_changes: what is asked for.",
    }),
    idempotency_key: z.string().min(1).max(256).optional().openapi({
      description: "A decision repeated under one key is one decision.",
    }),
  })
  .openapi("Decision");
export const CommandQuery = z.object({
  status: Name.optional(),
  task_name: Name.optional(),
  root_command_id: Name.optional(),
  requested_by: Name.optional(),
  ingress: z.enum(INGRESS_TYPES).optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
  ...Paging,
});
export const ApprovalQuery = z.object({
  status: Name.optional(),
  command_id: Name.optional(),
  ...Paging,
});
export const TimelineQuery = z.object({ descendants: z.enum(["true", "false"]).optional() });

export const submitRoute = createRoute({
  method: "post",
  path: "/commands",
  operationId: "submitCommand",
  summary: "Ask for a task; durable when it answers.",
  security: PERSON,
  request: body(SubmitBody),
  responses: {
    200: json("At rest, or the command its key already made", CommandView),
    202: json("Accepted and durable", CommandView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "policy_denied",
      "unknown_task",
      "idempotency_conflict",
      "dependency_cycle",
      "request_too_large",
    ),
  },
});
export const listCommandsRoute = createRoute({
  method: "get",
  path: "/commands",
  operationId: "listCommands",
  summary: "Commands of the tenant.",
  security: PERSON,
  request: { query: CommandQuery },
  responses: {
    200: json("Commands, newest first", page(CommandView)),
    ...refusals("invalid_request", "invalid_cursor", "not_found"),
  },
});
export const getCommandRoute = createRoute({
  method: "get",
  path: "/commands/{id}",
  operationId: "getCommand",
  summary: "One command.",
  security: PERSON,
  request: { params: Id },
  responses: { 200: json("The command", CommandView), ...refusals("invalid_request", "not_found") },
});
export const cancelRoute = createRoute({
  method: "post",
  path: "/commands/{id}/cancel",
  operationId: "cancelCommand",
  summary: "Ask a command to stop, or take its success back.",
  security: PERSON,
  request: { params: Id, body: { content: { "application/json": { schema: CancelBody } } } },
  responses: {
    202: json("The command as it now is", CommandView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "not_found",
      "cancellation_closed",
      "request_too_large",
    ),
  },
});
export const timelineRoute = createRoute({
  method: "get",
  path: "/commands/{id}/timeline",
  operationId: "getTimeline",
  summary: "What happened to a command and why.",
  security: PERSON,
  request: { params: Id, query: TimelineQuery },
  responses: {
    200: json(
      "The command's story, in commit order",
      z.object({ command: CommandView, entries: z.array(TimelineEntryView) }).openapi("Timeline"),
    ),
    ...refusals("invalid_request", "not_found"),
  },
});
export const explainRoute = createRoute({
  method: "get",
  path: "/commands/{id}/explain",
  operationId: "explainCommand",
  summary: "Why the command is where it is: what it waits for, and until when.",
  security: PERSON,
  request: { params: Id },
  responses: {
    200: json("Every reason, the nearest first", ExplanationView),
    ...refusals("invalid_request", "not_found"),
  },
});
export const listApprovalsRoute = createRoute({
  method: "get",
  path: "/approvals",
  operationId: "listApprovals",
  summary: "Questions to people.",
  security: PERSON,
  request: { query: ApprovalQuery },
  responses: {
    200: json("Approvals, newest first", page(ApprovalView)),
    ...refusals("invalid_request", "invalid_cursor", "not_found"),
  },
});
export const getApprovalRoute = createRoute({
  method: "get",
  path: "/approvals/{id}",
  operationId: "getApproval",
  summary: "One question to a person.",
  security: PERSON,
  request: { params: Id },
  responses: {
    200: json("The approval", ApprovalView),
    ...refusals("invalid_request", "not_found"),
  },
});
export const resolveRoute = createRoute({
  method: "post",
  path: "/approvals/{id}/resolve",
  operationId: "resolveApproval",
  summary: "Decide; where several have to approve, the last of them counts.",
  security: PERSON,
  request: { params: Id, ...body(ResolveBody) },
  responses: {
    200: json("The approval as decided", ApprovalView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "not_approver",
      "self_approval_refused",
      "not_found",
      "approval_already_decided",
      "approval_stale",
      "idempotency_conflict",
      "request_too_large",
    ),
  },
});
export const getArtifactRoute = createRoute({
  method: "get",
  path: "/artifacts/{id}",
  operationId: "getArtifact",
  summary: "A result that lasts.",
  security: PERSON,
  request: { params: Id },
  responses: {
    200: json("The artifact", ArtifactView),
    ...refusals("invalid_request", "not_found"),
  },
});
export const artifactLineageRoute = createRoute({
  method: "get",
  path: "/artifacts/{id}/lineage",
  operationId: "getArtifactLineage",
  summary: "Where a result comes from, and what came of it.",
  security: PERSON,
  request: { params: Id },
  responses: {
    200: json("One step each way", ArtifactLineageView),
    ...refusals("invalid_request", "not_found"),
  },
});
export const toolsRoute = createRoute({
  method: "get",
  path: "/tools",
  operationId: "listTools",
  summary: "What an agent may propose.",
  security: ANY_KEY,
  request: {
    query: z.object({
      agent_type: Name.optional().openapi({ description: "What agents of that type are shown." }),
    }),
  },
  responses: {
    200: json("Tasks an agent may propose", z.object({ items: z.array(ToolView) })),
    ...refusals("invalid_request"),
  },
});

export const verifyAuditRoute = createRoute({
  method: "get",
  path: "/audit/verify",
  operationId: "verifyAudit",
  summary: "Whether the record of the tenant is still what was written.",
  security: PERSON,
  request: {
    query: z.object({
      known: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional()
        .openapi({ description: "A head kept from an earlier check; it must still be there." }),
    }),
  },
  responses: {
    200: json("What was checked, and what is wrong", AuditReportView),
    ...refusals("invalid_request", "forbidden"),
  },
});

export const EventsQuery = z.object({
  after: z.string().max(64).optional().openapi({ description: "A cursor, or 0 for everything." }),
  root_command_id: Name.optional(),
  types: z.string().max(4_096).optional().openapi({ description: "Event types, by commas." }),
});

/** Served without validation by the framework: a stream has no single answer. */
export const eventsRoute = createRoute({
  method: "get",
  path: "/events",
  operationId: "followEvents",
  summary: "Events in commit order, as server-sent events; each data is an Event.",
  security: ANY_KEY,
  request: { query: EventsQuery },
  responses: {
    200: {
      description: "A stream that resumes after `after` or Last-Event-ID",
      content: { "text/event-stream": { schema: EventView } },
    },
    ...refusals("validation_error", "invalid_cursor", "not_found"),
  },
});
