/**
 * Owns the path of one frame from the socket to the router: count, size, parse, authenticate, route, answer.
 * Whatever goes wrong is told to that connection only, and the process lives on.
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace } from "@concert/service-kit/trace";
import * as Cause from "effect/Cause";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { Metrics } from "../observability/Metrics.ts";
import { traced } from "../observability/trace.ts";
import {
  CLOSE_CODES,
  type ClientFrame,
  type ClientMessage,
  type ConfigRequest,
  decodeClientFrame,
  FRAME_BYTES_MAX,
  markOf,
  RPC_ERRORS,
} from "../protocol/index.ts";
import { sanitizeMessage } from "../security/error-message.ts";
import { errorMessage, internalError, Refusal, refuse } from "../security/Refusal.ts";
import { SessionGone } from "../session/session-log.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import type { Connection } from "./Connection.ts";
import { type ConfigRefusal, type RouteError, Router } from "./Router.ts";

/** Handles one frame; null stands for a binary one. Never fails. */
export const receive = Effect.fnUntraced(function* (connection: Connection, text: string | null) {
  const metrics = yield* Metrics;
  yield* metrics.count("diminuendo_messages_total");
  const verdict = connection.rate.judge(yield* Clock.currentTimeMillis);
  if (verdict === "disconnect") {
    return connection.close(CLOSE_CODES.rateLimited, "too many messages: pause, then reconnect");
  }
  const refusal = verdict === "refuse" ? tooMany : unacceptable(text);
  if (refusal !== null || text === null) return yield* refuseUnread(connection, text, refusal);
  if (connection.inFlight >= IN_FLIGHT_MAX) {
    return connection.close(CLOSE_CODES.rateLimited, "too many unanswered messages: pause");
  }
  connection.inFlight += 1;
  yield* Effect.ensuring(
    inTurn(connection, decodeClientFrame(text)),
    Effect.sync(() => {
      connection.inFlight -= 1;
    }),
  );
});

/** Messages of one connection that may wait for their answers. */
const IN_FLIGHT_MAX = 64;

/** Nothing overtakes a sign-in: what comes after it is said by whom it brings. */
const inTurn = Effect.fnUntraced(function* (connection: Connection, frame: ClientFrame) {
  if (frame.kind !== "message" || frame.message.type !== "authenticate") {
    yield* Effect.promise(() => connection.signingIn);
    return yield* handle(connection, frame);
  }
  const before = connection.signingIn;
  let done = () => {};
  connection.signingIn = new Promise((resolve) => {
    done = resolve;
  });
  yield* Effect.promise(() => before);
  yield* Effect.ensuring(handle(connection, frame), Effect.sync(done));
});

const tooMany = refuse("RATE_LIMITED", "Too many messages in 10 seconds; wait a little.");
const binary = refuse("INVALID_MESSAGE", "Send text frames; this one is binary.");
const tooLarge = refuse("MESSAGE_TOO_LARGE", `A frame has at most ${FRAME_BYTES_MAX} bytes.`);
const unauthenticated = refuse(
  "Unauthenticated",
  'Send {"type":"authenticate","token":"…"} first.',
);

function unacceptable(text: string | null): Refusal | null {
  if (text === null) return binary;
  // Characters are at most three bytes each: only long frames need counting.
  const mayBeTooLarge = text.length * 3 > FRAME_BYTES_MAX;
  return mayBeTooLarge && Buffer.byteLength(text) > FRAME_BYTES_MAX ? tooLarge : null;
}

/** Whoever waits for an answer to this very frame gets it, where the frame still says which it is. */
const refuseUnread = (connection: Connection, text: string | null, refusal: Refusal | null) => {
  const mark = markOf(text);
  const { message } = refusal ?? binary;
  return mark.kind === "message"
    ? tell(connection, refusal ?? binary, mark.requestId)
    : tellRpc(connection, mark.id, {
        _tag: "ConfigRefusal",
        code: RPC_ERRORS.invalidRequest,
        message,
      });
};

const handle = (connection: Connection, frame: ClientFrame) => {
  switch (frame.kind) {
    case "bad_message":
      return tell(connection, refuse(frame.code, frame.reason), frame.requestId);
    case "bad_config":
      return tellRpc(connection, frame.id, {
        _tag: "ConfigRefusal",
        code: frame.unknownMethod ? RPC_ERRORS.methodNotFound : RPC_ERRORS.invalidParams,
        message: frame.reason,
      });
    case "message":
      return frame.message.type === "authenticate"
        ? authenticate(connection, frame.message.token, frame.message.requestId)
        : asActor(connection, frame.message.requestId, (actor) =>
            onMessage(connection, actor, frame.message),
          );
    case "config":
      return connection.actor === null
        ? tellRpc(connection, frame.request.id, {
            _tag: "ConfigRefusal",
            code: RPC_ERRORS.permissionDenied,
            message: unauthenticated.message,
          })
        : onConfig(connection, connection.actor, frame.request);
  }
};

