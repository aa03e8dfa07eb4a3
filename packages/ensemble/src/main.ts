/** Ensemble as a process: settings, providers, engine, server. */
import {
  config,
  createLogger,
  endGracefully,
  explainListenFailure,
  otlpOf,
  startSpans,
} from "@concert/service-kit";
import { createEnsemble } from "./api/app.ts";
import { buildCatalog } from "./catalog/catalog.ts";
import { Engine } from "./inference/engine.ts";
import { Metrics } from "./inference/metrics.ts";
import { createOfflineProvider } from "./providers/offline/offline-provider.ts";
import { createOpenAiCompatibleProvider } from "./providers/openai-compatible.ts";
import { contradictions, SETTINGS } from "./settings.ts";

const OUTPUT_CHARS_MAX = 1_048_576;
/** Bun's most; its default of 10 s would cut a model that thinks before it speaks. */
const IDLE_TIMEOUT_SECONDS = 255;

const settings = config.settingsOrExit("ensemble", "inference gateway of Concert.", SETTINGS);
const problems = contradictions(settings);
if (problems.length > 0) {
  process.stderr.write(`ensemble: ${problems.join("\n")}\nTry: ensemble --help\n`);
  process.exit(2);
}

// The AI SDK would print its warnings as plain text between our log lines.
globalThis.AI_SDK_LOG_WARNINGS = false;

const log = createLogger("ensemble");
const { host, port } = settings.listen;
const catalog = buildCatalog(settings.openaiModels, settings.openaiPrices);
const metrics = new Metrics();
const engine = new Engine({
  catalog,
  providers: {
    offline: createOfflineProvider({
      tokenDelayMs: settings.offlineTokenDelayMs,
      todayIso: () => new Date().toISOString().slice(0, 10),
    }),
    "openai-compatible":
      settings.openaiBaseUrl === undefined
        ? undefined
        : createOpenAiCompatibleProvider({
            baseUrl: settings.openaiBaseUrl,
            apiKey: settings.openaiApiKey,
          }),
  },
  limits: {
    totalMs: settings.providerTimeoutMs,
    idleMs: settings.providerIdleTimeoutMs,
    outputCharsMax: OUTPUT_CHARS_MAX,
  },
  concurrentMax: settings.maxConcurrent,
  metrics,
  log,
  nowMs: Date.now,
});
const { apiKeys, defaultModel } = settings;
const spans = await startSpans(otlpOf(settings), log);
const app = createEnsemble({ engine, metrics, apiKeys, defaultModel, log, spans });
const server = listen();
log.info({ url: server.url.href, models: catalog.map((model) => model.id) }, "listening");
endGracefully(log, async () => {
  await server.stop();
  await spans.stop();
});

function listen() {
  try {
    return Bun.serve({
      hostname: host,
      port,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      fetch: (request) => app.fetch(request),
    });
  } catch (error) {
    return explainListenFailure("ensemble", error, host, port);
  }
}
