/** Owns the HTTP API (wire §2): validate, name the caller, call a service, convert. No SQL, no policy. */
import { ApiError, createApp } from "@concert/service-kit";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import type { Logger } from "pino";
import type { Command } from "../core/command.ts";
import { encodeId } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import { isResting } from "../core/vocabulary.ts";
import type { Concord } from "../domain/face.ts";
import type { SubmitRequest } from "../domain/submission.ts";
import { addAgentActions } from "./agent-actions.ts";
import { addAlerts } from "./alerts.ts";
import { type ApiEnv, type AuthOptions, identify, person } from "./auth.ts";
import { addConnectors } from "./connectors.ts";
import { addCosts } from "./costs.ts";
import { addDashboards } from "./dashboards.ts";
import { document } from "./document.ts";
import { answering, RETRY_AFTER_SECONDS } from "./errors.ts";
import { streamEvents } from "./events.ts";
import { commandIdOf } from "./ids.ts";
import { addIncidents } from "./incidents.ts";
import { metricsText } from "./metrics.ts";
import { addNotifications } from "./notifications.ts";
import { filterOf, listed } from "./paging.ts";
import { addPolicies } from "./policies.ts";
import { addRecord } from "./record.ts";
import { addRedactions } from "./redactions.ts";
import * as routes from "./routes.ts";
import { addSchedules } from "./schedules.ts";
import { addTasks } from "./tasks.ts";
import {
  approvalView,
  artifactLineageView,
  artifactView,
  auditReportView,
  commandView,
  explanationView,
  timelineEntryView,
  toolView,
} from "./views.ts";
import { addWaits, dependencyOf } from "./waits.ts";
import { addWebhookEndpoints } from "./webhook-endpoints.ts";
import { addWebhooks } from "./webhooks.ts";

const UNSEEN_BY_SERVICE: readonly string[] = ["invalid_json", "invalid_request"];

/** How long a synchronous task may hold its request; then the answer is 202 as for any other. */
const SYNC_ANSWER_MS = 8_000;

export type ConcordApp = OpenAPIHono<ApiEnv>;

export function createConcordApp(concord: Concord, auth: AuthOptions, log: Logger): ConcordApp {
  const app = createApp("concord", log, async () => {
    const missing = await concord.missing();
    return { ready: missing.length === 0, missing };
  }) as unknown as ConcordApp;
  app.use(async (context, next) => {
    await next();
    if (context.res.status === 503) context.header("retry-after", String(RETRY_AFTER_SECONDS));
  });
  for (const path of [
    "/commands",
    "/approvals",
    "/artifacts",
    "/audit",
    "/events",
    "/incidents",
    "/inputs",
    "/tools",
  ]) {
    app.use(path, identify(auth));
    app.use(`${path}/*`, identify(auth));
  }
  app.post("/commands", recordRejections(concord));
  addCommands(app, concord);
  addApprovals(app, concord);
  addAgentActions(app, concord, auth);
  addWaits(app, concord);
  addIncidents(app, concord);
  addTheRest(app, concord);
  addPolicies(app, concord, auth);
  addConnectors(app, concord, auth);
  addTasks(app, concord, auth);
  addNotifications(app, concord, auth);
  addRecord(app, concord);
  addCosts(app, concord);
  addRedactions(app, concord, auth);
  addSchedules(app, concord, auth);
  addWebhooks(app, concord);
  addAlerts(app, concord, auth);
  addDashboards(app, concord, auth);
  addWebhookEndpoints(app, concord, auth);
  const described = document(app);
  app.get("/openapi.json", (context) => context.json(described));
  return app;
}

/** CMD-6: what HTTP refuses before the service sees it is on record too, when it is known who asked. */
function recordRejections(concord: Concord): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    await next();
    const { error } = context;
    const principal = context.get("principal");
    if (principal === undefined || error === undefined || context.res.status !== 400) return;
    // A body that cannot be parsed fails as the framework's own error.
    const code = error instanceof ApiError ? error.code : "invalid_json";
    if (!UNSEEN_BY_SERVICE.includes(code)) return;
    const { message } = error;
    const { traceId } = context.get("trace");
    const rejected = { principal, ingress: "api_request", traceId, code, message } as const;
    await answering(concord, () => concord.commands.reject(rejected));
  };
}

function addCommands(app: ConcordApp, concord: Concord): void {
  app.openapi(routes.submitRoute, async (context) => {
    const request = submission(context.req.valid("json"), context.var);
    const { command, replayed } = await answering(concord, () => concord.commands.submit(request));
    refuseDenied(command);
    const shown = await shownNow(concord, request, command);
    const status = replayed || isResting(shown.status) ? 200 : 202;
    return context.json(commandView(shown, replayed), status);
  });
  app.openapi(routes.listCommandsRoute, async (context) => {
    const { task_name, root_command_id, requested_by, ...query } = context.req.valid("query");
    const filter = {
      ...query,
      taskName: task_name,
      requestedBy: requested_by,
      rootCommandId: root_command_id === undefined ? undefined : commandIdOf(root_command_id),
    };
    const principal = person(context.get("principal"));
    const list = () => concord.commands.list(principal, filter);
    return context.json(await listed(concord, list, (one) => commandView(one)), 200);
  });
  app.openapi(routes.getCommandRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const command = await answering(concord, () => concord.commands.get(principal, id));
    return context.json(commandView(command), 200);
  });
  app.openapi(routes.cancelRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { reason } = context.req.valid("json");
    const principal = person(context.get("principal"));
    const command = await answering(concord, () => concord.commands.cancel(principal, id, reason));
    return context.json(commandView(command), 202);
  });
  app.openapi(routes.explainRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const explanation = await answering(concord, () => concord.explain(principal, id));
    return context.json(explanationView(explanation), 200);
  });
  app.openapi(routes.timelineRoute, async (context) => {
    const { id } = context.req.valid("param");
    const descendants = context.req.valid("query").descendants === "true";
    const principal = person(context.get("principal"));
    const { command, entries } = await answering(concord, () =>
      concord.timeline(principal, id, { descendants }),
    );
    return context.json(
      { command: commandView(command), entries: entries.map(timelineEntryView) },
      200,
    );
  });
}