const asActor = <R>(
  connection: Connection,
  requestId: string | undefined,
  use: (actor: Actor) => Effect.Effect<void, never, R>,
): Effect.Effect<void, never, R | Metrics> =>
  connection.actor === null ? tell(connection, unauthenticated, requestId) : use(connection.actor);

const authenticate = Effect.fnUntraced(function* (
  connection: Connection,
  token: string,
  requestId: string | undefined,
) {
  const router = yield* Router;
  const mark = requestId === undefined ? {} : { requestId };
  yield* router.authenticate(connection, token).pipe(
    Effect.map((signedIn) => connection.send({ type: "authenticated", ...signedIn, ...mark })),
    Effect.catchCause((cause) =>
      Effect.gen(function* () {
        const refusal = yield* asRefusal(cause, newTrace().traceId, "authenticate");
        yield* tell(connection, refusal, requestId);
        // A provider that is away is no reason to go and fetch another token.
        if (refusal.code === "AUTH_FAILED") {
          connection.close(CLOSE_CODES.authentication, "authentication failed");
        } else if (refusal.code === "AUTH_RATE_LIMITED") {
          connection.close(CLOSE_CODES.rateLimited, "too many failed sign-ins: pause");
        }
      }),
    ),
  );
});

const onMessage = Effect.fnUntraced(function* (
  connection: Connection,
  actor: Actor,
  message: ClientMessage,
) {
  const router = yield* Router;
  const { requestId, type } = message;
  const mark = requestId === undefined ? {} : { requestId };
  yield* traced({ name: type, attributes: ofPerson(actor) }, ({ traceId }) =>
    router.route(connection, actor, message).pipe(
      Effect.map((answer) =>
        answer === null ? undefined : connection.send({ ...answer, ...mark }),
      ),
      Effect.catchCause((cause) =>
        Effect.flatMap(asRefusal(cause, traceId, type), (refusal) =>
          tell(connection, refusal, requestId),
        ),
      ),
    ),
  );
});

const onConfig = Effect.fnUntraced(function* (
  connection: Connection,
  actor: Actor,
  request: ConfigRequest,
) {
  const router = yield* Router;
  const { id, method } = request;
  yield* traced({ name: method, attributes: ofPerson(actor) }, ({ traceId }) =>
    router.config(connection, actor, request).pipe(
      Effect.map((result) => connection.send({ jsonrpc: "2.0", id, result })),
      Effect.catchCause((cause) =>
        Effect.flatMap(asConfigRefusal(cause, traceId, method), (refusal) =>
          tellRpc(connection, id, refusal),
        ),
      ),
    ),
  );
});

/** Who a span is of; never what was said. */
const ofPerson = ({ tenant, user }: Actor) => ({ "concert.tenant": tenant, "enduser.id": user });

/** What the client may hear of a failure; the rest goes to the log. */
export const asRefusal = Effect.fnUntraced(function* (
  cause: Cause.Cause<RouteError>,
  traceId: string,
  what: string,
) {
  const error = Cause.squash(cause);
  if (error instanceof Refusal) return error;
  if (Cause.hasInterruptsOnly(cause)) return refuse("InternalError", "The gateway is going away.");
  if (error instanceof SessionGone) return refuse("SessionNotFound", "This session was deleted.");
  if (isUnreachable(error)) {
    yield* Effect.logWarning(`${what} failed: ${error.service}: ${error.reason}`);
    return refuse(
      "UpstreamUnavailable",
      "A service behind the gateway does not answer; try again.",
    );
  }
  yield* Effect.logError(`${what} failed`, cause);
  return internalError(traceId);
});

const asConfigRefusal = Effect.fnUntraced(function* (
  cause: Cause.Cause<ConfigRefusal | RouteError>,
  traceId: string,
  what: string,
) {
  const error = Cause.squash(cause);
  if (isConfigRefusal(error)) return error;
  const { code, message } = yield* asRefusal(cause as Cause.Cause<RouteError>, traceId, what);
  return {
    _tag: "ConfigRefusal" as const,
    code: RPC_OF_CODE[code] ?? RPC_ERRORS.internal,
    message,
  };
});

const RPC_OF_CODE: Readonly<Record<string, number>> = {
  PermissionDenied: RPC_ERRORS.permissionDenied,
  SessionNotFound: RPC_ERRORS.notFound,
  UpstreamUnavailable: RPC_ERRORS.upstreamUnavailable,
};

const isConfigRefusal = (error: unknown): error is ConfigRefusal =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "ConfigRefusal";

const isUnreachable = (error: unknown): error is Unreachable => error instanceof Unreachable;

const tell = Effect.fnUntraced(function* (
  connection: Connection,
  refusal: Refusal,
  requestId: string | undefined,
) {
  connection.send(errorMessage(refusal, requestId));
  yield* (yield* Metrics).count("diminuendo_messages_refused_total");
});

const tellRpc = Effect.fnUntraced(function* (
  connection: Connection,
  id: string | number | null,
  { code, message }: ConfigRefusal,
) {
  const error = { code, message: sanitizeMessage(message) };
  connection.send({ jsonrpc: "2.0", id, error });
  yield* (yield* Metrics).count("diminuendo_messages_refused_total");
});
