/** Owns the Concord process: settings, contracts, start, listen, stop. */

import { isAbsolute, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ConcordanceClient } from "@concert/concordance";
import {
  config,
  createLogger,
  endGracefully,
  explainListenFailure,
  otlpOf,
  type Spans,
  startSpans,
} from "@concert/service-kit";
import { podiumRuntime } from "../adapters/agents/podium.ts";
import { secretsFrom } from "../adapters/connectors/secrets.ts";
import { createConcordApp } from "../api/app.ts";
import { parseOperatorKey } from "../api/auth.ts";
import { listen } from "../api/serve.ts";
import { createConcord } from "../concord.ts";
import type { WebhookOptions } from "../concord-options.ts";
import { declaredContracts, isYaml } from "../declarations/index.ts";
import { CatalogError } from "../registry/check-catalog.ts";
import { type Contracts, isContracts } from "../registry/define-contracts.ts";
import { parseAlertLimits } from "./alert-limits.ts";
import { nearest } from "./database-socket.ts";
import { parseEventRetention } from "./event-retention.ts";
import { SETTINGS, SUMMARY } from "./settings.ts";
import { parseTokenCosts } from "./token-costs.ts";

const PROGRAM = "concord";

async function main(): Promise<void> {
  const settings = config.settingsOrExit(PROGRAM, SUMMARY, SETTINGS);
  const log = createLogger(PROGRAM);
  const operatorKeys = parsedOrExit("--api-keys", () => settings.apiKeys.map(parseOperatorKey));
  const spans = await startSpans(otlpOf(settings), log);
  const concord = await createOrExit(settings, log, spans);
  const auth = {
    serviceKey: settings.serviceKey,
    internalSecret: settings.internalSecret,
    operatorKeys,
  };
  const app = createConcordApp(concord, auth, log, spans);
  const { host, port } = settings.listen;
  // The port comes first: a second process on it must not touch the runs of the one that holds it.
  const listening = await listen(app, settings.listen).catch((error: unknown) =>
    explainListenFailure(PROGRAM, error, host, port),
  );
  await concord.start();
  const { executorId } = settings;
  log.info(
    { host, port: listening.port, executor_id: executorId, tools: concord.tools().length },
    "listening",
  );
  endGracefully(log, async () => {
    await listening.close();
    await concord.stop();
    await spans.stop();
  });
}

async function createOrExit(
  settings: config.Settings<typeof SETTINGS>,
  log: ReturnType<typeof createLogger>,
  spans: Spans,
) {
  try {
    return createConcord({
      databaseUrl: nearest(settings.databaseUrl, settings.databaseSocket),
      ...(settings.ownerDatabaseUrl === undefined
        ? {}
        : { ownerDatabaseUrl: settings.ownerDatabaseUrl }),
      contracts: await loadContracts(settings.contracts),
      agentRuntimes: { podium: podiumRuntime(settings.podiumUrl, settings.podiumKey) },
      executorId: settings.executorId,
      workflowVersion: settings.workflowVersion,
      ...(settings.queuePrefix === undefined ? {} : { queuePrefix: settings.queuePrefix }),
      alertLimits: parsedOrExit("--alert-limits", () => parseAlertLimits(settings.alertLimits)),
      eventRetention: parsedOrExit("--event-retention", () =>
        parseEventRetention(settings.eventRetention),
      ),
      tokenCosts: parsedOrExit("--token-costs", () => parseTokenCosts(settings.tokenCosts)),
      secrets: secretsOf(settings),
      webhooks: webhooksOf(settings),
      spans,
      log,
    });
  } catch (error) {
    if (!(error instanceof CatalogError) && !(error instanceof ContractsNotFound)) throw error;
    process.stderr.write(`${PROGRAM}: ${error.message}\n`);
    process.exit(2);
  }
}

function secretsOf(settings: config.Settings<typeof SETTINGS>) {
  const { secretDirectories: directories, concordanceUrl: url, concordanceKey: apiKey } = settings;
  const concordance =
    url === undefined ? {} : { concordance: new ConcordanceClient({ url, apiKey }) };
  return secretsFrom({ env: process.env, directories, ...concordance });
}

function webhooksOf(settings: config.Settings<typeof SETTINGS>): WebhookOptions {
  const waitsSeconds = settings.webhookRetrySeconds.map(Number);
  if (!waitsSeconds.every((one) => one >= 0 && Number.isFinite(one))) {
    process.stderr.write(`${PROGRAM}: --webhook-retry-seconds needs seconds, by commas\n`);
    process.exit(2);
  }
  return {
    privateRanges: settings.webhookPrivateRanges,
    plainHttp: settings.webhookPlainHttp,
    retry: { attemptsMax: waitsSeconds.length + 1, waitsSeconds },
    failuresMax: settings.webhookFailuresMax,
  };
}

class ContractsNotFound extends Error {}

/** Paths are relative to the working directory, a folder or a .yaml file is declarations; anything else is looked up as a package. */
async function loadContracts(paths: readonly string[]): Promise<readonly Contracts[]> {
  return Promise.all(
    paths.map(async (path) => {
      const isPath = isAbsolute(path) || path.startsWith(".") || path.includes("/");
      const isPackage = path.startsWith("@");
      if (isPath && isYaml(path)) return declaredOr(path);
      const specifier = isPath && !isPackage ? pathToFileURL(resolve(path)).href : path;
      const module = await import(specifier).catch((error: unknown) => {
        throw new ContractsNotFound(`--contracts: cannot load "${path}": ${String(error)}`);
      });
      if (isContracts(module.default)) return module.default;
      throw new ContractsNotFound(
        `--contracts: "${path}" has no default export made by defineContracts`,
      );
    }),
  );
}

function declaredOr(path: string): Contracts {
  try {
    return declaredContracts(path);
  } catch (error) {
    throw new ContractsNotFound(`--contracts: cannot read "${path}": ${String(error)}`);
  }
}

function parsedOrExit<T>(flag: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof config.SettingError)) throw error;
    process.stderr.write(`${PROGRAM}: ${flag} ${error.message}\n`);
    process.exit(2);
  }
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${PROGRAM}: cannot start: ${message}\n`);
  process.exit(1);
});
