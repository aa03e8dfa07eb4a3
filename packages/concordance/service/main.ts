/** Owns the process: settings, signals, and how it starts and ends. What is wired to what is in service.ts. */
import { type Config, readConfig, SettingError } from "./config.ts";
import { assertFreeName, JoinRefused, statusOf } from "./join.ts";
import { type KeyRing, makeDevelopmentKey, readKeyRing } from "./key-ring.ts";
import { createLogger, type Logger } from "./logger.ts";
import { isClaimed, type OpenMember, openMember } from "./member.ts";
import { DataDirectoryUnusable } from "./raft/log.ts";
import type { HttpServer, Listening } from "./server.ts";
import { hostOf, Service } from "./service.ts";
import { helpText } from "./settings.ts";
import type { Secrets } from "./surface.ts";
import { readTransport, type Transport } from "./transport.ts";
import { ServerUnusable } from "./unison/link.ts";
import { UnisonService } from "./unison/service.ts";

const SHUTDOWN_DEADLINE_MS = 10_000;

async function main(): Promise<void> {
  // Whoever reads the log may die first, supervisor included; that must not keep us from ending well.
  process.stderr.on("error", () => undefined);
  const log = createLogger((line) => void process.stderr.write(line));
  const config = configOrExit();
  if (config.engine === null) await serveMember(config, log);
  else await serveUnison(config.engine, config, log);
}

async function serveMember(config: Config, log: Logger): Promise<void> {
  const transport = transportOrExit(config);
  const joinClusterId = await clusterToJoin(config, transport);
  const opened = openOrExit(config, joinClusterId);
  const secrets = { ring: ringOrExit(config), transport };
  const service = serviceOrExit(opened, config, secrets, log);
  const listening = await listenOrExit(service.server, config);
  service.start(listening.port);
  const { nodeId, clusterId } = opened.identity;
  log.info("listening", { address: service.address, nodeId, clusterId });
  endGracefully(log, async () => {
    await service.handOver();
    await listening.stop();
    service.stop();
    opened.close();
  });
  await service.join(config.join).catch(refuse);
}

async function serveUnison(url: string, config: Config, log: Logger): Promise<void> {
  const secrets = { ring: ringOrExit(config), transport: transportOrExit(config) };
  const service = new UnisonService(url, config, secrets, log);
  const listening = await listenOrExit(service.server, config);
  await service.start().catch(refuse);
  log.info("listening", { address: `${hostOf(config.host)}:${listening.port}` });
  endGracefully(log, async () => {
    await listening.stop();
    service.stop();
  });
}

/** The id of the cluster that a fresh directory is to join; null when there is nothing to join. */
async function clusterToJoin(config: Config, transport: Transport): Promise<string | null> {
  if (config.join === null || isClaimed(config.dataDir)) return null;
  const { apiKey } = config;
  const status = await statusOf(config.join, { apiKey, transport }).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    return refuse(new JoinRefused(`cannot join through ${config.join}: ${why}`));
  });
  try {
    assertFreeName(status, nodeIdOf(config));
  } catch (error) {
    refuse(error);
  }
  return status.clusterId;
}

function nodeIdOf({ nodeId }: Config): string {
  return nodeId ?? `node-${process.pid}`;
}

/**
 * Under development keys, who founds a cluster makes an encryption key too, and so does a process that keeps
 * its data elsewhere. One that joins is given it.
 */
function ringOrExit(config: Config): KeyRing | null {
  const { encryptionKey: key, encryptionKeyFile: file, development, dataDir } = config;
  const founds = config.bootstrap || config.engine !== null;
  try {
    if (development && founds && key === null && file === null) makeDevelopmentKey(dataDir);
    return readKeyRing({ key, file, development, dataDir });
  } catch (error) {
    return refuse(error);
  }
}

function transportOrExit({ tls }: Config): Transport {
  try {
    return readTransport(tls);
  } catch (error) {
    return refuse(error);
  }
}

function serviceOrExit(opened: OpenMember, config: Config, secrets: Secrets, log: Logger): Service {
  try {
    return new Service(opened, config, secrets, log, (error) => {
      log.error("stopping at once: disk and memory may disagree", { err: error });
      process.exit(70);
    });
  } catch (error) {
    return refuse(error);
  }
}

function configOrExit(): Config {
  const argv = process.argv.slice(2);
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(helpText());
    process.exit(0);
  }
  try {
    return readConfig(argv, process.env);
  } catch (error) {
    if (!(error instanceof SettingError)) throw error;
    process.stderr.write(`concordance: ${error.message}\nTry: concordance --help\n`);
    process.exit(2);
  }
}

function openOrExit(config: Config, joinClusterId: string | null): OpenMember {
  const { dataDir, nodeId, bootstrap } = config;
  const incarnation = crypto.randomUUID();
  const fresh = { clusterId: crypto.randomUUID(), nodeId: nodeIdOf(config), incarnation };
  try {
    return openMember({ dataDir, nodeId, bootstrap, joinClusterId, fresh });
  } catch (error) {
    return refuse(error);
  }
}

async function listenOrExit(server: HttpServer, { host, port }: Config): Promise<Listening> {
  try {
    return await server.listen(host, port);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const why =
      code === "EADDRINUSE"
        ? `port ${port} on ${host} is in use; stop what holds it or choose another with --listen=${host}:<port>`
        : `cannot listen on ${host}:${port}: ${String(error)}`;
    process.stderr.write(`concordance: ${why}\n`);
    process.exit(1);
  }
}

function refuse(error: unknown): never {
  const explained = [DataDirectoryUnusable, JoinRefused, ServerUnusable, SettingError];
  if (!(error instanceof Error) || !explained.some((kind) => error instanceof kind)) throw error;
  process.stderr.write(`concordance: ${error.message.replace(/\.$/, "")}.\n`);
  process.exit(1);
}

/** Ends once, on the first of SIGTERM, SIGINT, or the end of a supervisor's pipe. */
function endGracefully(log: Logger, stop: () => Promise<void>): void {
  let ending = false;
  const end = (reason: string) => {
    if (ending) return;
    ending = true;
    log.info("stopping", { reason });
    setTimeout(() => process.exit(1), SHUTDOWN_DEADLINE_MS).unref();
    stop().then(
      () => process.exit(0),
      (error) => {
        log.error("failed while stopping", { err: error });
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
  if (process.env["CONCERT_SUPERVISED"] !== "1") return;
  process.stdin.on("end", () => end("the supervisor is gone"));
  process.stdin.on("error", () => end("the supervisor is gone"));
  process.stdin.resume();
}

await main();
