/**
 * Owns the durable workflow `run_command`: a loop that asks the domain what is next and does it. Everything
 * that decides anything is in domain/engine.ts; see DESIGN.md for what DBOS guarantees around it.
 */
import { DBOS } from "@dbos-inc/dbos-sdk";
import { DBOSError } from "@dbos-inc/dbos-sdk/datasource";
import { asId, type CommandId } from "../../core/ids.ts";
import { isResting } from "../../core/vocabulary.ts";
import type { AgentRuntime } from "../../domain/agents.ts";
import { performAttempt, type Vendors } from "../../domain/connector-attempt.ts";
import type { Directive } from "../../domain/directive.ts";
import { advance } from "../../domain/engine.ts";
import type { Kit } from "../../domain/kit.ts";
import { moveCommand } from "../../domain/move.ts";
import { performThought } from "../../domain/thinking.ts";
import { isConnectionLost } from "../../postgres/connection.ts";
import type { PgStore } from "../../postgres/store.ts";
import type { PgDataSource } from "./data-source.ts";
import { RUN_COMMAND, WAKE_TOPIC } from "./outbox.ts";
import { patiently } from "./patience.ts";

export interface WorkflowParts {
  readonly dataSource: PgDataSource;
  readonly store: PgStore;
  readonly kit: Kit;
  readonly vendors: Vendors;
  readonly agentRuntime: AgentRuntime | undefined;
  readonly onError: (error: unknown, commandId: string) => void;
}

/** A sleeping run looks at its rows at least this often, whatever happened to its messages. */
const LONGEST_SLEEP_MS = 3_600_000;
/**
 * DBOS notifies on arrival; this bounds the wait if a notification is lost. Every parked run asks this often,
 * so it is the price of a waiting approval.
 */
const POLL_MS = 30_000;

/** Failures of our own in a row before the command is given up; each is logged, and waited after. */
const MISHAPS_MAX = 5;
const MISHAP_WAIT_MS = 400;

/** Registers `run_command`. Call once, before DBOS launches. */
export function registerWorkflows(parts: WorkflowParts): void {
  DBOS.registerWorkflow((id: string) => runCommand(parts, asId("command", id)), {
    name: RUN_COMMAND,
  });
}

async function runCommand(parts: WorkflowParts, commandId: CommandId): Promise<void> {
  for (let mishaps = 0; mishaps < MISHAPS_MAX; ) {
    try {
      const directive = await decide(parts, commandId);
      if (directive.kind === "done") return;
      await perform(parts, commandId, directive);
      mishaps = 0;
    } catch (error) {
      // DBOS ends a run by throwing (cancelled, taken over by another executor): that is not our failure.
      if (error instanceof DBOSError) throw error;
      parts.onError(error, commandId);
      mishaps += 1;
      await DBOS.sleep(MISHAP_WAIT_MS * mishaps);
    }
  }
  await recordFailure(parts, commandId);
}

function decide(parts: WorkflowParts, commandId: CommandId): Promise<Directive> {
  const { dataSource, store, kit } = parts;
  return dataSource.run("advance", async () => {
    const directive = await advance(store.over(dataSource.client), kit, commandId);
    if (directive.kind !== "wait") return directive;
    const latestMs = kit.nowMs() + LONGEST_SLEEP_MS;
    return { kind: "wait", untilMs: Math.min(directive.untilMs ?? latestMs, latestMs) };
  });
}

async function perform(
  parts: WorkflowParts,
  commandId: CommandId,
  directive: Exclude<Directive, { kind: "done" }>,
): Promise<void> {
  const { store, kit, vendors } = parts;
  switch (directive.kind) {
    case "wait": {
      const deadlineEpochMS = directive.untilMs ?? 0;
      await DBOS.recv(WAKE_TOPIC, { deadlineEpochMS, pollingIntervalMs: POLL_MS });
      return;
    }
    case "attempt": {
      const { stepId, attempt } = directive;
      await step(`call:${stepId}:${attempt}`, () =>
        performAttempt(store, kit, vendors, { commandId, stepId, attempt }),
      );
      return;
    }
    case "think": {
      const { stepIndex } = directive;
      await step(`think:${stepIndex}`, () =>
        performThought(store, kit, parts.agentRuntime, commandId, stepIndex),
      );
    }
  }
}

/** Steps commit their outcome themselves and may be entered again, so a lost database is simply waited out. */
function step(name: string, work: () => Promise<void>): Promise<void> {
  return DBOS.runStep(() => patiently(isConnectionLost, work), { name });
}

async function recordFailure(parts: WorkflowParts, commandId: CommandId): Promise<void> {
  const { dataSource, store } = parts;
  await dataSource.run("fail", async () => {
    const tx = store.over(dataSource.client);
    const command = await tx.commands.lock(commandId);
    if (command === undefined || isResting(command.status)) return null;
    const to = command.status === "cancelling" ? "cancelled" : "failed";
    const message = "Something failed on our side; the log has the details under this trace id.";
    await moveCommand(tx, command, to, { failure: { errorClass: "unknown_error", message } });
    return null;
  });
}
