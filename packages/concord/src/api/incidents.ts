/** Owns the routes of incidents (wire §2): the inbox, one of them, and what a person does about it. */
import { createRoute, z } from "@hono/zod-openapi";
import { encodeId } from "../core/ids.ts";
import { INCIDENT_ACTIONS, INCIDENT_KINDS, INCIDENT_STATUSES } from "../core/vocabulary.ts";
import type { Concord } from "../domain/face.ts";
import type { Incident } from "../domain/incidents.ts";
import type { ConcordApp } from "./app.ts";
import { person } from "./auth.ts";
import { answering } from "./errors.ts";
import { filterOf, listed } from "./paging.ts";
import { refusals } from "./refusals.ts";
import { body, Id, json, Name, Paging, PERSON, page } from "./routes.ts";

const TextOrNull = z.string().nullable();

const IncidentView = z
  .object({
    incident_id: z.string(),
    command_id: z.string(),
    root_command_id: z.string(),
    effect_id: TextOrNull,
    kind: z.enum(INCIDENT_KINDS),
    status: z.enum(INCIDENT_STATUSES),
    message: z.string(),
    detail: z.record(z.string(), z.unknown()),
    created_at: z.string(),
    closed_at: TextOrNull,
    closed_by: TextOrNull,
    action: z.enum(INCIDENT_ACTIONS).nullable(),
    note: TextOrNull,
  })
  .openapi("Incident");
export type IncidentView = z.infer<typeof IncidentView>;

function incidentView(incident: Incident): IncidentView {
  return {
    incident_id: encodeId("incident", incident.incidentId),
    command_id: encodeId("command", incident.commandId),
    root_command_id: encodeId("command", incident.rootCommandId),
    effect_id: incident.effectId === null ? null : encodeId("effect", incident.effectId),
    kind: incident.kind,
    status: incident.status,
    message: incident.message,
    detail: incident.detail,
    created_at: incident.createdAt,
    closed_at: incident.closedAt,
    closed_by: incident.closedBy,
    action: incident.action,
    note: incident.note,
  };
}

const SettleBody = z
  .strictObject({
    action: z.enum(INCIDENT_ACTIONS),
    note: z.string().max(2_000).optional(),
  })
  .openapi("Settlement");

const listRoute = createRoute({
  method: "get",
  path: "/incidents",
  operationId: "listIncidents",
  summary: "What waits for a person.",
  security: PERSON,
  request: {
    query: z.object({
      status: z.enum(INCIDENT_STATUSES).optional(),
      kind: z.enum(INCIDENT_KINDS).optional(),
      command_id: Name.optional(),
      ...Paging,
    }),
  },
  responses: {
    200: json("Incidents, newest first", page(IncidentView)),
    ...refusals("invalid_request", "invalid_cursor", "not_found"),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/incidents/{id}",
  operationId: "getIncident",
  summary: "One incident.",
  security: PERSON,
  request: { params: Id },
  responses: {
    200: json("The incident", IncidentView),
    ...refusals("invalid_request", "not_found"),
  },
});

const settleRoute = createRoute({
  method: "post",
  path: "/incidents/{id}/settle",
  operationId: "settleIncident",
  summary: "Try again, leave it standing, or say that it is settled.",
  security: PERSON,
  request: { params: Id, ...body(SettleBody) },
  responses: {
    200: json("The incident as closed", IncidentView),
    ...refusals(
      "invalid_json",
      "invalid_request",
      "validation_error",
      "forbidden",
      "not_found",
      "incident_closed",
      "request_too_large",
    ),
  },
});

export function addIncidents(app: ConcordApp, concord: Concord): void {
  app.openapi(listRoute, async (context) => {
    const filter = filterOf(context.req.valid("query"));
    const principal = person(context.get("principal"));
    const list = () => concord.incidents.list(principal, filter);
    return context.json(await listed(concord, list, incidentView), 200);
  });
  app.openapi(getRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const incident = await answering(concord, () => concord.incidents.get(principal, id));
    return context.json(incidentView(incident), 200);
  });
  app.openapi(settleRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { action, note } = context.req.valid("json");
    const request = {
      incidentId: id,
      action,
      principal: person(context.get("principal")),
      traceId: context.get("trace").traceId,
      ...(note === undefined ? {} : { note }),
    };
    const closed = await answering(concord, () => concord.incidents.act(request));
    return context.json(incidentView(closed), 200);
  });
}
