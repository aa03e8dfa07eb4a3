/** Owns what an operator can set about Ensemble, and which combinations make sense. */
import { config, otlpSettings } from "@concert/service-kit";
import { OFFLINE_MODEL_ID, type Price, parsePrice } from "./catalog/catalog.ts";

const prices: config.Setting<ReadonlyMap<string, Price>> = {
  flag: "openai-prices",
  env: "ENSEMBLE_OPENAI_PRICES",
  help: "Dollars per million tokens in/out, e.g. big=2.5/10,small=0.1/0.4; a model without one costs 0.",
  placeholder: "model=in/out,…",
  defaultValue: new Map(),
  parse: (text) => new Map(text.split(",").map((item) => parsePrice(item.trim()))),
};

export const SETTINGS = {
  listen: config.listen({
    flag: "listen",
    env: "ENSEMBLE_LISTEN",
    help: "Where to listen.",
    default: "127.0.0.1:5180",
  }),
  apiKeys: config.list({
    flag: "api-keys",
    env: "ENSEMBLE_API_KEY",
    help: "Keys that callers may send (development default: ens_dev).",
    default: ["ens_dev"],
  }),
  defaultModel: config.text({
    flag: "default-model",
    env: "ENSEMBLE_DEFAULT_MODEL",
    help: "The model of a request that names none.",
    placeholder: "model",
    default: OFFLINE_MODEL_ID,
  }),
  offlineTokenDelayMs: config.integer({
    flag: "offline-token-delay-ms",
    env: "ENSEMBLE_OFFLINE_TOKEN_DELAY_MS",
    help: "Pause between two words of the offline model.",
    default: 18,
    min: 0,
    max: 5_000,
  }),
  openaiBaseUrl: config.url({
    flag: "openai-base-url",
    env: "ENSEMBLE_OPENAI_BASE_URL",
    help: "An endpoint that speaks OpenAI's chat completions, up to and including /v1.",
  }),
  openaiApiKey: config.secret({
    flag: "openai-api-key",
    env: "ENSEMBLE_OPENAI_API_KEY",
    help: "The key of that endpoint.",
  }),
  openaiModels: config.list({
    flag: "openai-models",
    env: "ENSEMBLE_OPENAI_MODELS",
    help: "Models to offer from that endpoint.",
    default: [],
  }),
  openaiPrices: prices,
  providerTimeoutMs: config.integer({
    flag: "provider-timeout-ms",
    env: "ENSEMBLE_PROVIDER_TIMEOUT_MS",
    help: "The longest a generation may take.",
    default: 110_000,
    min: 100,
    max: 3_600_000,
  }),
  providerIdleTimeoutMs: config.integer({
    flag: "provider-idle-timeout-ms",
    env: "ENSEMBLE_PROVIDER_IDLE_TIMEOUT_MS",
    help: "The longest silence of a provider.",
    default: 60_000,
    min: 100,
    max: 240_000,
  }),
  maxConcurrent: config.integer({
    flag: "max-concurrent",
    env: "ENSEMBLE_MAX_CONCURRENT",
    help: "Generations at one time; one more is answered with 429.",
    default: 256,
    min: 1,
    max: 100_000,
  }),
  ...otlpSettings("ensemble"),
};

export type EnsembleSettings = config.Settings<typeof SETTINGS>;

/** What makes the settings unusable together, one sentence each; empty when they are fine. */
export function contradictions(settings: EnsembleSettings): readonly string[] {
  const { openaiBaseUrl, openaiModels, openaiPrices, defaultModel, apiKeys } = settings;
  const models = [OFFLINE_MODEL_ID, ...openaiModels];
  const strangers = [...openaiPrices.keys()].filter((model) => !models.includes(model));
  return [
    openaiModels.length > 0 && openaiBaseUrl === undefined
      ? "--openai-models needs --openai-base-url as well"
      : "",
    openaiBaseUrl !== undefined && openaiModels.length === 0
      ? "--openai-base-url needs --openai-models: which of its models to offer"
      : "",
    models.includes(defaultModel)
      ? ""
      : `--default-model ${defaultModel} is none of: ${models.join(", ")}`,
    strangers.length > 0
      ? `--openai-prices names ${strangers.join(", ")}, not in --openai-models`
      : "",
    apiKeys.length === 0 ? "--api-keys needs at least one key" : "",
  ].filter((problem) => problem !== "");
}
