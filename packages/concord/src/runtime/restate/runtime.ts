/**
 * Owns the durable runtime on Restate: a distributed engine in a server of its own, which calls the handlers that
 * this process serves and keeps their journals. Rows stay in Postgres, so a commit and a journal entry are two:
 * messages wait in `concord.runtime_messages` for the relay, and every body finds out from its rows what a first
 * time did (see DESIGN.md). Several executors serve one URL behind a balancer; the server decides who goes on.
 */
import type { ClientBase, Pool } from "pg";
import type { Logger } from "pino";
import { asId, type CommandId } from "../../core/ids.ts";
import { isJsonObject } from "../../core/json.ts";
import { openCommands } from "../../postgres/projections/runs.ts";
import { leaveMessage, type WaitingMessage } from "../../postgres/runtime-messages.ts";
import type {
  DurableRuntime,
  RunState,
  RuntimeCapability,
  WorkflowBody,
  WorkflowOutcome,
  WorkflowSpec,
} from "../protocol/index.ts";
import { type Listen, serveEndpoint } from "./endpoint.ts";
import { createRelay } from "./relay.ts";
import { restateSchedules } from "./schedules.ts";
import { quoted, type RestateAddresses, type RestateApi, restateApi } from "./server-api.ts";

export interface RestateOptions extends RestateAddresses {
  readonly pool: Pool;
  readonly log: Logger;
  /** Where this process serves its handlers; stable, since runs at work are bound to it. Port 0 only for tests. */
  readonly listen: Listen;
  /** How the server reaches `listen`; default: as it is. */
  readonly advertisedUrl?: string;
}

/** No queues with limits. A run at work is bound to the deployment it began on, so versions live side by side. */
const CAPABILITIES: ReadonlySet<RuntimeCapability> = new Set([
  "durable_workflows",
  "durable_steps",
  "schedules",
  "signals",
  "subworkflows",
  "effect_interception",
  "workflow_versioning",
]);

const REGISTER_WITHIN_MS = 30_000;
const REGISTER_AGAIN_MS = 200;
const LOOK_EVERY_MS = 50;
const PAGE = 200;

export function createRestateRuntime(options: RestateOptions): DurableRuntime<ClientBase> {
  const { pool, log } = options;
  const api = restateApi(options);
  const bodies = new Map<string, WorkflowBody<ClientBase>>();
  const schedules = restateSchedules(api);
  const submit = (spec: WorkflowSpec) =>
    api.send(spec.workflow, spec.workflowId, "run", spec.input);
  const signal = async (workflowId: string, topic: string, payload: WorkflowSpec["input"]) => {
    const run = await runOf(api, workflowId);
    if (run === undefined || run.status === "completed") return;
    await api.call(run.service, workflowId, "signal", { topic, payload });
  };
  const relay = createRelay(pool, log, (one) => passOn(one, submit, signal));
  let endpoint: Awaited<ReturnType<typeof serveEndpoint>> | undefined;
  return {
    name: "restate",
    capabilities: CAPABILITIES,
    defineWorkflow: (name, body) => {
      bodies.set(name, body);
    },
    start: async () => {
      endpoint = await serveEndpoint({ bodies, pool, tick: schedules.tick, log }, options.listen);
      await registered(api, options.advertisedUrl ?? endpoint.url);
      await relay.start();
    },
    stop: async () => {
      await relay.stop();
      await endpoint?.close();
    },
    messages: (connection) => ({
      submit: (spec) => leaveMessage(connection, spec.workflowId, { submit: { ...spec } }),
      signal: (workflowId, topic, payload) =>
        leaveMessage(connection, workflowId, { signal: { topic, payload } }),
    }),
    submitWorkflow: submit,
    signal,
    waitForResult: (workflowId, timeoutMs) => outcomeOf(api, workflowId, timeoutMs),
    cancel: async (workflowId) => {
      const run = await runOf(api, workflowId);
      if (run !== undefined && run.status !== "completed") await api.cancel(run.id);
    },
    inspect: async (workflowId) => stateOf(api, workflowId),
    stranded: (limit) => stranded(api, pool, limit),
    forgetEnded: async (before, limit) => {
      const ended = await api.invocations(
        `status = 'completed' AND completed_at < '${before.toISOString()}'
           AND target_service_name LIKE 'con%' LIMIT ${Math.trunc(limit)}`,
      );
      for (const one of ended) await api.purge(one.id);
      return ended.length;
    },
    schedules,
  };
}

async function passOn(
  { workflowId, message }: WaitingMessage,
  submit: (spec: WorkflowSpec) => Promise<void>,
  signal: DurableRuntime<ClientBase>["signal"],
): Promise<void> {
  if (!isJsonObject(message)) return;
  const spec = message["submit"];
  if (isJsonObject(spec)) return submit(spec as unknown as WorkflowSpec);
  const one = message["signal"];
  if (isJsonObject(one)) await signal(workflowId, String(one["topic"]), one["payload"] ?? null);
}

/** Processes may start in any order: a server that is not up yet is waited for. */
async function registered(api: RestateApi, url: string): Promise<void> {
  const deadlineMs = Date.now() + REGISTER_WITHIN_MS;
  for (;;) {
    try {
      return await api.register(url);
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, REGISTER_AGAIN_MS));
    }
  }
}

async function runOf(api: RestateApi, workflowId: string) {
  const [run] = await api.invocations(`target_service_key = ${quoted(workflowId)}`);
  return run;
}

async function outcomeOf(
  api: RestateApi,
  workflowId: string,
  timeoutMs: number,
): Promise<WorkflowOutcome> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const run = await runOf(api, workflowId);
    if (run?.status === "completed") {
      if (run.result === "success") {
        return { state: "succeeded", value: await api.output(run.service, workflowId) };
      }
      const message = run.failure ?? "it failed";
      return /cancelled/i.test(message) ? { state: "cancelled" } : { state: "failed", message };
    }
    if (Date.now() >= deadlineMs) return { state: "running" };
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Which process holds a run is the server's affair; it finds another one by itself. */
async function stateOf(api: RestateApi, workflowId: string | null): Promise<RunState> {
  const run = workflowId === null ? undefined : await runOf(api, workflowId);
  const live = { executorId: null, isExecutorAlive: true, liveExecutors: 1 };
  if (run === undefined) return { state: "missing", ...live };
  if (run.status === "completed") return { state: "ended", ...live };
  if (run.status === "paused") return { state: "given_up", ...live };
  return {
    state: run.status === "pending" || run.status === "scheduled" ? "queued" : "taken",
    ...live,
  };
}

async function stranded(api: RestateApi, pool: Pool, limit: number): Promise<readonly CommandId[]> {
  const found: CommandId[] = [];
  for (let after: CommandId | undefined; ; ) {
    const page = await openCommands(pool, after, PAGE);
    const ids = page.flatMap(({ workflowId }) => (workflowId === null ? [] : [workflowId]));
    const runs =
      ids.length === 0
        ? []
        : await api.invocations(
            `status <> 'completed' AND target_service_key IN (${ids.map(quoted).join(", ")})`,
          );
    const open = new Set(runs.map((run) => run.key));
    for (const { commandId, workflowId } of page) {
      if (workflowId === null || !open.has(workflowId)) found.push(asId("command", commandId));
      if (found.length === limit) return found;
    }
    if (page.length < PAGE) return found;
    after = page.at(-1)?.commandId;
  }
}
