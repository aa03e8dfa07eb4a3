/**
 * Owns the layer graph and the life of the process: the only file that names concrete layers together. Start:
 * see what a dead process left, listen, recover it. End: say goodbye, flush and stop the workers, interrupt fibers.
 */
import { settingsOrExit } from "@concert/service-kit/config";
import { endGracefully, explainListenFailure } from "@concert/service-kit/lifecycle";
import { createLogger } from "@concert/service-kit/log";
import * as Cause from "effect/Cause";
import * as Effect from "effect/Effect";
import * as Exit from "effect/Exit";
import * as Layer from "effect/Layer";
import * as ManagedRuntime from "effect/ManagedRuntime";
import { AppConfig, type FleetSettings } from "./app-config.ts";
import { Authenticator } from "./auth/Authenticator.ts";
import { Members } from "./auth/Members.ts";
import { Outside } from "./automations/Outside.ts";
import { RunPortsLayer } from "./automations/owner-turns.ts";
import { Scheduler } from "./automations/Scheduler.ts";
import { delegatedStore } from "./db/delegated/DelegatedStore.ts";
import { StorageError, WorkerManager } from "./db/WorkerManager.ts";
import { Broadcast, broadcastHealth } from "./fleet/Broadcast.ts";
import { engineOf } from "./fleet/engines.ts";
import { fleetStore } from "./fleet/FleetStore.ts";
import { elsewhere, Followers } from "./fleet/Followers.ts";
import { fleetLife } from "./fleet/fleet-life.ts";
import { fleetRouter } from "./fleet/fleet-router.ts";
import { Hub } from "./fleet/in-process.ts";
import { Owners } from "./fleet/Owners.ts";
import { fleetOnward, TenantPlaces } from "./fleet/onward.ts";
import { ownAutomations } from "./fleet/own-automations.ts";
import { Peers } from "./fleet/Peers.ts";
import { peerDesk } from "./fleet/peer-desk.ts";
import { TenantNews } from "./fleet/TenantNews.ts";
import { Health } from "./observability/Health.ts";
import { loggingLayer } from "./observability/logging.ts";
import { Metrics } from "./observability/Metrics.ts";
import { TracingLayer } from "./observability/Tracing.ts";
import { Breakers } from "./resilience/Breakers.ts";
import { FloodPauses } from "./security/FloodPauses.ts";
import { RequestRates } from "./security/RequestRates.ts";
import { Attachments } from "./session/Attachments.ts";
import { Billing } from "./session/Billing.ts";
import { housekeeping } from "./session/housekeeping.ts";
import { newId } from "./session/ids.ts";
import { Life } from "./session/life.ts";
import { MessageRouterLayer } from "./session/MessageRouter.ts";
import { ConfigListeners } from "./session/messages/config-messages.ts";
import { Removals } from "./session/Removals.ts";
import { Sessions } from "./session/Sessions.ts";
import { StreamIntake } from "./session/StreamIntake.ts";
import { TurnNews } from "./session/TurnNews.ts";
import { DEV_INTERNAL_SECRET, SETTINGS, settingsOf } from "./settings.ts";
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

// Who knows the secret is answered as a gateway of the fleet, for any tenant.
if (settings.fleet !== null && settings.internalSecret === DEV_INTERNAL_SECRET) {
  process.stderr.write(
    `${PROGRAM}: several gateways sign for one another; set CONCERT_INTERNAL_SECRET to a secret of your own, the same for all, before --broadcast\n`,
  );
  process.exit(2);
}

const gatewayId = newId("gw");
const ConfigLayer = Layer.succeed(AppConfig, settings);
const Observed = Breakers.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(ConfigLayer, Metrics.layer)),
);
const Traced = TracingLayer.pipe(Layer.provideMerge(Observed));
/** Where the truth lies: in the data directory, or in Concordance with copies there. */
const Storage =
  settings.store === "embedded"
    ? WorkerManager.layer
    : delegatedStore(gatewayId).pipe(Layer.provide(WorkerManager.layer));
