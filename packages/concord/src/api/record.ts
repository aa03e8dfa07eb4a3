/** Owns the record over HTTP: pages of events with filters, and the evidence of one command as a file. */
import { ApiError } from "@concert/service-kit";
import { createRoute, z } from "@hono/zod-openapi";
import { decodeId } from "../core/ids.ts";
import { EVENT_PURPOSES } from "../core/vocabulary.ts";
import type { Concord } from "../domain/face.ts";
import type { ConcordApp } from "./app.ts";
import { person } from "./auth.ts";
import { answering } from "./errors.ts";
import { listed } from "./paging.ts";
import { refusals } from "./refusals.ts";
import { EventView, eventView } from "./views.ts";

const PERSON = [{ operatorKey: [] }, { serviceKey: [], actor: [] }];
const Name = z
  .string()
  .max(200)
  .refine((text) => !text.includes("\u0000"), "contains a NUL character");
const Time = z.iso.datetime({ offset: true });

const RecordQuery = z.object({
  purpose: z.enum(EVENT_PURPOSES).optional(),
  event_type: Name.optional(),
  actor: Name.optional(),
  command_id: Name.optional(),
  since: Time.optional(),
  until: Time.optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(512).optional(),
});

const listRoute = createRoute({
  method: "get",
  path: "/audit/events",
  operationId: "listRecord",
  summary: "The record of the tenant, newest first.",
  security: PERSON,
  request: { query: RecordQuery },
  responses: {
    200: {
      description: "Events",
      content: {
        "application/json": {
          schema: z.object({
            items: z.array(EventView),
            next_cursor: z.string().nullable().openapi({ description: "null on the last page" }),
          }),
        },
      },
    },
    ...refusals("invalid_request", "invalid_cursor", "not_found"),
  },
});

const evidenceRoute = createRoute({
  method: "get",
  path: "/commands/{id}/evidence",
  operationId: "exportEvidence",
  summary: "Everything on record about a command, as one file that is checked offline.",
  security: PERSON,
  request: { params: z.object({ id: z.string().max(64) }) },
  responses: {
    200: {
      description: "The file: a head with the digest, then the body, each one line of JSON",
      content: { "application/vnd.concert.evidence": { schema: z.string() } },
    },
    ...refusals("invalid_request", "forbidden", "not_found"),
  },
});

export function addRecord(app: ConcordApp, concord: Concord): void {
  app.openapi(listRoute, async (context) => {
    const { command_id, event_type, ...filter } = context.req.valid("query");
    const commandId = command_id === undefined ? undefined : decodeId("command", command_id);
    if (command_id !== undefined && commandId === undefined) {
      throw new ApiError(404, "not_found", `"${command_id}" names no command.`);
    }
    const principal = person(context.get("principal"));
    const list = () => concord.record(principal, { ...filter, eventType: event_type, commandId });
    return context.json(await listed(concord, list, eventView), 200);
  });
  app.openapi(evidenceRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const file = await answering(concord, () => concord.evidence(principal, id));
    return context.body(file, 200, {
      "content-type": "application/vnd.concert.evidence",
      "content-disposition": `attachment; filename="${id}.evidence"`,
    });
  });
}
