/**
 * Owns the durable runtime in memory (RUN-6), for unit tests and for programs that can live with this: runs and
 * their checkpoints end with the process. Over Postgres the reconciler starts every open command again from its
 * rows, so no command is lost and no effect happens twice; what is lost is only which step was checkpointed, and
 * ticks of schedules meanwhile. It does not promise: several executors over one database (nobody divides the
 * work), queues with limits, ticks that survive the process.
 *
 * `crash` and `recover` play the end of a process: bodies are cut at their next call and replayed from the journal.
 */
import { randomUUID } from "node:crypto";
import type { ClientBase, Pool } from "pg";
import type { Json } from "../../core/json.ts";
import type { DurableRuntime, RuntimeCapability, WorkflowSpec } from "../protocol/index.ts";
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { type Ground, postgresGround } from "./ground.ts";
import { Runs } from "./runs.ts";
import { timedSchedules } from "./schedules.ts";

export interface MemoryOptions<Connection> {
  readonly ground: Ground<Connection>;
  readonly clock?: Clock;
  /** For tests: true cuts the run right before this call, as the end of the process would. */
  readonly cutBefore?: (workflowId: string, call: number, name: string) => boolean;
  /** A tick that was given up. Default: nobody is told. */
  readonly onLost?: (error: unknown) => void;
}

export interface MemoryRuntime<Connection> extends DurableRuntime<Connection> {
  /** Every body is cut at its next call; nothing it recorded is lost. */
  crash(): void;
  /** Every cut body goes on from its journal. */
  recover(): void;
}

const CAPABILITIES: ReadonlySet<RuntimeCapability> = new Set([
  "durable_workflows",
  "durable_steps",
  "schedules",
  "signals",
  "subworkflows",
  "effect_interception",
]);

type Message =
  | { readonly spec: WorkflowSpec }
  | { readonly workflowId: string; readonly topic: string; readonly payload: Json };

/** For `createConcord({ runtime: memoryOverPostgres })`. */
export function memoryOverPostgres({ pool }: { readonly pool: Pool }): MemoryRuntime<ClientBase> {
  return createMemoryRuntime({ ground: postgresGround(pool) });
}

export function createMemoryRuntime<Connection>(
  options: MemoryOptions<Connection>,
): MemoryRuntime<Connection> {
  const { ground, clock = SYSTEM_CLOCK, cutBefore = () => false } = options;
  const id = randomUUID();
  const runs = new Runs<Connection>({ ground, clock, cutBefore });
  const schedules = timedSchedules(clock, options.onLost ?? (() => undefined));
  let silence: (() => Promise<void>) | undefined;
  const deliver = (text: string) => {
    const { to, message } = JSON.parse(text) as { readonly to: string; readonly message: Message };
    // Another runtime over the same database hears it too.
    if (to !== id) return;
    if ("spec" in message) runs.submit(message.spec);
    else runs.signal(message.workflowId, message.topic, message.payload);
  };
  const post = (connection: Connection, message: Message) =>
    ground.send(connection, JSON.stringify({ to: id, message }));
  return {
    name: "memory",
    capabilities: CAPABILITIES,
    defineWorkflow: (name, body) => {
      runs.bodies.set(name, body);
    },
    start: async () => {
      silence = await ground.receive(deliver);
      runs.serve();
      schedules.start();
    },
    stop: async () => {
      schedules.stop();
      runs.cut();
      await silence?.();
    },
    messages: (connection) => ({
      submit: (spec) => post(connection, { spec }),
      signal: (workflowId, topic, payload) => post(connection, { workflowId, topic, payload }),
    }),
    submitWorkflow: async (spec) => runs.submit(spec),
    signal: async (workflowId, topic, payload) => runs.signal(workflowId, topic, payload),
    waitForResult: (workflowId, timeoutMs) => runs.outcome(workflowId, timeoutMs),
    cancel: async (workflowId) => runs.cancel(workflowId),
    inspect: async (workflowId) => runs.inspect(workflowId, id),
    stranded: (limit) => ground.stranded((workflowId) => runs.isOpen(workflowId), limit),
    forgetEnded: async (before, limit) => runs.forgetEnded(before.getTime(), limit),
    schedules,
    crash: () => runs.cut(),
    recover: () => runs.serve(),
  };
}