function addApprovals(app: ConcordApp, concord: Concord): void {
  app.openapi(routes.listApprovalsRoute, async (context) => {
    const filter = filterOf(context.req.valid("query"));
    const principal = person(context.get("principal"));
    const list = () => concord.approvals.list(principal, filter);
    return context.json(await listed(concord, list, approvalView), 200);
  });
  app.openapi(routes.getApprovalRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    return context.json(
      approvalView(await answering(concord, () => concord.approvals.get(principal, id))),
      200,
    );
  });
  app.openapi(routes.resolveRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { decision, reason, idempotency_key: idempotencyKey } = context.req.valid("json");
    const request = {
      approvalId: id,
      decision,
      principal: person(context.get("principal")),
      traceId: context.get("trace").traceId,
      ...(reason === undefined ? {} : { reason }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    };
    return context.json(
      approvalView(await answering(concord, () => concord.approvals.resolve(request))),
      200,
    );
  });
}

function addTheRest(app: ConcordApp, concord: Concord): void {
  app.openapi(routes.getArtifactRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const artifact = await answering(concord, () => concord.artifacts.get(principal, id));
    return context.json(artifactView(artifact, concord.artifacts.rendering(artifact)), 200);
  });
  app.openapi(routes.artifactLineageRoute, async (context) => {
    const { id } = context.req.valid("param");
    const principal = person(context.get("principal"));
    const lineage = await answering(concord, () => concord.artifacts.lineage(principal, id));
    return context.json(artifactLineageView(lineage), 200);
  });
  app.openapi(routes.toolsRoute, (context) => {
    const { agent_type: agentType } = context.req.valid("query");
    return context.json({ items: concord.tools(agentType).map(toolView) }, 200);
  });
  app.openapi(routes.verifyAuditRoute, async (context) => {
    const { known } = context.req.valid("query");
    const principal = person(context.get("principal"));
    const options = known === undefined ? {} : { known };
    const report = await answering(concord, () => concord.verifyAudit(principal, options));
    return context.json(auditReportView(report), 200);
  });
  app.get("/events", (context) => answering(concord, () => streamEvents(concord, context)));
  app.get("/metrics", async (context) =>
    context.text(await answering(concord, () => metricsText(concord))),
  );
}

/** What a submission asks for, from its body, the caller and the trace. */
function submission(
  body: typeof routes.SubmitBody._output,
  caller: ApiEnv["Variables"],
): SubmitRequest {
  const { idempotency_key: key, context, depends_on: dependsOn } = body;
  const { ingress = "api_request" } = context ?? {};
  if (ingress !== "api_request" && !caller.isService) {
    throw new ApiError(403, "forbidden", `Only a service may submit with ingress ${ingress}.`);
  }
  return {
    taskName: body.task_name ?? "",
    ...(body.command_type === undefined ? {} : { commandType: body.command_type }),
    payload: body.payload,
    principal: person(caller.principal),
    ingress,
    traceId: caller.trace.traceId,
    ...(key === undefined ? {} : { idempotencyKey: key }),
    ...(context?.run_as === undefined ? {} : { runAs: context.run_as }),
    ...(dependsOn === undefined ? {} : { dependsOn: dependsOn.map(dependencyOf) }),
    ...placeOf(context),
    ...(context?.metadata === undefined ? {} : { metadata: context.metadata as JsonObject }),
  };
}

function placeOf(
  context: (typeof routes.SubmitBody._output)["context"],
): Pick<SubmitRequest, "place"> {
  const { workspace_id, app_id, team_id, environment } = context ?? {};
  const place = {
    ...(workspace_id === undefined ? {} : { workspaceId: workspace_id }),
    ...(app_id === undefined ? {} : { appId: app_id }),
    ...(team_id === undefined ? {} : { teamId: team_id }),
    ...(environment === undefined ? {} : { environment }),
  };
  return Object.keys(place).length === 0 ? {} : { place };
}

/** A denied command exists and is on record; the caller is told so, and why. */
function refuseDenied(command: Command): void {
  if (command.status !== "failed" || command.errorClass !== "policy_denied") return;
  throw new ApiError(403, "policy_denied", `Policy denies this: ${command.error ?? ""}`, {
    command_id: encodeId("command", command.commandId),
  });
}

async function shownNow(
  concord: Concord,
  request: SubmitRequest,
  command: Command,
): Promise<Command> {
  if (command.plan?.executionMode !== "sync" || isResting(command.status)) return command;
  const id = encodeId("command", command.commandId);
  return concord.commands.settled(request.principal, id, SYNC_ANSWER_MS);
}
