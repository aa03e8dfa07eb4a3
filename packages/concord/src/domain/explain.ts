/**
 * Owns the answer to "why is it not moving?": what a command waits for, until when, and whether anybody alive is
 * there to go on. Decided from the same rows as `advance`; it changes nothing. Refuses to own: reading the run.
 */
import type { Command } from "../core/command.ts";
import { encodeId } from "../core/ids.ts";
import { nextStep } from "../core/planning.ts";
import { waitBeforeRetryMs } from "../core/retry.ts";
import { isResting } from "../core/vocabulary.ts";
import type { RunState } from "../runtime/protocol/index.ts";
import { BEFORE_WORK, dependencyState, unreachableText } from "./dependencies.ts";
import { isoTime, type Kit } from "./kit.ts";
import type { StepHistory, Tx } from "./store.ts";

export const REASON_KINDS = [
  "at_rest",
  "person",
  "child",
  "dependency",
  "retry",
  "call",
  "agent",
  "stopping",
  "undoing",
  "incident",
  "queue",
  "no_executor",
  "dead_executor",
  "no_run",
  "given_up",
] as const;

export interface Reason {
  readonly kind: (typeof REASON_KINDS)[number];
  /** For people. */
  readonly text: string;
  /** When it changes by itself, ISO 8601; null when that is not known. */
  readonly until: string | null;
  /** The approval or command it is about, in the outside form. */
  readonly about: string | null;
}

export interface Explanation {
  readonly command: Command;
  readonly reasons: readonly Reason[];
}

const reason = (
  kind: Reason["kind"],
  text: string,
  more: { readonly until?: string; readonly about?: string } = {},
): Reason => ({ kind, text, until: more.until ?? null, about: more.about ?? null });

/** Every reason, the domain's first. Never empty. */
export async function explain(
  tx: Tx,
  kit: Kit,
  command: Command,
  run: RunState,
): Promise<readonly Reason[]> {
  if (isResting(command.status)) {
    const why = command.error === null ? "" : `: ${command.error}`;
    return [
      ...(await openIncidents(tx, command)),
      reason("at_rest", `It is ${command.status}${why}; nothing more will happen by itself.`),
    ];
  }
  const waits = await waitsOf(tx, kit, command);
  // Somebody has to be there to notice that a wait is over, except for a person's decision.
  const isParked = command.isParked && run.state === "missing" && waits.length > 0;
  return isParked ? waits : [...waits, ...runReasons(run, waits.length > 0)];
}

async function waitsOf(tx: Tx, kit: Kit, command: Command): Promise<readonly Reason[]> {
  const others = await dependencyReasons(tx, command);
  if (command.status === "waiting_for_input")
    return [...(await inputAsked(tx, command)), ...others];
  if (command.status === "waiting_for_approval") {
    return [...(await peopleAsked(tx, command)), ...others];
  }
  if (others.length > 0) return others;
  if (command.status === "cancelling") {
    const text = "It was asked to stop and waits for what is in flight to end.";
    return [reason("stopping", text), ...(await childrenAtWork(tx, command))];
  }
  if (command.status === "compensating") return undoing(tx, command);
  if (command.status !== "running") return [];
  if (kit.catalog.task(command.taskName)?.runsAs !== "agent_turn") {
    return stepReasons(tx, kit, command);
  }
  const children = await childrenAtWork(tx, command);
  return children.length > 0 ? children : [reason("agent", "The agent is thinking.")];
}

async function peopleAsked(tx: Tx, command: Command): Promise<readonly Reason[]> {
  const approvals = await tx.approvals.ofCommand(command.commandId);
  return approvals
    .filter((one) => one.status === "pending")
    .map(({ approvalId, approver, expiresAt }) =>
      reason("person", `It waits for a decision of the ${approver.kind} ${approver.name}.`, {
        until: expiresAt,
        about: encodeId("approval", approvalId),
      }),
    );
}

async function inputAsked(tx: Tx, command: Command): Promise<readonly Reason[]> {
  const asked = await tx.inputs.open(command.commandId);
  if (asked === undefined) return [];
  const text = `It waits for ${command.requestedBy} to answer ${asked.askedBy}: ${asked.question}`;
  return [reason("person", text, { until: asked.expiresAt })];
}

