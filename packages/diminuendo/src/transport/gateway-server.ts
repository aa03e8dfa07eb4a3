/**
 * Owns the running server: greets who connects, hands frames and requests on, keeps connections alive, and
 * says goodbye in order. Refuses to own: how it all is put together (main.ts).
 */
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as FiberSet from "effect/FiberSet";
import * as Schedule from "effect/Schedule";
import { AppConfig } from "../app-config.ts";
import { Authenticator, identityOf } from "../auth/Authenticator.ts";
import { Metrics } from "../observability/Metrics.ts";
import { CLOSE_CODES, HEARTBEAT_INTERVAL_MS, PROTOCOL_VERSION } from "../protocol/index.ts";
import { originAllowed } from "../security/origins.ts";
import type { RequestRates } from "../security/RequestRates.ts";
import { Broadcaster } from "./Broadcaster.ts";
import type { Connection } from "./Connection.ts";
import type { RouteNeeds } from "./http/routes.ts";
import { handleHttp } from "./http-api.ts";
import { receiver } from "./inbound.ts";
import { Router } from "./Router.ts";
import { SocketServer } from "./SocketServer.ts";

/** What clients are asked to wait before they come back after a shutdown; each adds a part of the jitter. */
const RECONNECT_AFTER_MS = 500;
const RECONNECT_JITTER_MS = 2_000;

type Needs = RouteNeeds | Authenticator | RequestRates;

/** Starts to serve and answers the port. */
export const startServer = Effect.gen(function* () {
  const { listen, trustProxy, messagesMax, ...rule } = yield* AppConfig;
  const server = yield* SocketServer;
  const router = yield* Router;
  const metrics = yield* Metrics;
  const greet = yield* greeter;
  const fork = yield* FiberSet.makeRuntime<Needs>();
  const answer = yield* FiberSet.makeRuntimePromise<Needs, Response>();
  yield* metrics.gauge("diminuendo_connections", () => server.connections.size);
  yield* metrics.gauge("diminuendo_waiting_bytes", () => {
    let bytes = 0;
    for (const { waitingBytes } of server.connections) bytes += waitingBytes;
    return bytes;
  });
  const port = yield* server.start(
    { listen, trustProxy, messagesMax },
    {
      http: (request, address) => answer(handleHttp(request, address)),
      admit: (request) =>
        originAllowed(request.headers.get("origin"), rule)
          ? null
          : new Response("This origin is not allowed here.", { status: 403 }),
      opened: greet,
      received: yield* receiver,
      closed: (connection) => void fork(router.closed(connection)),
      slow: () => void fork(metrics.count("diminuendo_slow_readers_total")),
    },
  );
  yield* Effect.forkScoped(heartbeats);
  yield* Effect.forkScoped(expiries);
  return port;
});

/** Tells everybody, then closes every socket; nobody new comes in meanwhile. */
export const sayGoodbye = Effect.gen(function* () {
  const server = yield* SocketServer;
  const broadcaster = yield* Broadcaster;
  yield* server.refuseNewcomers;
  const reconnectAfterMs = RECONNECT_AFTER_MS;
  broadcaster.toEverybody({
    type: "going_away",
    reconnectAfterMs,
    jitterMs: RECONNECT_JITTER_MS,
  });
  broadcaster.toEverybody({ type: "server_shutdown", reconnectAfterMs });
  yield* Effect.yieldNow;
  for (const connection of [...server.connections]) {
    connection.close(CLOSE_CODES.goingAway, "the gateway is going away: reconnect");
  }
});

/** `welcome`, `connected`, and in dev mode who the client is without having asked. */
const greeter = Effect.gen(function* () {
  const { devIdentity } = yield* Authenticator;
  const broadcaster = yield* Broadcaster;
  const clock = yield* Clock.Clock;
  return (connection: Connection) => {
    connection.send({
      type: "welcome",
      protocolVersion: PROTOCOL_VERSION,
      requiresAuth: devIdentity === null,
    });
    connection.send({
      type: "connected",
      clientId: connection.clientId,
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
      ts: clock.currentTimeMillisUnsafe(),
    });
    if (devIdentity === null) return;
    connection.becomes(devIdentity);
    broadcaster.admit(connection, devIdentity.tenant);
    connection.send({ type: "authenticated", identity: identityOf(devIdentity) });
  };
});

/** A socket that never says who it is may not stay: it would cost memory for nobody. */
function dismissStranger(connection: Connection): void {
  connection.beatsAsNobody += 1;
  if (connection.beatsAsNobody < 2) return;
  connection.close(CLOSE_CODES.authentication, "nobody authenticated in time");
}

/** How long before a sign-in runs out its client is told. */
const WARNED_BEFORE_MS = 60_000;

/** A token that has run out ends the connection; its client was told in time to bring a new one. */
const expiries = Effect.gen(function* () {
  const server = yield* SocketServer;
  const look = Effect.map(Clock.currentTimeMillis, (nowMs) => {
    for (const connection of [...server.connections]) {
      const { expiresAt } = connection;
      if (expiresAt === null || expiresAt - nowMs > WARNED_BEFORE_MS) continue;
      if (expiresAt <= nowMs) {
        connection.close(CLOSE_CODES.authentication, "the sign-in has run out");
      } else if (!connection.isWarned) {
        connection.isWarned = true;
        connection.send({ type: "auth_expiring", expiresAt });
      }
    }
  });
  yield* Effect.repeat(look, Schedule.spaced("1 second"));
});

const heartbeats = Effect.gen(function* () {
  const broadcaster = yield* Broadcaster;
  const server = yield* SocketServer;
  const beat = Effect.map(Clock.currentTimeMillis, (ts) => {
    broadcaster.toEverybody({ type: "heartbeat", ts });
    for (const connection of [...server.connections]) {
      connection.closeIfSlow();
      if (connection.actor === null) dismissStranger(connection);
    }
  });
  yield* Effect.repeat(beat, Schedule.spaced(`${HEARTBEAT_INTERVAL_MS} millis`));
});
