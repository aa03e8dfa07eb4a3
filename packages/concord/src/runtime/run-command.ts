/**
 * Owns the workflow `run_command`: a loop that asks the domain what is next and does it. Everything that decides
 * anything is in domain/engine.ts; everything that an engine does its own way is behind the port, so this body is
 * the same on every one of them (RUN-5, RUN-7, RUN-8).
 */
import { asId, type CommandId } from "../core/ids.ts";
import { isResting } from "../core/vocabulary.ts";
import type { AgentRuntime } from "../domain/agents.ts";
import type { Vendors } from "../domain/connector-attempt.ts";
import type { Kit } from "../domain/kit.ts";
import { moveCommand } from "../domain/move.ts";
import { Slots } from "../domain/slots.ts";
import type { Outbox, Store, Tx } from "../domain/store.ts";
import { performThought } from "../domain/thinking.ts";
import { isConnectionLost } from "../postgres/connection.ts";
import { deliverySpec } from "./deliver-webhook.ts";
import { patiently } from "./patience.ts";
import { type Outside, proceed } from "./proceed.ts";
import type { DurableRuntime, RuntimeMessages, WorkflowContext } from "./protocol/index.ts";
import type { SpanMaker } from "./spans.ts";

export const RUN_COMMAND = "concord.run_command";
/** One topic for everything: a message says only "read your rows again". */
export const WAKE_TOPIC = "wake";

export interface RunParts<Connection> {
  /** Repositories over a connection whose transaction the runtime began. */
  readonly over: (connection: Connection) => Tx;
  readonly store: Store;
  readonly kit: Kit;
  readonly vendors: Vendors;
  readonly agentRuntime: AgentRuntime | undefined;
  readonly spans?: SpanMaker | undefined;
  readonly onError: (error: unknown, commandId: string) => void;
}

/** A sleeping run looks at its rows at least this often, whatever happened to its messages. */
const LONGEST_SLEEP_MS = 3_600_000;

/**
 * Transactions that runs have open at once in this process, however many run: the other connections are for people who
 * ask, and a few that are used again and again know their statements.
 */
const AT_ONCE_MAX = 8;

/** Failures of our own in a row before the command is given up; each is logged, and waited after. */
const MISHAPS_MAX = 5;
const MISHAP_WAIT_MS = 400;

/** Tells `runtime` what the run of a command is. Call once, before it starts. */
export function defineRunCommand<Connection>(
  runtime: DurableRuntime<Connection>,
  parts: RunParts<Connection>,
): void {
  const store = atMost(AT_ONCE_MAX, parts.store);
  runtime.defineWorkflow(RUN_COMMAND, async (context, input) => {
    await runCommand({ ...parts, store }, context, asId("command", String(input)));
    return null;
  });
}

/** The same, with so many transactions open at once; the others wait their turn without a connection. */
function atMost(count: number, store: Store): Store {
  const slots = new Slots(count);
  return { ...store, transaction: (work) => slots.run(() => store.transaction(work)) };
}

/** The messages of the domain in those of the runtime. */
export function outboxOver(messages: RuntimeMessages): Outbox {
  return {
    start: (workflowId, commandId, queue, { tenant }) =>
      messages.submit({ workflow: RUN_COMMAND, workflowId, input: commandId, queue, tenant }),
    wake: (workflowId) => messages.signal(workflowId, WAKE_TOPIC, {}),
    deliver: (deliveryId, round, tenant) =>
      messages.submit(deliverySpec({ deliveryId, round }, tenant)),
  };
}

async function runCommand<Connection>(
  parts: RunParts<Connection>,
  context: WorkflowContext<Connection>,
  commandId: CommandId,
): Promise<void> {
  let next: Outside = null;
  for (let mishaps = 0; mishaps < MISHAPS_MAX; ) {
    try {
      if (next?.kind === "done") return;
      next = await perform(parts, context, commandId, next);
      mishaps = 0;
    } catch (error) {
      if (context.isInterrupt(error)) throw error;
      parts.onError(error, commandId);
      mishaps += 1;
      next = null;
      await context.sleep(MISHAP_WAIT_MS * mishaps);
    }
  }
  await recordFailure(parts, context, commandId);
}

/** What is next after `directive`, when that is known already; without one (null), the rows are asked. */
async function perform<Connection>(
  parts: RunParts<Connection>,
  context: WorkflowContext<Connection>,
  commandId: CommandId,
  directive: Exclude<Outside, { kind: "done" }>,
): Promise<Outside> {
  const { store, kit, agentRuntime } = parts;
  switch (directive?.kind) {
    case "wait":
      await context.wait(WAKE_TOPIC, directive.untilMs ?? 0);
      return null;
    case "think": {
      const { stepIndex } = directive;
      return step(parts, context, commandId, `think:${stepIndex}`, () =>
        performThought(store, kit, agentRuntime, commandId, stepIndex),
      );
    }
    default:
      return step(parts, context, commandId, "proceed");
  }
}

/**
 * Does `work`, then goes on as far as the rows allow: one checkpoint for all of it, and none when that is the end. What is done in it commits by
 * itself and the rows answer the same when asked again, so it may be entered again, and a lost database is waited out.
 */
function step<Connection>(
  { store, kit, vendors, spans }: RunParts<Connection>,
  context: WorkflowContext<Connection>,
  commandId: CommandId,
  name: string,
  work: () => Promise<void> = async () => {},
): Promise<Outside> {
  const assertOwned = () => context.assertOwned();
  const advance = () =>
    patiently(isConnectionLost, async () => {
      await work();
      return bounded(kit, await proceed({ store, kit, vendors, spans, assertOwned }, commandId));
    });
  return context.stepUnlessOver(name, advance, (next) => next?.kind === "done");
}

function bounded(kit: Kit, directive: Outside): Outside {
  if (directive?.kind !== "wait") return directive;
  const latestMs = kit.nowMs() + LONGEST_SLEEP_MS;
  return { kind: "wait", untilMs: Math.min(directive.untilMs ?? latestMs, latestMs) };
}

async function recordFailure<Connection>(
  { over }: RunParts<Connection>,
  context: WorkflowContext<Connection>,
  commandId: CommandId,
): Promise<void> {
  await context.transaction("fail", async (connection) => {
    const tx = over(connection);
    const command = await tx.commands.lock(commandId);
    if (command === undefined || isResting(command.status)) return null;
    const to = command.status === "cancelling" ? "cancelled" : "failed";
    const message = "Something failed on our side; the log has the details under this trace id.";
    await moveCommand(tx, command, to, { failure: { errorClass: "unknown_error", message } });
    return null;
  });
}
