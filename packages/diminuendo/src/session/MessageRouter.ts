/**
 * Owns which handler a message goes to, and what becoming somebody means for a connection. Handlers live in
 * messages/, one file a kind.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { Authenticator, type AuthThrottled, identityOf } from "../auth/Authenticator.ts";
import type { Members } from "../auth/Members.ts";
import { type AutomationNeeds, aboutAutomations } from "../automations/messages/index.ts";
import type { WorkerManager } from "../db/WorkerManager.ts";
import type { Metrics } from "../observability/Metrics.ts";
import { provideNeeds } from "../observability/trace.ts";
import type { ClientMessage, ServerMessage } from "../protocol/index.ts";
import { FloodPauses } from "../security/FloodPauses.ts";
import { refuse } from "../security/Refusal.ts";
import { Broadcaster } from "../transport/Broadcaster.ts";
import type { Connection } from "../transport/Connection.ts";
import type { Cause } from "../transport/Reader.ts";
import { type AskedAnywhere, type RouteError, Router } from "../transport/Router.ts";
import type { SocketServer } from "../transport/SocketServer.ts";
import type { ConcordanceClient } from "../upstream/ConcordanceClient.ts";
import type { ConcordClient } from "../upstream/ConcordClient.ts";
import type { PodiumClient } from "../upstream/PodiumClient.ts";
import type { PodiumFiles } from "../upstream/PodiumFiles.ts";
import type { Unreachable } from "../upstream/upstream-http.ts";
import type { Attachments } from "./Attachments.ts";
import { viewFor } from "./access.ts";
import type { Billing } from "./Billing.ts";
import { answerQuestion } from "./messages/answer-message.ts";
import { ConfigListeners, handleConfig } from "./messages/config-messages.ts";
import { listDeletedSessions } from "./messages/deletions-message.ts";
import { getEvents } from "./messages/events-message.ts";
import { readFiles } from "./messages/file-messages.ts";
import { getHistory } from "./messages/history-message.ts";
import { joinSession, leaveSession } from "./messages/join-messages.ts";
import { deleteSession, relabelSession } from "./messages/lifecycle-messages.ts";
import { followLog, logOf, seekInLog } from "./messages/log-streams.ts";
import { manageMembers } from "./messages/member-messages.ts";
import { createSession, listSessions } from "./messages/session-messages.ts";
import { runTurn, steer, stopTurn } from "./messages/turn-messages.ts";
import type { Removals } from "./Removals.ts";
import type { Sessions } from "./Sessions.ts";

type Needs =
  | Sessions
  | Attachments
  | Billing
  | Removals
  | Broadcaster
  | SocketServer
  | WorkerManager
  | Metrics
  | ConcordClient
  | ConcordanceClient
  | PodiumClient
  | PodiumFiles
  | Members
  | ConfigListeners
  | AutomationNeeds;

export const MessageRouterLayer = Layer.effect(
  Router,
  Effect.gen(function* () {
    const provided = provideNeeds(yield* Effect.context<Needs>());
    const authenticator = yield* Authenticator;
    const broadcaster = yield* Broadcaster;
    const listeners = yield* ConfigListeners;
    const pauses = yield* FloodPauses;

    const leaveEverything = (connection: Connection) =>
      Effect.sync(() => broadcaster.leaveAll(connection)).pipe(
        Effect.andThen(listeners.removeAll(connection)),
      );

    return Router.of({
      route: (connection, actor, message) => provided(dispatch(connection, actor, message)),
      ask: (cause, actor, message) => provided(ask(cause, actor, message)),
      session: (actor, sessionId) =>
        provided(Effect.map(viewFor(actor, "session:read", sessionId), ({ meta }) => meta)),
      follow: (reader, actor, place) => provided(followLog(reader, actor, place)),
      seek: (actor, sessionId, isWanted) => provided(seekInLog(actor, sessionId, isWanted)),
      log: (actor, sessionId) => provided(logOf(actor, sessionId)),
      config: (connection, actor, request) => provided(handleConfig(connection, actor, request)),
      closed: leaveEverything,
      authenticate: Effect.fn("authenticate")(function* (connection, token) {
        const { actor, expiresAt } = yield* authenticator
          .authenticate(token, connection.address)
          .pipe(Effect.catchTags(AS_REFUSAL));
        const pauseMs = pauses.waitMs(actor, yield* Clock.currentTimeMillis);
        if (pauseMs > 0) yield* Effect.sleep(pauseMs);
        // Somebody else from now on: nothing of the former person may still arrive (D3).
        if (connection.actor !== null && !connection.isStill(actor)) {
          yield* leaveEverything(connection);
          broadcaster.dismiss(connection);
        }
        connection.becomes(actor, expiresAt);
        broadcaster.admit(connection, actor.tenant);
        const identity = identityOf(actor);
        return expiresAt === null ? { identity } : { identity, expiresAt };
      }),
    });
  }),
);

const AS_REFUSAL = {
  AuthFailed: () => Effect.fail(refuse("AUTH_FAILED", "This token is not valid here.")),
  AuthThrottled: ({ retryAfterMs }: AuthThrottled) =>
    Effect.fail(
      refuse(
        "AUTH_RATE_LIMITED",
        "Too many failed sign-ins from this address; wait.",
        retryAfterMs,
      ),
    ),
  Unreachable: ({ reason }: Unreachable) =>
    Effect.andThen(
      Effect.logWarning(`the OpenID provider does not answer: ${reason}`),
      refuse("UpstreamUnavailable", "Sign-in is not possible just now; try again shortly."),
    ),
};

const dispatch = (
  connection: Connection,
  actor: Actor,
  message: ClientMessage,
): Effect.Effect<ServerMessage | null, RouteError, Needs> => {
  switch (message.type) {
    case "join_session":
      return joinSession(connection, actor, message);
    case "leave_session":
      return leaveSession(connection, actor, message);
    case "get_events":
      return getEvents(connection, actor, message);
    case "authenticate":
      return Effect.fail(refuse("INVALID_MESSAGE", "authenticate stands alone."));
    default:
      return ask(connection, actor, message);
  }
};

const ask = (
  cause: Cause,
  actor: Actor,
  message: AskedAnywhere,
): Effect.Effect<ServerMessage, RouteError, Needs> => {
  switch (message.type) {
    case "list_sessions":
      return listSessions(actor, message);
    case "create_session":
      return createSession(cause, actor, message);
    case "rename_session":
    case "archive_session":
    case "unarchive_session":
      return relabelSession(cause, actor, message);
    case "delete_session":
      return deleteSession(cause, actor, message);
    case "list_deleted_sessions":
      return listDeletedSessions(actor, message);
    case "run_turn":
      return runTurn(actor, message);
    case "stop_turn":
      return stopTurn(actor, message);
    case "steer":
      return steer(actor, message);
    case "get_history":
      return getHistory(actor, message);
    case "list_files":
    case "read_file":
    case "file_history":
    case "file_at_iteration":
      return readFiles(actor, message);
    case "manage_members":
      return manageMembers(actor, message);
    case "answer_question":
      return answerQuestion(actor, message);
    case "ping":
      return Effect.map(Clock.currentTimeMillis, (nowMs) => ({
        type: "pong" as const,
        ts: message.ts ?? nowMs,
      }));
    default:
      return aboutAutomations(cause, actor, message);
  }
};
