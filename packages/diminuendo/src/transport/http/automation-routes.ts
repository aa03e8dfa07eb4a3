/**
 * Owns `/api/automations`, `/api/blueprints` and `/api/inbox`: automations over HTTP, for who holds no socket. Each route is a message of
 * the client protocol, with its checks and its idempotency (docs/automations.md).
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import type { Permission } from "../../auth/permissions.ts";
import type { ServerMessage } from "../../protocol/index.ts";
import { ask, type Fields } from "./ask.ts";
import type { Asked, PersonRoute } from "./routes.ts";
import { BODY, numberIn, sent } from "./thread-routes.ts";

const AUTOMATIONS = "/api/automations";
const INBOX = "/api/inbox";
const BLUEPRINTS = "/api/blueprints";

interface AutomationRoute {
  readonly method: PersonRoute["method"];
  readonly path: string;
  readonly summary: string;
  readonly permission?: Permission;
  readonly status?: number;
  readonly query?: readonly string[];
  readonly toMessage: (id: string, body: Fields, query: Fields) => Fields;
}

function route(one: AutomationRoute): PersonRoute {
  const { method, path, summary, permission = "automation:write", status = 200, query } = one;
  return {
    method,
    path,
    summary,
    permission,
    ...(method === "GET" || method === "DELETE" ? {} : { body: BODY }),
    ...(query === undefined ? {} : { query }),
    answer: Effect.fnUntraced(function* (actor: Actor, asked: Asked) {
      const body = (asked.body ?? {}) as Fields;
      const fields = one.toMessage(asked.path["id"] ?? "", body, asked.query);
      return Response.json(shown(yield* ask(actor, fields)), { status });
    }),
  };
}

/** One thing as it is, a list as `items` and `nextCursor`. */
function shown(answer: ServerMessage): unknown {
  const { type: _, ...rest } = answer;
  if ("automation" in rest) return rest.automation;
  if ("run" in rest) return rest.run;
  if ("item" in rest) return rest.item;
  if ("delivery" in rest) return rest.delivery;
  if ("blueprint" in rest) return rest.blueprint;
  const { automations, runs, entries, items, deliveries, blueprints, cursor, ...more } =
    rest as Fields;
  const list = automations ?? runs ?? entries ?? items ?? deliveries ?? blueprints;
  return list === undefined ? rest : { items: list, nextCursor: cursor ?? null, ...more };
}

const PAGE = ["cursor", "limit"] as const;
const pageOf = (query: Fields): Fields => ({
  ...sent(query, "cursor"),
  ...numberIn(query, "limit"),
});

const control = (action: "pause" | "resume" | "run", summary: string, status = 200) =>
  route({
    method: "POST",
    path: `${AUTOMATIONS}/{id}/${action}`,
    summary,
    status,
    toMessage: (automationId, body) => ({
      type: "control_automation",
      automationId,
      action,
      ...sent(body, "idempotencyKey"),
    }),
  });

