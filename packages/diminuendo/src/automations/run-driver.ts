/**
 * Owns one look at an open run: its turn is asked for, looked after, or found to be over. Every step may be cut and done
 * again: the turn of an attempt is one turn, a delivery one delivery, and the end is written once.
 */
import { newTrace } from "@concert/service-kit/trace";
import * as Effect from "effect/Effect";
import * as Random from "effect/Random";
import type { ChangeRun, StoredRun, TurnOutcomeSeen } from "../db/stored-automations.ts";
import type { StorageError } from "../db/WorkerManager.ts";
import { type AttemptEnd, attemptEnded, waitingChanged } from "./core/endings.ts";
import { RunPorts } from "./RunPorts.ts";
import { changeNotices } from "./views.ts";

/** Looks at the run. True while it is open and others of its automation have to wait for it. */
export const driveRun = (
  tenantId: string,
  run: StoredRun,
  nowMs: number,
): Effect.Effect<boolean, StorageError, RunPorts> => {
  switch (run.status) {
    case "retrying":
      if ((run.nextAttemptAt ?? 0) > nowMs) return Effect.succeed(true);
      return begin(tenantId, run, nowMs);
    case "due":
      return begin(tenantId, run, nowMs);
    case "running":
    case "waiting":
      return lookAfter(tenantId, run, nowMs);
    default:
      return Effect.succeed(false);
  }
};

const begin = Effect.fn("automations.begin")(function* (
  tenantId: string,
  run: StoredRun,
  nowMs: number,
) {
  const ports = yield* RunPorts;
  const owner = yield* ports.ownerNow(run.plan.owner);
  if (owner === null) return yield* end(tenantId, run, ownerGone, nowMs);
  const begun = yield* ports.begin(run, owner).pipe(
    Effect.catchTag("SessionGone", ({ reason }) =>
      Effect.succeed(failed("SessionNotFound", reason)),
    ),
    Effect.catchTag("Refusal", ({ code, message }) => Effect.succeed(failed(code, message))),
  );
  if ("status" in begun) return yield* end(tenantId, run, begun, nowMs);
  const { sessionId, turnId } = begun;
  const deadlineAt = nowMs + run.plan.limits.runMinutes * 60_000;
  const patch = { status: "running", sessionId, turnId, deadlineAt, nextAttemptAt: null } as const;
  const startedAt = run.startedAt ?? nowMs;
  yield* change(tenantId, { ...unsaid(run, nowMs), patch: { ...patch, startedAt } });
  return true;
});

const lookAfter = Effect.fnUntraced(function* (tenantId: string, run: StoredRun, nowMs: number) {
  const { read, stop } = yield* RunPorts;
  const { sessionId, turnId } = run;
  const seen: TurnOutcomeSeen =
    sessionId === null || turnId === null
      ? { kind: "unknown" }
      : yield* read({ kind: "turn_outcome", sessionId, turnId });
  if (seen.kind === "unknown") {
    const gone = failed("SessionNotFound", "The session in which it ran was deleted.");
    return yield* end(tenantId, run, gone, nowMs);
  }
  if (seen.kind === "over") return yield* end(tenantId, run, endOf(seen), nowMs);
  if (seen.waits !== (run.status === "waiting")) {
    yield* change(tenantId, waitingChanged(run, seen.waits, nowMs));
  } else if (run.deadlineAt !== null && run.deadlineAt <= nowMs) {
    yield* stop(run);
    return yield* end(tenantId, run, tookTooLong(run, seen.commandId), nowMs);
  } else if (seen.commandId !== run.commandId) {
    const patch = { commandId: seen.commandId };
    yield* change(tenantId, { ...unsaid(run, nowMs), patch });
  }
  return true;
});

/** Delivered before it is written: cut in between, it is delivered again, which does nothing. */
const end = Effect.fn("automations.end")(function* (
  tenantId: string,
  run: StoredRun,
  how: AttemptEnd,
  nowMs: number,
) {
  const { deliver } = yield* RunPorts;
  const { traceId } = newTrace();
  const ending = attemptEnded(run, how, { nowMs, random: yield* Random.next, traceId });
  const isOver = ending.patch.endedAt !== undefined;
  if (isOver) yield* deliver(run, how);
  yield* change(tenantId, ending);
  return !isOver;
});

const change = Effect.fnUntraced(function* (
  tenantId: string,
  what: Omit<ChangeRun, "kind" | "tenantId">,
) {
  const { write, tellTenant } = yield* RunPorts;
  const changed = yield* write({ kind: "change_run", tenantId, ...what });
  if (changed === null) return;
  for (const notice of changeNotices(changed)) tellTenant(tenantId, notice);
});

/** A change that the inbox says nothing of. */
const unsaid = ({ runId, attempt }: StoredRun, nowMs: number) =>
  ({ runId, attempt, item: null, counts: "neither", pause: null, nowMs }) as const;

const nothing = { text: "", commandId: null, microcredits: 0 } as const;

const failed = (code: string, message: string): AttemptEnd => ({
  ...nothing,
  status: "failed",
  error: { code, message },
});

const ownerGone: AttemptEnd = {
  ...failed("OwnerGone", "Its owner is no member of the tenant any more."),
  ownerGone: true,
};

const endOf = (seen: Extract<TurnOutcomeSeen, { kind: "over" }>): AttemptEnd => ({
  status: seen.outcome,
  text: seen.text,
  error: seen.error,
  commandId: seen.commandId,
  microcredits: seen.microcredits,
});

const tookTooLong = ({ plan }: StoredRun, commandId: string | null): AttemptEnd => ({
  ...nothing,
  commandId,
  status: "timed_out",
  error: {
    code: "TimedOut",
    message: `It ran for more than ${plan.limits.runMinutes} minutes and was stopped.`,
  },
});
