/** Owns the routes of a person's inbox. */
import { createRoute, z } from "@hono/zod-openapi";
import { encodeId } from "../core/ids.ts";
import type { Concord } from "../domain/face.ts";
import type { Notification } from "../domain/notifications.ts";
import type { ConcordApp } from "./app.ts";
import { type AuthOptions, identify, person } from "./auth.ts";
import { answering } from "./errors.ts";
import { filterOf, listed } from "./paging.ts";
import { refusals } from "./refusals.ts";

const NotificationView = z
  .object({
    notification_id: z.string(),
    command_id: z.string(),
    recipient_kind: z.enum(["user", "group"]),
    recipient: z.string(),
    title: z.string(),
    body: z.string(),
    created_at: z.string(),
    read_at: z.string().nullable(),
  })
  .openapi("Notification");

const PERSON = [{ operatorKey: [] }, { serviceKey: [], actor: [] }];
const json = (description: string, schema: z.ZodType) => ({
  description,
  content: { "application/json": { schema } },
});

const listRoute = createRoute({
  method: "get",
  path: "/notifications",
  operationId: "listNotifications",
  summary: "What was told to the caller, or to a group of the caller's.",
  security: PERSON,
  request: {
    query: z.object({
      unread: z.enum(["true", "false"]).optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
      cursor: z.string().max(512).optional(),
    }),
  },
  responses: {
    200: json(
      "Newest first",
      z.object({ items: z.array(NotificationView), next_cursor: z.string().nullable() }),
    ),
    ...refusals("invalid_request", "invalid_cursor"),
  },
});
const readRoute = createRoute({
  method: "post",
  path: "/notifications/{id}/read",
  operationId: "readNotification",
  summary: "Mark as read; again is fine.",
  security: PERSON,
  request: { params: z.object({ id: z.string().max(64) }) },
  responses: {
    200: json("The notification as it now is", NotificationView),
    ...refusals("invalid_request", "not_found"),
  },
});

export function addNotifications(app: ConcordApp, concord: Concord, auth: AuthOptions): void {
  app.use("/notifications", identify(auth));
  app.use("/notifications/*", identify(auth));
  app.openapi(listRoute, async (context) => {
    const { unread, ...paging } = context.req.valid("query");
    const filter = { ...filterOf(paging), unread: unread === "true" };
    const principal = person(context.get("principal"));
    const list = () => concord.notifications.list(principal, filter);
    return context.json(await listed(concord, list, viewOf), 200);
  });
  app.openapi(readRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const found = await answering(concord, () => concord.notifications.read(principal, id));
    return context.json(viewOf(found), 200);
  });
}

function viewOf(one: Notification) {
  return {
    notification_id: encodeId("notification", one.notificationId),
    command_id: encodeId("command", one.commandId),
    recipient_kind: one.recipient.kind,
    recipient: one.recipient.name,
    title: one.title,
    body: one.body,
    created_at: one.createdAt,
    read_at: one.readAt,
  };
}