export const AUTOMATION_ROUTES: readonly PersonRoute[] = [
  route({
    method: "GET",
    path: AUTOMATIONS,
    summary: "The tenant's automations, in the order they were made.",
    permission: "automation:read",
    query: PAGE,
    toMessage: (_, __, query) => ({ type: "list_automations", ...pageOf(query) }),
  }),
  route({
    method: "POST",
    path: AUTOMATIONS,
    summary: "A new automation: definition, blueprintId?, idempotencyKey?.",
    status: 201,
    toMessage: (_, body) => ({
      type: "create_automation",
      ...sent(body, "definition", "blueprintId", "idempotencyKey"),
    }),
  }),
  route({
    method: "POST",
    path: `${AUTOMATIONS}/preview`,
    summary: "What a definition would do: its next ticks, or its problems; blueprintId?.",
    toMessage: (_, body) => ({
      type: "preview_automation",
      ...sent(body, "definition", "blueprintId"),
    }),
  }),
  route({
    method: "GET",
    path: `${AUTOMATIONS}/runs`,
    summary: "Runs of every automation, newest first; status filters.",
    permission: "automation:read",
    query: [...PAGE, "status"],
    toMessage: (_, __, query) => ({
      type: "list_automation_runs",
      ...sent(query, "status"),
      ...pageOf(query),
    }),
  }),
  route({
    method: "GET",
    path: `${AUTOMATIONS}/log`,
    summary: "Who changed which automation, newest first.",
    permission: "automation:read",
    query: [...PAGE, "automationId"],
    toMessage: (_, __, query) => ({
      type: "get_automation_log",
      ...sent(query, "automationId"),
      ...pageOf(query),
    }),
  }),
  route({
    method: "GET",
    path: `${AUTOMATIONS}/deliveries`,
    summary: "What is told outside, newest first; automationId, runId and status filter.",
    permission: "automation:read",
    query: [...PAGE, "automationId", "runId", "status"],
    toMessage: (_, __, query) => ({
      type: "list_automation_deliveries",
      ...sent(query, "automationId", "runId", "status"),
      ...pageOf(query),
    }),
  }),
  route({
    method: "POST",
    path: `${AUTOMATIONS}/deliveries/{id}/redeliver`,
    summary: "Sends it again, under the same id: idempotencyKey?.",
    status: 202,
    toMessage: (deliveryId, body) => ({
      type: "redeliver_automation",
      deliveryId,
      ...sent(body, "idempotencyKey"),
    }),
  }),
  route({
    method: "GET",
    path: BLUEPRINTS,
    summary: "The tenant's blueprints of automations, in the order they were made.",
    permission: "automation:read",
    query: PAGE,
    toMessage: (_, __, query) => ({ type: "list_blueprints", ...pageOf(query) }),
  }),
  route({
    method: "POST",
    path: BLUEPRINTS,
    summary: "A new blueprint: blueprint {name, description?, template}, idempotencyKey?.",
    status: 201,
    toMessage: (_, body) => ({
      type: "create_blueprint",
      ...sent(body, "blueprint", "idempotencyKey"),
    }),
  }),
  route({
    method: "GET",
    path: `${BLUEPRINTS}/{id}`,
    summary: "One blueprint.",
    permission: "automation:read",
    toMessage: (blueprintId) => ({ type: "get_blueprint", blueprintId }),
  }),
  route({
    method: "PATCH",
    path: `${BLUEPRINTS}/{id}`,
    summary: "Saves the whole blueprint: blueprint, version, idempotencyKey?.",
    toMessage: (blueprintId, body) => ({
      type: "update_blueprint",
      blueprintId,
      ...sent(body, "blueprint", "version", "idempotencyKey"),
    }),
  }),
  route({
    method: "DELETE",
    path: `${BLUEPRINTS}/{id}`,
    summary: "Deletes it; automations that were made from it stay as they are.",
    toMessage: (blueprintId) => ({ type: "delete_blueprint", blueprintId }),
  }),
  route({
    method: "GET",
    path: `${AUTOMATIONS}/{id}`,
    summary: "One automation.",
    permission: "automation:read",
    toMessage: (automationId) => ({ type: "get_automation", automationId }),
  }),
  route({
    method: "PATCH",
    path: `${AUTOMATIONS}/{id}`,
    summary: "Saves the whole definition: definition, version, idempotencyKey?.",
    toMessage: (automationId, body) => ({
      type: "update_automation",
      automationId,
      ...sent(body, "definition", "version", "idempotencyKey"),
    }),
  }),
  route({
    method: "DELETE",
    path: `${AUTOMATIONS}/{id}`,
    summary: "Deletes it and its runs; what is in inboxes and in the log of changes stays.",
    toMessage: (automationId) => ({ type: "delete_automation", automationId }),
  }),
  control("pause", "No ticks until it is resumed."),
  control("resume", "Ticks again, from now on."),
  control("run", "A run now: idempotencyKey?.", 202),
  route({
    method: "GET",
    path: `${AUTOMATIONS}/{id}/runs`,
    summary: "Its runs, newest first; status filters.",
    permission: "automation:read",
    query: [...PAGE, "status"],
    toMessage: (automationId, _, query) => ({
      type: "list_automation_runs",
      automationId,
      ...sent(query, "status"),
      ...pageOf(query),
    }),
  }),
  route({
    method: "GET",
    path: INBOX,
    summary: "One's inbox, newest first: view (open, unread, snoozed, done, all), of (me, tenant).",
    permission: "automation:read",
    query: [...PAGE, "view", "automationId", "of"],
    toMessage: (_, __, query) => ({
      type: "list_inbox",
      ...sent(query, "view", "automationId", "of"),
      ...pageOf(query),
    }),
  }),
  route({
    method: "POST",
    path: `${INBOX}/{id}`,
    summary: "Triage: action (read, unread, done, reopen, snooze, retry), until?, idempotencyKey?.",
    permission: "automation:read",
    toMessage: (itemId, body) => ({
      type: "triage_inbox",
      itemId,
      ...sent(body, "action", "until", "idempotencyKey"),
    }),
  }),
];
