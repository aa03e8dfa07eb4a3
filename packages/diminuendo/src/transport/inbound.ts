/**
 * Owns the path of one frame from the socket to the router: count, size, parse, authenticate, route, answer.
 * Whatever goes wrong is told to that connection only, and the process lives on.
 */
import type { Actor } from "@concert/service-kit/identity";
import { newTrace, type TraceContext } from "@concert/service-kit/trace";
import * as Cause from "effect/Cause";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as FiberSet from "effect/FiberSet";
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
import { FloodPauses } from "../security/FloodPauses.ts";
import { errorMessage, internalError, Refusal, refuse } from "../security/Refusal.ts";
import { SessionGone } from "../session/session-log.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import type { Connection } from "./Connection.ts";
import { type ConfigRefusal, type RouteError, Router } from "./Router.ts";

/** Handles one frame; null stands for a binary one. Never fails. */
export type Receive = (connection: Connection, text: string | null) => void;

/** What stands at the door: most of a frame's way is plain, and only an answer needs a fiber. */
interface Door {
  readonly router: Router["Service"];
  readonly add: Metrics["Service"]["add"];
  readonly fork: (answer: Effect.Effect<void>) => void;
}

export const receiver = Effect.gen(function* () {
  const router = yield* Router;
  const { add } = yield* Metrics;
  const clock = yield* Clock.Clock;
  const pauses = yield* FloodPauses;
  const run = yield* FiberSet.makeRuntime<never>();
  const door: Door = { router, add, fork: (answer) => void run(answer) };
  const receive: Receive = (connection, text) => {
    add("diminuendo_messages_total", 1);
    const nowMs = clock.currentTimeMillisUnsafe();
    const verdict = connection.rate.judge(nowMs);
    if (verdict === "disconnect") {
      if (connection.actor !== null) pauses.flooded(connection.actor, nowMs);
      connection.close(CLOSE_CODES.rateLimited, "too many messages: pause, then reconnect");
      return;
    }
    const refusal = verdict === "refuse" ? tooMany : unacceptable(text);
    if (refusal !== null || text === null) refuseUnread(door, connection, text, refusal);
    else if (connection.inFlight >= IN_FLIGHT_MAX) {
      connection.close(CLOSE_CODES.rateLimited, "too many unanswered messages: pause");
    } else inTurn(door, connection, decodeClientFrame(text));
  };
  return receive;
});

/** Messages of one connection that may wait for their answers. */
const IN_FLIGHT_MAX = 64;

/** Nothing overtakes a sign-in: what comes after it is said by whom it brings. */
function inTurn(door: Door, connection: Connection, frame: ClientFrame): void {
  if (frame.kind === "message" && frame.message.type === "authenticate") {
    const { token, requestId } = frame.message;
    const before = connection.untilSignedIn;
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.signingIn = promise;
    const over = Effect.sync(() => {
      if (connection.signingIn === promise) connection.signingIn = null;
      resolve();
    });
    const signIn = Effect.andThen(before, authenticate(door, connection, token, requestId));
    answer(door, connection, Effect.ensuring(signIn, over));
    return;
  }
  if (connection.signingIn === null) {
    const now = handle(door, connection, frame);
    if (now !== null) answer(door, connection, now);
    return;
  }
  const later = Effect.suspend(() => handle(door, connection, frame) ?? Effect.void);
  answer(door, connection, Effect.andThen(connection.untilSignedIn, later));
}

function answer(door: Door, connection: Connection, work: Effect.Effect<void>): void {
  connection.inFlight += 1;
  const over = Effect.sync(() => {
    connection.inFlight -= 1;
  });
  door.fork(Effect.ensuring(work, over));
}

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
function refuseUnread(
  door: Door,
  connection: Connection,
  text: string | null,
  refusal: Refusal | null,
): void {
  const mark = markOf(text);
  const { message } = refusal ?? binary;
  if (mark.kind === "message") tell(door, connection, refusal ?? binary, mark.requestId);
  else tellRpc(door, connection, mark.id, rpcRefusal(RPC_ERRORS.invalidRequest, message));
}

const rpcRefusal = (code: number, message: string): ConfigRefusal => ({
  _tag: "ConfigRefusal",
  code,
  message,
});

