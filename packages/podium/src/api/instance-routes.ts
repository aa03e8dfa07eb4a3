/**
 * Owns `/api/v1`: instances, their event logs, agent types (docs/wire.md §4).
 * Refuses to own: conversations, which run over the socket (`socket/`).
 */
import { ApiError } from "@concert/service-kit";
import { createRoute, z } from "@hono/zod-openapi";
import { v7 as uuidv7 } from "uuid";
import { type AgentTypes, agentTypeOf, builtInDeployment } from "../agents/agent-types.ts";
import { actorOf, unknownInstance, visibleInstance } from "../engine/instance-access.ts";
import type { TurnDesk } from "../engine/turn-desk.ts";
import { instanceConfigSchema } from "../runs/instance-config.ts";
import type { Instance } from "../store/instances.ts";
import type { Removal } from "../store/removals.ts";
import type { Store } from "../store/store.ts";
import type { PodiumApp } from "./app.ts";

const EVENTS_LIMIT_MAX = 1_000;
const EVENTS_LIMIT_DEFAULT = 200;

export interface InstanceRouteNeeds {
  readonly store: Store;
  readonly desk: TurnDesk;
  readonly agents: AgentTypes;
  readonly internalSecret: string;
}

const instanceIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,128}$/, "1 to 128 letters, digits or _ . : -");

const newInstanceSchema = z.object({
  deployment_id: z.string().min(1).max(200).optional(),
  agent_type: z.string().min(1).max(100).optional(),
  instance_id: instanceIdSchema.optional(),
  config: instanceConfigSchema.optional(),
  secrets: z.record(z.string(), z.string()).optional(),
});
type NewInstance = z.infer<typeof newInstanceSchema>;

const instanceSchema = z
  .object({
    instance_id: z.string(),
    deployment_id: z.string(),
    agent_type: z.string(),
    status: z.enum(["running", "stopped"]),
  })
  .openapi("Instance");

const eventSchema = z
  .object({
    type: z.literal("update"),
    event_id: z.int(),
    event_type: z.string(),
    turn_id: z.string(),
    content: z.unknown(),
    at: z.string(),
  })
  .openapi("PodiumEvent");

const agentTypeSchema = z
  .object({ agent_type: z.string(), title: z.string(), description: z.string() })
  .openapi("AgentType");

const instanceParams = z.object({ id: instanceIdSchema });
const body = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { "application/json": { schema } },
});

const createInstanceRoute = createRoute({
  method: "post",
  path: "/api/v1/instances",
  summary: "Create an instance, or meet the one with this id again",
  request: { body: { required: true, ...body(newInstanceSchema, "What to run") } },
  responses: { 201: body(instanceSchema, "Created"), 200: body(instanceSchema, "Known already") },
});

const getInstanceRoute = createRoute({
  method: "get",
  path: "/api/v1/instances/{id}",
  summary: "An instance",
  request: { params: instanceParams },
  responses: { 200: body(instanceSchema, "The instance") },
});

const stopInstanceRoute = createRoute({
  method: "delete",
  path: "/api/v1/instances/{id}",
  summary: "Stop an instance and its open turns; its log stays",
  request: { params: instanceParams },
  responses: { 200: body(instanceSchema, "Stopped") },
});

const removedSchema = z
  .object({
    instance_id: z.string(),
    status: z.literal("removed"),
    removed_by: z.string(),
    removed_at: z.string(),
    turns: z.int(),
    events: z.int(),
    files: z.int(),
  })
  .openapi("RemovedInstance");
const stoppingSchema = z.object({ instance_id: z.string(), status: z.literal("stopping") });

const removeInstanceRoute = createRoute({
  method: "post",
  path: "/api/v1/instances/{id}/remove",
  summary:
    "Delete an instance for good, with its log and its workspace; the same again is harmless",
  request: { params: instanceParams },
  responses: {
    200: body(removedSchema, "Nothing of it is left"),
    202: body(stoppingSchema, "Its turns are being stopped: ask again until it is removed"),
  },
});

const eventsRoute = createRoute({
  method: "get",
  path: "/api/v1/instances/{id}/events",
  summary: "Events of the durable log, in order",
  request: {
    params: instanceParams,
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      limit: z.coerce.number().int().min(1).max(EVENTS_LIMIT_MAX).default(EVENTS_LIMIT_DEFAULT),
    }),
  },
  responses: { 200: body(z.object({ items: z.array(eventSchema) }), "Events after `after`") },
});

const agentTypesRoute = createRoute({
  method: "get",
  path: "/api/v1/agent-types",
  summary: "What can be run",
  responses: { 200: body(z.object({ items: z.array(agentTypeSchema) }), "Agent types") },
});

