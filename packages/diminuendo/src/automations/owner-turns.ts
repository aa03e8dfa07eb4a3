/**
 * Owns the way of a run into a session: the same as a person's message, in the owner's name, on the tenant's credits.
 * The keys are made of the run, so that whatever is asked again has happened once.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { Authenticator } from "../auth/Authenticator.ts";
import type { StoredRun } from "../db/stored-automations.ts";
import { WorkerManager } from "../db/WorkerManager.ts";
import type { Metrics } from "../observability/Metrics.ts";
import type { Attachments } from "../session/Attachments.ts";
import { sessionFor } from "../session/access.ts";
import type { Billing } from "../session/Billing.ts";
import { createSession } from "../session/messages/session-messages.ts";
import { runTurn, stopTurn } from "../session/messages/turn-messages.ts";
import { Sessions } from "../session/Sessions.ts";
import { inOrder, keep, tell } from "../session/session-model.ts";
import { Broadcaster } from "../transport/Broadcaster.ts";
import { SocketServer } from "../transport/SocketServer.ts";
import type { PodiumClient } from "../upstream/PodiumClient.ts";
import { type AttemptEnd, summaryOf } from "./core/endings.ts";
import { deliveryKey, sessionKey, turnKey, turnOf } from "./core/ids.ts";
import { Outside } from "./Outside.ts";
import { ownerNow } from "./owner-now.ts";
import { RunPorts } from "./RunPorts.ts";

type Needs =
  | Sessions
  | Attachments
  | Billing
  | Broadcaster
  | SocketServer
  | WorkerManager
  | Metrics
  | PodiumClient;

export const RunPortsLayer = Layer.effect(
  RunPorts,
  Effect.gen(function* () {
    const needs = yield* Effect.context<Needs>();
    const workers = yield* WorkerManager;
    const broadcaster = yield* Broadcaster;
    const { devIdentity } = yield* Authenticator;
    const outside = yield* Outside;
    return RunPorts.of({
      read: (query) => workers.read(query),
      write: (command) => workers.write(command),
      ownerNow: Effect.fnUntraced(function* (owner) {
        const { tenant: tenantId, user: userId } = owner;
        const standing = yield* workers.read({ kind: "standing", tenantId, userId });
        return ownerNow(owner, standing, devIdentity);
      }),
      begin: (run, owner) => Effect.provideContext(begin(run, owner), needs),
      stop: (run) => Effect.provideContext(stop(run), needs),
      deliver: (run, end) => Effect.provideContext(deliver(run, end), needs),
      send: (delivery) => outside.send(delivery),
      tellTenant: (tenantId, notice) => broadcaster.toTenant(tenantId, notice),
    });
  }),
);

const begin = Effect.fnUntraced(function* (run: StoredRun, owner: Actor) {
  const { runId, automationId, attempt, dueAt, plan } = run;
  const sessionId = yield* sessionOf(run, owner);
  const turnId = yield* freshTurn(run);
  const told = yield* runTurn(
    owner,
    {
      type: "run_turn",
      sessionId,
      text: plan.prompt,
      whenBusy: "enqueue",
      idempotencyKey: turnKey(runId, attempt),
    },
    { turnId, cause: { automationId, runId, dueAt, ...toolsOf(run) } },
  );
  // Asked for before, it has the id under which it was kept.
  return { sessionId, turnId: "turnId" in told ? told.turnId : turnId };
});

const toolsOf = ({ plan: { tools } }: StoredRun) => (tools === undefined ? {} : { tools });

/** Credits are put aside once under a turn's id: a process that died right after that has used the id up. */
const freshTurn = Effect.fnUntraced(function* ({ runId, attempt, plan }: StoredRun) {
  const { read } = yield* WorkerManager;
  const tenantId = plan.owner.tenant;
  for (let spent = 0; ; spent += 1) {
    const turnId = turnOf(runId, attempt, spent);
    if (!(yield* read({ kind: "reservation_closed", tenantId, turnId }))) return turnId;
  }
});

/** Further attempts run where the first has run. */
const sessionOf = Effect.fnUntraced(function* ({ runId, dueAt, plan }: StoredRun, owner: Actor) {
  const { execution, name } = plan;
  if (execution.mode === "main") return execution.sessionId;
  const { publish } = yield* SocketServer;
  const { session } = yield* createSession({ publishToOthers: publish }, owner, {
    type: "create_session",
    agentType: execution.agentType,
    name: `${name} · ${new Date(dueAt).toISOString().slice(0, 16)}Z`,
    idempotencyKey: sessionKey(runId),
  });
  return session.sessionId;
});

const stop = Effect.fnUntraced(function* ({ sessionId, turnId, plan, runId }: StoredRun) {
  if (sessionId === null || turnId === null) return;
  yield* stopTurn(plan.owner, { type: "stop_turn", sessionId, turnId }).pipe(
    Effect.asVoid,
    Effect.catchTag(["Refusal", "SessionGone"], (error) =>
      Effect.logInfo(`the turn of ${runId} cannot be stopped: ${error._tag}`),
    ),
  );
});

const deliver = Effect.fnUntraced(function* (run: StoredRun, end: AttemptEnd) {
  const { sessionId } = run.plan.delivery;
  if (sessionId === null) return;
  yield* tellSession(run, end, sessionId).pipe(
    Effect.catchTag(["Refusal", "SessionGone"], (error) =>
      Effect.logWarning(`${run.runId} could not be delivered: ${error.message}`),
    ),
  );
});

const tellSession = Effect.fnUntraced(function* (
  run: StoredRun,
  end: AttemptEnd,
  sessionId: string,
) {
  const { owner, name } = run.plan;
  const { runId, automationId } = run;
  const { tenant: tenantId, user: userId } = owner;
  const workers = yield* WorkerManager;
  const session = yield* sessionFor(owner, "session:write", sessionId);
  const key = deliveryKey(runId);
  const remembered = { userId, key, fingerprint: key, answer: "null" };
  const told = {
    type: "automation_result" as const,
    automationId,
    runId,
    name,
    status: end.status,
    summary: summaryOf(end),
    ranIn: run.sessionId,
  };
  const decide = Effect.fnUntraced(function* () {
    const known = yield* workers.read({ kind: "remembered", tenantId, sessionId, userId, key });
    if (known !== null) return { answer: undefined };
    return {
      answer: undefined,
      step: inOrder(tell(told), keep([{ kind: "answered", remembered }], {})),
    };
  });
  yield* (yield* Sessions).change(session, decide);
});