async function dependencyReasons(tx: Tx, command: Command): Promise<readonly Reason[]> {
  const state = await dependencyState(tx, command);
  if (state.kind === "met" || !BEFORE_WORK.includes(command.status)) return [];
  if (state.kind === "unreachable") {
    const about = encodeId("command", state.parent.commandId);
    return [reason("dependency", `It is held back: ${unreachableText(state.parent)}.`, { about })];
  }
  return state.waitsFor.map((id) => {
    const about = encodeId("command", id);
    return reason("dependency", `It starts after ${about}.`, { about });
  });
}

async function openIncidents(tx: Tx, command: Command): Promise<readonly Reason[]> {
  const incidents = await tx.incidents.ofCommand(command.commandId);
  return incidents
    .filter((one) => one.status === "open")
    .map(({ incidentId, message }) =>
      reason("incident", `An incident waits for a person: ${message}.`, {
        about: encodeId("incident", incidentId),
      }),
    );
}

async function undoing(tx: Tx, command: Command): Promise<readonly Reason[]> {
  const effects = await tx.effects.ofCommand(command.commandId);
  const open = effects.filter(
    (one) =>
      one.compensatesEffectId !== null && one.status !== "succeeded" && one.settledAs === null,
  );
  const names = open.map((one) => one.effectType).join(", ");
  return [reason("undoing", `It undoes what it did; still to do: ${names}.`)];
}

async function childrenAtWork(tx: Tx, command: Command): Promise<readonly Reason[]> {
  const called = await tx.turns.called(command.commandId);
  return called
    .filter((one) => !isResting(one.status))
    .map(({ commandId, taskName, status }) => {
      const about = encodeId("command", commandId);
      return reason("child", `It waits for ${taskName}, which is ${status}.`, { about });
    });
}

async function stepReasons(tx: Tx, kit: Kit, command: Command): Promise<readonly Reason[]> {
  const done = new Set(Object.keys(command.stepResults));
  const step = command.plan === null ? undefined : nextStep(command.plan, done);
  if (step?.primitive !== "connector_call") return [];
  const { last, attempts } = await tx.invocations.history(command.commandId, step.stepId);
  if (last?.status === "started") {
    return [reason("call", `Call ${attempts} of ${step.functionName} has not ended yet.`)];
  }
  return last?.status === "failed" ? retryReasons(kit, step.functionName, attempts, last) : [];
}

function retryReasons(
  kit: Kit,
  functionName: string,
  attempts: number,
  last: NonNullable<StepHistory["last"]>,
): readonly Reason[] {
  const [connector = "", operation = ""] = functionName.split(".");
  const { retry } = kit.catalog.operation(connector, operation);
  const errorClass = last.errorClass ?? "unknown_error";
  const waitMs = waitBeforeRetryMs(retry, attempts, errorClass, last.retryAfterMs);
  if (waitMs === undefined || last.completedAtMs === null) return [];
  const until = isoTime(last.completedAtMs + waitMs);
  const failed = `Call ${attempts} of ${retry.attemptsMax} of ${functionName} failed`;
  const text = `${failed} (${last.errorClass}: ${last.error}); it is tried again.`;
  return [reason("retry", text, { until })];
}

function runReasons(run: RunState, isWaiting: boolean): readonly Reason[] {
  const someone = run.liveExecutors > 0;
  switch (run.state) {
    case "missing":
    case "ended":
      return [reason("no_run", "Nobody runs it; the next look for lost commands starts it again.")];
    case "given_up":
      return [reason("given_up", "Its run died too often and was put aside; an operator decides.")];
    case "taken":
      if (run.isExecutorAlive) return isWaiting ? [] : [reason("queue", "It is being worked on.")];
      return [
        reason(
          someone ? "dead_executor" : "no_executor",
          someone
            ? `The executor ${run.executorId} is silent; another one takes over within seconds.`
            : `The executor ${run.executorId} is silent, and there is no other.`,
        ),
      ];
    case "queued":
      return someone
        ? [reason("queue", "It is queued; an executor takes it next.")]
        : [reason("no_executor", "It is queued, and no executor is alive.")];
  }
}