export function addInstanceRoutes(app: PodiumApp, needs: InstanceRouteNeeds): void {
  const { store, desk, agents, internalSecret } = needs;
  const visible = async (headers: Headers, instanceId: string) => {
    const actor = await actorOf(headers, internalSecret);
    return { actor, instance: visibleInstance(store, instanceId, actor?.tenant) };
  };

  const personOf = async (headers: Headers) => {
    const actor = await actorOf(headers, internalSecret);
    if (actor !== undefined) return actor;
    const message = "An instance belongs to a tenant: send the person in concert-actor.";
    throw new ApiError(401, "invalid_actor", message);
  };

  app.openapi(createInstanceRoute, async (context) => {
    const actor = await personOf(context.req.raw.headers);
    const { instance, created } = createInstance(needs, context.req.valid("json"), actor.tenant);
    return context.json(shown(instance), created ? 201 : 200);
  });

  app.openapi(getInstanceRoute, async (context) => {
    const { instance } = await visible(context.req.raw.headers, context.req.valid("param").id);
    return context.json(shown(instance), 200);
  });

  app.openapi(stopInstanceRoute, async (context) => {
    const { id } = context.req.valid("param");
    const { actor, instance } = await visible(context.req.raw.headers, id);
    desk.stopInstance(instance, actor);
    return context.json(shown({ ...instance, status: "stopped" }), 200);
  });

  app.openapi(removeInstanceRoute, async (context) => {
    const actor = await personOf(context.req.raw.headers);
    const { id } = context.req.valid("param");
    const removal = desk.removeInstance(id, actor);
    if (removal === undefined) return context.json({ instance_id: id, status: "stopping" }, 202);
    return context.json(shownRemoval(removal), 200);
  });

  app.openapi(eventsRoute, async (context) => {
    const { id } = context.req.valid("param");
    await visible(context.req.raw.headers, id);
    const { after, limit } = context.req.valid("query");
    return context.json({ items: store.events.readAfter(id, after, limit) }, 200);
  });

  app.openapi(agentTypesRoute, (context) => {
    const items = [...agents.values()].map(({ type, title, description }) => ({
      agent_type: type,
      title,
      description,
    }));
    return context.json({ items }, 200);
  });
}

/** Creates the instance, or starts the known one again if it was stopped; its type and log stay what they were. */
function createInstance(
  { store, agents }: InstanceRouteNeeds,
  wanted: NewInstance,
  tenantId: string,
): { instance: Instance; created: boolean } {
  const agentType = chosenType(wanted, agents);
  if (Object.keys(wanted.secrets ?? {}).length > 0) {
    const message = "secrets: the built-in agent types take none; leave the field out.";
    throw new ApiError(400, "invalid_request", message);
  }
  const instanceId = wanted.instance_id ?? `inst_${uuidv7().replaceAll("-", "")}`;
  return store.write(() => {
    const known = store.instances.get(instanceId);
    if (store.removals.get(instanceId) !== undefined) throw removed(instanceId);
    if (known !== undefined && known.tenantId !== tenantId) throw unknownInstance(instanceId);
    if (known !== undefined) {
      store.instances.setStatus(instanceId, "running");
      return { instance: { ...known, status: "running" } as const, created: false };
    }
    const instance: Instance = {
      instanceId,
      tenantId,
      deploymentId: wanted.deployment_id ?? builtInDeployment(agentType),
      agentType,
      config: wanted.config ?? {},
      status: "running",
    };
    store.instances.insert(instance, store.now());
    return { instance, created: true };
  });
}

function chosenType(wanted: NewInstance, agents: AgentTypes): string {
  const { deployment_id, agent_type } = wanted;
  const type = agent_type ?? (deployment_id === undefined ? undefined : agentTypeOf(deployment_id));
  if (type !== undefined && agents.has(type)) return type;
  const accepted = [...agents.keys()].join(", ");
  const message =
    type === undefined
      ? `agent_type or deployment_id is missing; agent types: ${accepted}.`
      : `There is no agent type "${type}"; agent types: ${accepted}.`;
  throw new ApiError(400, "unknown_agent_type", message);
}

function removed(instanceId: string): ApiError {
  const message = `Instance ${instanceId} was deleted for good; choose another instance_id.`;
  return new ApiError(409, "instance_removed", message);
}

function shownRemoval({ instanceId, removedBy, removedAt, turns, events, files }: Removal) {
  const what = { instance_id: instanceId, status: "removed" as const };
  return { ...what, removed_by: removedBy, removed_at: removedAt, turns, events, files };
}

function shown(instance: Instance) {
  return {
    instance_id: instance.instanceId,
    deployment_id: instance.deploymentId,
    agent_type: instance.agentType,
    status: instance.status,
  };
}
