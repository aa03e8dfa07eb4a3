/**
 * Podium's process: settings, wiring, life cycle. The only file that names the parts together.
 * Refuses to own: any behaviour.
 */
import {
  config,
  createLogger,
  endGracefully,
  explainListenFailure,
  type Logger,
  otlpOf,
  otlpSettings,
  type Spans,
  startSpans,
} from "@concert/service-kit";
import { agentTypes } from "./agents/agent-types.ts";
import { createConcierge } from "./agents/concierge.ts";
import { echo } from "./agents/echo.ts";
import { createTenantPrompt, noTenantPrompt } from "./agents/tenant-prompt.ts";
import { createPodiumApp } from "./api/app.ts";
import { FeedFollower } from "./engine/feed-follower.ts";
import { Thinker } from "./engine/thinker.ts";
import { TurnDesk } from "./engine/turn-desk.ts";
import { type PodiumServer, serve } from "./server.ts";
import { AgentSockets } from "./socket/agent-socket.ts";
import { Store } from "./store/store.ts";
import { createConcord } from "./upstream/concord.ts";
import { createEnsembleClient } from "./upstream/ensemble-client.ts";

const SETTINGS = {
  listen: config.listen({
    flag: "listen",
    env: "PODIUM_LISTEN",
    help: "Where to listen",
    default: "127.0.0.1:5083",
  }),
  dataDir: config.text({
    flag: "data-dir",
    env: "PODIUM_DATA_DIR",
    help: "Directory of podium.db",
    placeholder: "path",
    default: "./data/podium",
  }),
  apiKey: config.secret({
    flag: "api-key",
    env: "PODIUM_API_KEY",
    help: "Key that other services of Concert send",
    default: "pod_dev",
  }),
  concordUrl: config.url({
    flag: "concord-url",
    env: "CONCORD_URL",
    help: "Concord",
    default: "http://127.0.0.1:4200",
  }),
  concordServiceKey: config.secret({
    flag: "concord-service-key",
    env: "CONCORD_SERVICE_KEY",
    help: "Service key of Concord",
    default: "con_dev",
  }),
  internalSecret: config.secret({
    flag: "internal-secret",
    env: "CONCERT_INTERNAL_SECRET",
    help: "Secret that signs actor tokens, 16 characters or more",
    default: "concert-dev-internal-secret",
  }),
  ensembleUrl: config.url({
    flag: "ensemble-url",
    env: "ENSEMBLE_URL",
    help: "Ensemble",
    default: "http://127.0.0.1:5180",
  }),
  ensembleApiKey: config.secret({
    flag: "ensemble-api-key",
    env: "ENSEMBLE_API_KEY",
    help: "Key of Ensemble",
    default: "ens_dev",
  }),
  model: config.text({
    flag: "model",
    env: "PODIUM_MODEL",
    help: "Model of agents whose instance names none",
    default: "concert-offline-1",
  }),
  concordanceUrl: config.url({
    flag: "concordance-url",
    env: "CONCORDANCE_URL",
    help: "Concordance, for what tenants add to prompts; absent: they add nothing",
  }),
  concordanceAgentKey: config.secret({
    flag: "concordance-agent-key",
    env: "CONCORDANCE_AGENT_API_KEY",
    help: "Read-only key of Concordance",
    default: "dev-agent",
  }),
  socketStallMs: config.integer({
    flag: "socket-stall-ms",
    env: "PODIUM_SOCKET_STALL_MS",
    help: "How long a socket may take nothing before it is closed with 4008, in milliseconds",
    default: 30_000,
    min: 100,
    max: 600_000,
  }),
  ...otlpSettings("podium"),
};
type Settings = config.Settings<typeof SETTINGS>;

/** How long connections may take to close by themselves when the process ends. */
const LINGER_MS = 1_000;

const settings = config.settingsOrExit("podium", "hosts agents and their event streams", SETTINGS);
const log = createLogger("podium");
void startSpans(otlpOf(settings), log).then((spans) => start(settings, log, spans));

function start(settings: Settings, log: Logger, spans: Spans): void {
  const { internalSecret, apiKey } = settings;
  const store = openStore(settings.dataDir);
  const concord = createConcord({
    url: settings.concordUrl,
    serviceKey: settings.concordServiceKey,
    internalSecret,
  });
  const ensemble = createEnsembleClient({
    url: settings.ensembleUrl,
    apiKey: settings.ensembleApiKey,
  });
  const { model, concordanceUrl: url, concordanceAgentKey: agentKey } = settings;
  const tenantPrompt =
    url === undefined ? noTenantPrompt : createTenantPrompt({ url, agentKey }, log);
  const agents = agentTypes([createConcierge({ ensemble, model, tenantPrompt }), echo]);
  const thinker = new Thinker(store, agents, log);
  const desk = new TurnDesk(store, concord, log, (turn) => thinker.abandon(turn));
  const follower = new FeedFollower(store, concord, log, (turn) => thinker.abandon(turn));
  const stallMsMax = settings.socketStallMs;
  const sockets = new AgentSockets({ store, desk, log, apiKey, internalSecret, stallMsMax });
  const app = createPodiumApp({
    store,
    desk,
    agents,
    thinker,
    apiKey,
    internalSecret,
    log,
    spans,
    gauges: {
      openTurns: () => store.turns.openCount(),
      liveThoughts: () => thinker.liveCount,
      openSockets: () => sockets.openCount,
      isFeedConnected: () => follower.connected,
    },
    ready: async () => {
      const missing = follower.connected ? [] : [`the feed of Concord at ${settings.concordUrl}`];
      return { ready: missing.length === 0, missing };
    },
  });
  const server = listen(settings, () => serve({ ...settings.listen, app, sockets, log }));
  desk.start();
  follower.start();
  log.info({ url: server.url.href }, "listening");
  endGracefully(log, async () => {
    const quiet = server.stop();
    sockets.closeAll();
    await thinker.stop();
    await Promise.all([desk.stop(), follower.stop()]);
    await Promise.race([quiet, Bun.sleep(LINGER_MS)]);
    await server.stop(true);
    store.close();
    await spans.stop();
  });
}

function openStore(dataDir: string): Store {
  try {
    return Store.open(dataDir, () => new Date().toISOString());
  } catch (error) {
    const why = /locked|busy/i.test(String(error))
      ? `another Podium holds ${dataDir}; stop it, or choose another directory with --data-dir`
      : `cannot open the store in ${dataDir}: ${String(error)}`;
    process.stderr.write(`podium: ${why}\n`);
    process.exit(1);
  }
}

function listen({ listen }: Settings, open: () => PodiumServer): PodiumServer {
  try {
    return open();
  } catch (error) {
    explainListenFailure("podium", error, listen.host, listen.port);
  }
}
