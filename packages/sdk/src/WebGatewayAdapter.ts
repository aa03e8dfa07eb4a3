/** Owns the `GatewayAdapter` over WebSocket. A thin skin: everything it promises, `DiminuendoClient` keeps. */
import { Cause, Effect, Queue, Stream } from "effect";
import type { AutomationCalls } from "./AutomationCalls.ts";
import { type ClientOptions, DiminuendoClient } from "./DiminuendoClient.ts";
import { GatewayError } from "./errors.ts";
import type { AutomationQuestions, GatewayAdapter, GatewayEvent } from "./GatewayAdapter.ts";

/** An adapter over a client of its own. Throws `NoWebSocket` like the client's constructor. */
export function webGatewayAdapter(options: ClientOptions): GatewayAdapter {
  return adapterOf(new DiminuendoClient(options));
}

/** An adapter over a client that others use as well. */
export function adapterOf(client: DiminuendoClient): GatewayAdapter {
  return {
    connect: call(() => client.connect()),
    disconnect: Effect.sync(() => client.disconnect()),
    events: eventsOf(client),
    listSessions: (options) => call(() => client.listSessions(options)),
    createSession: (options) => call(() => client.createSession(options)),
    renameSession: (...of) => call(() => client.renameSession(...of)),
    archiveSession: (...of) => call(() => client.archiveSession(...of)),
    unarchiveSession: (...of) => call(() => client.unarchiveSession(...of)),
    deleteSession: (...of) => call(() => client.deleteSession(...of)),
    steer: (...of) => call(() => client.steer(...of)),
    getHistory: (...of) => call(() => client.getHistory(...of)),
    listFiles: (...of) => call(() => client.listFiles(...of)),
    readFile: (...of) => call(() => client.readFile(...of)),
    fileHistory: (...of) => call(() => client.fileHistory(...of)),
    fileAtIteration: (...of) => call(() => client.fileAtIteration(...of)),
    manageMembers: (...of) => call(() => client.manageMembers(...of)),
    joinSession: (sessionId, options) => call(() => client.joinSession(sessionId, options)),
    leaveSession: (sessionId) => call(() => client.leaveSession(sessionId)),
    runTurn: (sessionId, text, options) => call(() => client.runTurn(sessionId, text, options)),
    stopTurn: (...of) => call(() => client.stopTurn(...of)),
    answerQuestion: (sessionId, approvalId, answer) =>
      call(() => client.answerQuestion(sessionId, approvalId, answer)),
    getEvents: (sessionId, options) => call(() => client.getEvents(sessionId, options)),
    ping: call(() => client.ping()),
    automations: automationsOf(client.automations),
  };
}

function automationsOf(of: AutomationCalls): AutomationQuestions {
  return {
    list: () => call(() => of.list()),
    get: (...args) => call(() => of.get(...args)),
    create: (...args) => call(() => of.create(...args)),
    update: (...args) => call(() => of.update(...args)),
    delete: (...args) => call(() => of.delete(...args)),
    pause: (...args) => call(() => of.pause(...args)),
    resume: (...args) => call(() => of.resume(...args)),
    run: (...args) => call(() => of.run(...args)),
    preview: (...args) => call(() => of.preview(...args)),
    runs: (...args) => call(() => of.runs(...args)),
    log: (...args) => call(() => of.log(...args)),
    createFrom: (...args) => call(() => of.createFrom(...args)),
    deliveries: (...args) => call(() => of.deliveries(...args)),
    redeliver: (...args) => call(() => of.redeliver(...args)),
    blueprints: (...args) => call(() => of.blueprints(...args)),
    blueprint: (...args) => call(() => of.blueprint(...args)),
    createBlueprint: (...args) => call(() => of.createBlueprint(...args)),
    updateBlueprint: (...args) => call(() => of.updateBlueprint(...args)),
    deleteBlueprint: (...args) => call(() => of.deleteBlueprint(...args)),
    inbox: (...args) => call(() => of.inbox(...args)),
    triage: (...args) => call(() => of.triage(...args)),
    snooze: (...args) => call(() => of.snooze(...args)),
    retry: (...args) => call(() => of.retry(...args)),
  };
}

function call<A>(ask: () => Promise<A>): Effect.Effect<A, GatewayError> {
  return Effect.tryPromise({ try: ask, catch: asGatewayError });
}

function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError("InternalError", error instanceof Error ? error.message : String(error));
}

function eventsOf(client: DiminuendoClient): Stream.Stream<GatewayEvent, GatewayError> {
  return Stream.callback<GatewayEvent, GatewayError>((queue) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const put = (event: GatewayEvent) => Queue.offerUnsafe(queue, event);
        const stops = [
          client.on("event", (event) => put({ kind: "event", event })),
          client.on("snapshot", (snapshot) => put({ kind: "snapshot", snapshot })),
          client.on("caughtUp", (at) => put({ kind: "caught_up", ...at })),
          client.on("reset", ({ sessionId }) => put({ kind: "reset", sessionId })),
          client.on("sessionDeleted", (of) => put({ kind: "session_deleted", ...of })),
          client.on("authExpiring", (of) => put({ kind: "auth_expiring", ...of })),
          client.on("sessionUpdated", (session) => put({ kind: "session_updated", session })),
          client.on("automationUpdated", (automation) =>
            put({ kind: "automation_updated", automation }),
          ),
          client.on("automationDeleted", (of) => put({ kind: "automation_deleted", ...of })),
          client.on("automationRunUpdated", (run) => put({ kind: "automation_run_updated", run })),
          client.on("inboxChanged", (of) => put({ kind: "inbox_changed", ...of })),
          client.on("connection", (status) => {
            put({ kind: "connection", status });
            if (status.state === "idle") Queue.endUnsafe(queue);
            if (status.state === "closed") {
              const error = new GatewayError(status.code, status.reason);
              Queue.failCauseUnsafe(queue, Cause.fail(error));
            }
          }),
        ];
        return () => {
          for (const stop of stops) stop();
        };
      }),
      (stop) => Effect.sync(stop),
    ),
  );
}
