/**
 * Owns the port to a durable runtime (spec §41; RUN-1, RUN-2): what Concord asks of whatever keeps work going
 * across crashes, and the capabilities an adapter declares. DBOS, Restate and the in-memory runtime implement
 * it, and one contract suite (`@concert/concord/testing`) holds them to it. Refuses to own: any engine's types.
 *
 * What a body may rely on: a step that ended is not run again; one that was cut off is; signals of one topic
 * arrive in order, each once, also those sent before the body waits. Everything else a body needs is in rows.
 */
import type { CommandId } from "../../core/ids.ts";
import type { Json } from "../../core/json.ts";

/** V-29. */
export const RUNTIME_CAPABILITIES = [
  "durable_workflows",
  "durable_steps",
  "queues",
  "schedules",
  "signals",
  "subworkflows",
  "effect_interception",
  "saga_compensation_native",
  "workflow_versioning",
] as const;
export type RuntimeCapability = (typeof RUNTIME_CAPABILITIES)[number];

/** What a workflow's body is handed. Each call is a durable step; calls are made one after the other. */
export interface WorkflowContext<Connection> {
  readonly workflowId: string;
  /**
   * Rows and, where the engine can, the step's checkpoint in one commit. Where it cannot, `work` may run again
   * after a crash between the two, so it has to find out from its rows what is done already.
   */
  transaction<T extends Json>(
    name: string,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T>;
  /** At least once until it ends; not repeated when it throws: the body decides. */
  step<T extends Json>(name: string, work: () => Promise<T>): Promise<T>;
  /**
   * The same for the last thing that a body does, unless it turns out not to be: what `isOver` is not recorded, since the
   * body ends with it and its end is. `work` is entered again when the body begins anew, also where it has ended before;
   * then what was recorded counts.
   */
  stepUnlessOver<T extends Json>(
    name: string,
    work: () => Promise<T>,
    isOver: (value: T) => boolean,
  ): Promise<T>;
  /** The next signal of `topic`, or undefined at `deadlineMs` (epoch). */
  wait(topic: string, deadlineMs: number): Promise<Json | undefined>;
  sleep(ms: number): Promise<void>;
  /**
   * Within a step, before something outside begins: throws when the run was given to somebody else, or ended, in the
   * meantime. Nothing to ask where the engine itself lets only one go on.
   */
  assertOwned(): Promise<void>;
  /** The engine ends this run by throwing `error` (cancelled, taken over): a body passes it on, whatever it was doing. */
  isInterrupt(error: unknown): boolean;
}

export type WorkflowBody<Connection> = (
  context: WorkflowContext<Connection>,
  input: Json,
) => Promise<Json>;

export interface WorkflowSpec {
  /** A name given to `defineWorkflow`. */
  readonly workflow: string;
  /** The identity of the run: submitted twice, it runs once, with the first input. */
  readonly workflowId: string;
  readonly input: Json;
  /** One of `core/vocabulary.ts` `QUEUES`; an engine without the capability `queues` starts at once. */
  readonly queue: string;
  readonly tenant: string;
}

export type WorkflowOutcome =
  | { readonly state: "succeeded"; readonly value: Json }
  | { readonly state: "failed"; readonly message: string }
  | { readonly state: "cancelled" }
  /** Still at it when the time was up. */
  | { readonly state: "running" };

/** Messages that exist if and only if the transaction over their connection commits. */
export interface RuntimeMessages {
  submit(spec: WorkflowSpec): Promise<void>;
  /** Harmless when the run is missing or has ended. */
  signal(workflowId: string, topic: string, payload: Json): Promise<void>;
}

/** What the runtime knows about the run of a command. */
export interface RunState {
  readonly state: "missing" | "queued" | "taken" | "ended" | "given_up";
  readonly executorId: string | null;
  readonly isExecutorAlive: boolean;
  readonly liveExecutors: number;
}

export interface ScheduleSpec {
  readonly name: string;
  /** Five or six fields, UTC. */
  readonly cron: string;
  /** What happens to ticks that nobody was there for: made up for at the next start, or left out. */
  readonly missed: "run" | "skip";
}

export interface ScheduleState extends ScheduleSpec {
  readonly status: "active" | "paused";
  /** ISO 8601, or null before the first. */
  readonly lastTickAt: string | null;
}

/** Ticks of schedules, each once, whichever and however many executors live. */
export interface Schedules {
  /** What ticks do; before `start`. A tick that fails is tried again with the same time. */
  onTick(work: (name: string, dueAt: Date) => Promise<void>): void;
  /** Makes these the schedules there are; a pause survives. */
  apply(specs: readonly ScheduleSpec[]): Promise<void>;
  list(): Promise<readonly ScheduleState[]>;
  pause(name: string): Promise<void>;
  resume(name: string): Promise<void>;
  /** A tick now, also while paused. */
  trigger(name: string): Promise<void>;
  /** The ticks that were due in (from, to]; those that happened are not repeated. Returns how many were asked for. */
  backfill(name: string, from: Date, to: Date): Promise<number>;
}

export interface DurableRuntime<Connection> {
  readonly name: string;
  readonly capabilities: ReadonlySet<RuntimeCapability>;
  /** Before `start`. The name is the durable identity of the body. */
  defineWorkflow(name: string, body: WorkflowBody<Connection>): void;
  /** Continues what this executor left behind, and serves. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Messages within a transaction that the caller began over `connection`. */
  messages(connection: Connection): RuntimeMessages;
  submitWorkflow(spec: WorkflowSpec): Promise<void>;
  signal(workflowId: string, topic: string, payload: Json): Promise<void>;
  waitForResult(workflowId: string, timeoutMs: number): Promise<WorkflowOutcome>;
  /** Ends the run at its next durable call; the body cannot clean up, so commands are never stopped this way (CAN-2). */
  cancel(workflowId: string): Promise<void>;
  inspect(workflowId: string | null): Promise<RunState>;
  /** Commands at work whose run is missing, has ended, or can be continued by nobody alive (STM-12); oldest first. */
  stranded(limit: number): Promise<readonly CommandId[]>;
  /** Forgets runs that ended before `before`; at most `limit`. Returns how many. */
  forgetEnded(before: Date, limit: number): Promise<number>;
  readonly schedules: Schedules | undefined;
}
