/**
 * Owns the layer graph and the life of the process: the only file that names concrete layers together. Start:
 * recover what a dead process left, then listen. End: say goodbye, flush and stop the workers, interrupt fibers.
 */
import { settingsOrExit } from "@concert/service-kit/config";
import { endGracefully, explainListenFailure } from "@concert/service-kit/lifecycle";
import { createLogger } from "@concert/service-kit/log";
import * as Cause from "effect/Cause";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import { AppConfig } from "./app-config.ts";
import { Authenticator } from "./auth/Authenticator.ts";
import { Members } from "./auth/Members.ts";
import { RunPortsLayer } from "./automations/owner-turns.ts";
import { Scheduler } from "./automations/Scheduler.ts";
import { StorageError, WorkerManager } from "./db/WorkerManager.ts";
import { Health } from "./observability/Health.ts";
import { loggingLayer } from "./observability/logging.ts";
import { Metrics } from "./observability/Metrics.ts";
import { Breakers } from "./resilience/Breakers.ts";
import { Attachments } from "./session/Attachments.ts";
import { Billing } from "./session/Billing.ts";
import { housekeeping } from "./session/housekeeping.ts";
import { MessageRouterLayer } from "./session/MessageRouter.ts";
import { ConfigListeners } from "./session/messages/config-messages.ts";
import { recoverSessions } from "./session/recovery.ts";
import { Sessions } from "./session/Sessions.ts";
import { TurnNews } from "./session/TurnNews.ts";
import { SETTINGS, settingsOf } from "./settings.ts";
import { Broadcaster } from "./transport/Broadcaster.ts";
import { sayGoodbye, startServer } from "./transport/gateway-server.ts";
import { ListenError, SocketServer } from "./transport/SocketServer.ts";
import { ConcordanceClient } from "./upstream/ConcordanceClient.ts";
import { ConcordClient } from "./upstream/ConcordClient.ts";
import { PodiumClient } from "./upstream/PodiumClient.ts";
import { PodiumFiles } from "./upstream/PodiumFiles.ts";

const PROGRAM = "diminuendo";
const SUMMARY = "session gateway: one WebSocket per client, nothing missed across a reconnect";

const settings = settingsOf(settingsOrExit(PROGRAM, SUMMARY, SETTINGS));
const log = createLogger(PROGRAM);

const ConfigLayer = Layer.succeed(AppConfig, settings);
const Observed = Breakers.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(ConfigLayer, Metrics.layer)),
);
const Storage = WorkerManager.layer.pipe(Layer.provideMerge(Observed));
const Broadcast = Broadcaster.layer.pipe(Layer.provideMerge(SocketServer.layer));
const Upstream = Layer.mergeAll(
  PodiumClient.layer,
  PodiumFiles.layer,
  ConcordClient.layer,
  ConcordanceClient.layer,
);
const Auth = Authenticator.layer.pipe(Layer.provideMerge(Members.layer));
const Base = Layer.mergeAll(Auth, Health.layer, Broadcast, Upstream).pipe(
  Layer.provideMerge(Storage),
);
const SessionsLayer = Sessions.layer.pipe(
  Layer.provideMerge(TurnNews.layer),
  Layer.provideMerge(Base),
);
const Bonds = Layer.mergeAll(Attachments.layer, Billing.layer).pipe(
  Layer.provideMerge(SessionsLayer),
);
const Automations = Scheduler.layer.pipe(
  Layer.provideMerge(RunPortsLayer),
  Layer.provideMerge(Bonds),
);
const RouterDeps = ConfigListeners.layer.pipe(Layer.provideMerge(Automations));
const AppLayer = MessageRouterLayer.pipe(Layer.provideMerge(RouterDeps));

const runtime = ManagedRuntime.make(AppLayer.pipe(Layer.provideMerge(loggingLayer(log))));

const program = Effect.gen(function* () {
  yield* recoverSessions;
  yield* Effect.forkScoped(housekeeping);
  yield* Effect.forkScoped((yield* Scheduler).run);
  const port = yield* startServer;
  const { host } = settings.listen;
  yield* Effect.logInfo(
    `listening on http://${host}:${port}${settings.devMode ? " in dev mode" : ""}`,
  );
  const { died } = yield* WorkerManager;
  return yield* died;
});

const shutdown = Effect.gen(function* () {
  yield* sayGoodbye;
  const workers = yield* WorkerManager;
  yield* Effect.ignore(workers.flush);
  yield* workers.stop;
});

endGracefully(log, async () => {
  await runtime.runPromise(shutdown);
  await runtime.dispose();
});

const exit = await runtime.runPromiseExit(Effect.scoped(program));
// Interrupted means that the shutdown above is under way and will end the process itself.
if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
  endBadly(Cause.squash(exit.cause));

/** The supervisor starts us again; everything acknowledged is on disk. */
function endBadly(error: unknown): void {
  if (error instanceof ListenError) {
    explainListenFailure(PROGRAM, error.cause, settings.listen.host, settings.listen.port);
  }
  const reason = error instanceof StorageError ? error.reason : String(error);
  process.stderr.write(`${PROGRAM}: ${reason}\n`);
  process.exit(1);
}