const Upstream = Layer.mergeAll(
  PodiumClient.layer,
  PodiumFiles.layer,
  ConcordClient.layer,
  ConcordanceClient.layer,
);
const Auth = Authenticator.layer.pipe(Layer.provideMerge(Members.layer));
const Limits = Layer.mergeAll(RequestRates.layer, FloodPauses.layer);
const Around = Layer.mergeAll(Auth, Health.layer, Limits, Broadcaster.layer, Upstream);
const Bonds = Layer.mergeAll(
  Attachments.layer.pipe(Layer.provide(StreamIntake.layer)),
  Billing.layer,
  Removals.layer,
);
const Automations = Scheduler.layer.pipe(
  Layer.provideMerge(RunPortsLayer),
  Layer.provideMerge(Outside.layer),
  Layer.provideMerge(Bonds),
);
const Inner = ConfigListeners.layer.pipe(Layer.provideMerge(Automations));

/** One gateway that has every tenant. */
const Alone = MessageRouterLayer.pipe(
  Layer.provideMerge(Inner),
  Layer.provideMerge(Sessions.layer),
  Layer.provideMerge(TurnNews.layer),
  Layer.provideMerge(Around),
  Layer.provideMerge(broadcastHealth),
  Layer.provideMerge(Layer.mergeAll(Storage, SocketServer.layer)),
  Layer.provide(Broadcast.layer(new Hub().engine(), gatewayId)),
  Layer.provideMerge(Traced),
);

/** One of several: the same, with a store, a fan-out and a router that know of the others. */
const oneOfSeveral = (fleet: FleetSettings) => {
  const Heard = Layer.mergeAll(
    Broadcast.layer(engineOf(fleet), gatewayId),
    TenantPlaces.layer,
    SocketServer.layer,
  );
  const Store = fleetStore.pipe(
    Layer.provideMerge(Peers.layer),
    Layer.provideMerge(Owners.layer(gatewayId)),
    Layer.provide(Storage),
    Layer.provideMerge(Heard),
  );
  return fleetRouter.pipe(
    Layer.provideMerge(Layer.mergeAll(peerDesk, fleetLife)),
    Layer.provideMerge(MessageRouterLayer),
    Layer.provideMerge(Inner),
    Layer.provideMerge(Sessions.layer),
    Layer.provideMerge(TurnNews.layer),
    Layer.provideMerge(elsewhere),
    Layer.provideMerge(ownAutomations),
    Layer.provideMerge(Layer.mergeAll(Followers.layer, TenantNews.layer)),
    Layer.provideMerge(Around),
    Layer.provideMerge(Layer.mergeAll(fleetOnward, broadcastHealth)),
    Layer.provideMerge(Store),
    Layer.provideMerge(Traced),
  );
};

const AppLayer: typeof Alone = settings.fleet === null ? Alone : oneOfSeveral(settings.fleet);

const runtime = ManagedRuntime.make(AppLayer.pipe(Layer.provideMerge(loggingLayer(log))));

const program = Effect.gen(function* () {
  const life = yield* Life;
  const besideClients = yield* life.beforeClients;
  yield* Effect.forkScoped(housekeeping);
  const port = yield* startServer;
  yield* life.withClients(port);
  const { host } = settings.listen;
  yield* Effect.logInfo(
    `listening on http://${host}:${port}${settings.devMode ? " in dev mode" : ""}`,
  );
  const { died } = yield* WorkerManager;
  const { run } = yield* Scheduler;
  // A run that begins anew may use the reservation that a dead process left for it: that is closed first, or not at all.
  const beside = Effect.andThen(
    besideClients,
    Effect.andThen(Effect.forkScoped(run), Effect.never),
  );
  return yield* Effect.raceFirst(died, beside);
});

const shutdown = Effect.gen(function* () {
  yield* sayGoodbye;
  yield* (yield* Life).afterClients;
  const workers = yield* WorkerManager;
  yield* workers.flush.pipe(
    Effect.catch((error) => Effect.logError(`not all is on disk at the end: ${error.reason}`)),
  );
  yield* workers.stop;
});

endGracefully(log, async () => {
  await runtime.runPromise(shutdown);
  await runtime.dispose();
});

// Not awaited here: bundled, this is no module that could wait (tools/bundle/main.ts).
void runtime.runPromiseExit(Effect.scoped(program)).then((exit) => {
  // Interrupted means that the shutdown above is under way and will end the process itself.
  if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
    endBadly(Cause.squash(exit.cause));
});

/** The supervisor starts us again; everything acknowledged is on disk. */
function endBadly(error: unknown): void {
  if (error instanceof ListenError) {
    explainListenFailure(PROGRAM, error.cause, settings.listen.host, settings.listen.port);
  }
  const reason = error instanceof StorageError ? error.reason : String(error);
  process.stderr.write(`${PROGRAM}: ${reason}\n`);
  process.exit(1);
}