/** What is still to be done; null if the frame is answered already. */
function handle(
  door: Door,
  connection: Connection,
  frame: ClientFrame,
): Effect.Effect<void> | null {
  const { actor } = connection;
  switch (frame.kind) {
    case "bad_message":
      tell(door, connection, refuse(frame.code, frame.reason), frame.requestId);
      return null;
    case "bad_config": {
      const code = frame.unknownMethod ? RPC_ERRORS.methodNotFound : RPC_ERRORS.invalidParams;
      tellRpc(door, connection, frame.id, rpcRefusal(code, frame.reason));
      return null;
    }
    case "message":
      if (actor !== null) return onMessage(door, connection, actor, frame.message);
      tell(door, connection, unauthenticated, frame.message.requestId);
      return null;
    case "config": {
      if (actor !== null) return onConfig(door, connection, actor, frame.request);
      const denied = rpcRefusal(RPC_ERRORS.permissionDenied, unauthenticated.message);
      tellRpc(door, connection, frame.request.id, denied);
      return null;
    }
  }
}

const authenticate = (
  door: Door,
  connection: Connection,
  token: string,
  requestId: string | undefined,
): Effect.Effect<void> => {
  const mark = requestId === undefined ? {} : { requestId };
  return door.router.authenticate(connection, token).pipe(
    Effect.map((signedIn) => connection.send({ type: "authenticated", ...signedIn, ...mark })),
    Effect.catchCause((cause) =>
      Effect.gen(function* () {
        const refusal = yield* asRefusal(cause, newTrace(), "authenticate");
        tell(door, connection, refusal, requestId);
        // A provider that is away is no reason to go and fetch another token.
        if (refusal.code === "AUTH_FAILED") {
          connection.close(CLOSE_CODES.authentication, "authentication failed");
        } else if (refusal.code === "AUTH_RATE_LIMITED") {
          connection.close(CLOSE_CODES.rateLimited, "too many failed sign-ins: pause");
        }
      }),
    ),
  );
};

const onMessage = (
  door: Door,
  connection: Connection,
  actor: Actor,
  message: ClientMessage,
): Effect.Effect<void> => {
  const { requestId, type } = message;
  const mark = requestId === undefined ? {} : { requestId };
  return traced({ name: type, attributes: ofPerson(actor) }, (trace) =>
    Effect.matchCauseEffect(door.router.route(connection, actor, message), {
      onSuccess: (answered) => {
        if (answered !== null) connection.send({ ...answered, ...mark });
        return Effect.void;
      },
      onFailure: (cause) =>
        Effect.map(asRefusal(cause, trace, type), (refusal) =>
          tell(door, connection, refusal, requestId),
        ),
    }),
  );
};

const onConfig = (
  door: Door,
  connection: Connection,
  actor: Actor,
  request: ConfigRequest,
): Effect.Effect<void> => {
  const { id, method } = request;
  return traced({ name: method, attributes: ofPerson(actor) }, (trace) =>
    door.router.config(connection, actor, request).pipe(
      Effect.map((result) => connection.send({ jsonrpc: "2.0", id, result })),
      Effect.catchCause((cause) =>
        Effect.map(asConfigRefusal(cause, trace, method), (refusal) =>
          tellRpc(door, connection, id, refusal),
        ),
      ),
    ),
  );
};

/** Who a span is of; never what was said. */
const ofPerson = ({ tenant, user }: Actor) => ({ "concert.tenant": tenant, "enduser.id": user });

/** What the client may hear of a failure; the rest goes to the log. */
export const asRefusal = Effect.fnUntraced(function* (
  cause: Cause.Cause<RouteError>,
  trace: Pick<TraceContext, "traceId">,
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
  return internalError(trace.traceId);
});

const asConfigRefusal = Effect.fnUntraced(function* (
  cause: Cause.Cause<ConfigRefusal | RouteError>,
  trace: Pick<TraceContext, "traceId">,
  what: string,
) {
  const error = Cause.squash(cause);
  if (isConfigRefusal(error)) return error;
  const { code, message } = yield* asRefusal(cause as Cause.Cause<RouteError>, trace, what);
  return rpcRefusal(RPC_OF_CODE[code] ?? RPC_ERRORS.internal, message);
});

const RPC_OF_CODE: Readonly<Record<string, number>> = {
  PermissionDenied: RPC_ERRORS.permissionDenied,
  SessionNotFound: RPC_ERRORS.notFound,
  UpstreamUnavailable: RPC_ERRORS.upstreamUnavailable,
};

const isConfigRefusal = (error: unknown): error is ConfigRefusal =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "ConfigRefusal";

const isUnreachable = (error: unknown): error is Unreachable => error instanceof Unreachable;

function tell(
  { add }: Door,
  connection: Connection,
  refusal: Refusal,
  requestId: string | undefined,
): void {
  connection.send(errorMessage(refusal, requestId));
  add("diminuendo_messages_refused_total", 1);
}

function tellRpc(
  { add }: Door,
  connection: Connection,
  id: string | number | null,
  { code, message }: ConfigRefusal,
): void {
  const error = { code, message: sanitizeMessage(message) };
  connection.send({ jsonrpc: "2.0", id, error });
  add("diminuendo_messages_refused_total", 1);
}
