/**
 * Owns a whole Concert stack as a value: start it, look at it, cut it anywhere, stop it. `concert up`,
 * the demo, the whole-system tests and the benchmarks all start the platform through here.
 * Refuses to own: which services there are (services.ts) and how one is kept alive (supervisor/).
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { socketFolderOf } from "@concert/postgres-host";
import type { PhaseChange, ProcessSpec } from "../supervisor/process-spec.ts";
import { Supervisor } from "../supervisor/Supervisor.ts";
import {
  type Addresses,
  checkPortsFree,
  defaultAddresses,
  freeAddresses,
  listenText,
  urlsOf,
  withoutPassword,
} from "./addresses.ts";
import { environmentFor } from "./environment.ts";
import { waitForLeftOvers } from "./left-overs.ts";
import { httpProbe, postgresProbe, requireDatabase } from "./probes.ts";
import { type RunLock, takeRunLock } from "./run-lock.ts";
import { loadKeys, type StackKeys } from "./secrets.ts";
import {
  SERVICE_NAMES,
  SERVICES,
  type ServiceName,
  type ServiceRow,
  type ServiceUrls,
  type StackFacts,
} from "./services.ts";

/** The repository, which is also the working directory of every service. */
export const REPOSITORY = resolve(import.meta.dirname, "../../../..");
const START_TIMEOUT_MS = 90_000;
const HEALTHY_TIMEOUT_MS = 60_000;
const READY_EVERY_MS = 100;
const PORTS_PATIENCE_MS = 10_000;

export interface StackOptions {
  /** Everything the stack remembers; deleting it is a clean start. */
  readonly dataDir: string;
  /** `free` picks unused loopback ports; default the documented ones. */
  readonly ports?: "free" | Addresses;
  /** Default: all of them. */
  readonly services?: readonly ServiceName[];
  /** An existing database instead of the embedded one. */
  readonly databaseUrl?: string;
  /** Default: `<dataDir>/logs`. */
  readonly logDir?: string;
  /** What the services inherit; keys in it win over stored ones. Default: this process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly onChange?: (change: PhaseChange) => void;
  readonly onLine?: (service: string, line: string) => void;
  /** Services of an earlier run are still ending, and are waited for. */
  readonly onLeftOvers?: (names: readonly string[]) => void;
}

export interface Stack {
  readonly dataDir: string;
  readonly logDir: string;
  readonly services: readonly ServiceName[];
  readonly urls: ServiceUrls;
  readonly keys: StackKeys;
  /** Settles when every service is healthy. Rejects with `StartFailed` after everything was stopped again. */
  readonly healthy: Promise<void>;
  /** The live process of each service; undefined between a crash and the next attempt. */
  pids(): Readonly<Partial<Record<ServiceName, number | undefined>>>;
  /** How often a service was started again. */
  restarts(service: ServiceName): number;
  /** Ends one service (default SIGKILL) and resolves once it is gone; the supervisor starts it again. */
  kill(service: ServiceName, signal?: NodeJS.Signals): Promise<void>;
  /** The newest log lines of a service. */
  logs(service: ServiceName, lines?: number): string;
  /** Resolves once the service answers its health route; rejects after `timeoutMs` (default 60 s). */
  waitHealthy(service: ServiceName, timeoutMs?: number): Promise<void>;
  /** Asks the service itself until it is ready, beyond what the supervisor remembers. Rejects after 60 s. */
  answers(service: ServiceName): Promise<void>;
  /** Stops everything in reverse order, within 10 s each. */
  stop(): Promise<void>;
  /** Ends everything at once. */
  killAll(): void;
}

/** Starts a stack and resolves when every service is healthy. Rejects like `openStack` and `healthy`. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const stack = await openStack(options);
  await stack.healthy;
  return stack;
}

/**
 * Begins to start a stack, and resolves as soon as it can be stopped. Rejects with `AlreadyRunning` or
 * `PortBusy` before anything was started.
 */
export async function openStack(options: StackOptions): Promise<Stack> {
  const dataDir = resolve(options.dataDir);
  const lock = takeRunLock(dataDir);
  try {
    return await openLocked(options, dataDir, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function openLocked(options: StackOptions, dataDir: string, lock: RunLock): Promise<Stack> {
  const services = chosenServices(options);
  if (options.databaseUrl !== undefined) await requireDatabase(options.databaseUrl);
  if (lock.leftOver !== undefined) await awaitLeftOvers(lock.leftOver, options);
  const addresses = await resolveAddresses(options.ports);
  // What a killed service started may need a moment longer than the service itself.
  await checkPortsFree(services, addresses, lock.leftOver === undefined ? 0 : PORTS_PATIENCE_MS);
  const inherited = options.env ?? process.env;
  const keys = loadKeys(dataDir, inherited);
  const urls = resolveUrls(addresses, services, options.databaseUrl, keys, inherited);
  const postgresSocket = services.includes("postgres")
    ? socketFolderOf(join(dataDir, "postgres"), addresses.postgres.port)
    : undefined;
  const facts: StackFacts = { dataDir, urls, keys, postgresSocket };
  const logDir = options.logDir === undefined ? join(dataDir, "logs") : resolve(options.logDir);
  const startedAt = new Date().toISOString();
  const supervisor: Supervisor = new Supervisor(
    services.map((name) => specFor(name, services, addresses, facts, inherited)),
    {
      logDir,
      onChange: (change) => {
        lock.write(stateOf(supervisor, urls, startedAt));
        options.onChange?.(change);
      },
      ...(options.onLine === undefined ? {} : { onLine: options.onLine }),
    },
  );
  return stackOf(supervisor, lock, { dataDir, logDir, services, urls, keys });
}

type StackValues = Pick<Stack, "dataDir" | "logDir" | "services" | "urls" | "keys">;

function stackOf(supervisor: Supervisor, lock: RunLock, values: StackValues): Stack {
  const entries = () => supervisor.all().map((one) => [one.spec.name, one.pid] as const);
  const healthy = supervisor.start().catch((error: unknown) => {
    lock.release();
    throw error;
  });
  return {
    ...values,
    healthy,
    pids: () => Object.fromEntries(entries()),
    restarts: (service) => supervisor.process(service).restarts,
    kill: (service, signal = "SIGKILL") => supervisor.process(service).kill(signal),
    logs: (service, lines = 100) => supervisor.process(service).log.tail(lines).join("\n"),
    waitHealthy: (service, timeoutMs = HEALTHY_TIMEOUT_MS) =>
      within(
        timeoutMs,
        supervisor.process(service).waitHealthy(),
        () =>
          `${service} was not healthy within ${timeoutMs} ms; its last lines:\n${supervisor.process(service).log.tail(20).join("\n")}`,
      ),
    answers: (service) => untilReady(service, supervisor.process(service).spec.probe),
    stop: async () => {
      await supervisor.stop();
      lock.release();
    },
    killAll: () => supervisor.killAll(),
  };
}

function chosenServices({ services, databaseUrl }: StackOptions): readonly ServiceName[] {
  return SERVICE_NAMES.filter(
    (name) =>
      (services === undefined || services.includes(name)) &&
      (name !== "postgres" || databaseUrl === undefined),
  );
}

async function awaitLeftOvers(
  leftOver: NonNullable<RunLock["leftOver"]>,
  { onLeftOvers }: StackOptions,
): Promise<void> {
  const stuck = await waitForLeftOvers(leftOver, (names) => onLeftOvers?.(names));
  if (stuck.length === 0) return;
  const who = stuck.map((name) => `${name} (process ${leftOver.services[name]?.pid})`).join(", ");
  throw new Error(
    `${who} of the run before is still alive and does not end; stop it, then try again`,
  );
}

async function resolveAddresses(ports: StackOptions["ports"]): Promise<Addresses> {
  if (ports === "free") return freeAddresses();
  return ports ?? defaultAddresses();
}

/** What this stack starts is reached where it listens; what it does not start, where the environment says. */
function resolveUrls(
  addresses: Addresses,
  services: readonly ServiceName[],
  databaseUrl: string | undefined,
  keys: StackKeys,
  env: Readonly<Record<string, string | undefined>>,
): ServiceUrls {
  const embedded = `postgres://postgres:${encodeURIComponent(keys.postgresPassword)}@${listenText(addresses.postgres)}/concert`;
  const urls = urlsOf(addresses, databaseUrl ?? embedded);
  const vendorElsewhere = services.includes("vendor") ? undefined : env["HOTEL_VENDOR_URL"];
  return { ...urls, vendor: vendorElsewhere ?? urls.vendor };
}

function specFor(
  name: ServiceName,
  services: readonly ServiceName[],
  addresses: Addresses,
  facts: StackFacts,
  inherited: Readonly<Record<string, string | undefined>>,
): ProcessSpec {
  const row = rowOf(name);
  const entry = join(REPOSITORY, row.entry);
  if (!existsSync(entry)) throw new Error(`${name} is not here: ${row.entry} is missing`);
  const listen = `--listen=${listenText(addresses[name])}`;
  return {
    name,
    command: [process.execPath, entry, listen, ...row.args(facts)],
    cwd: REPOSITORY,
    env: environmentFor(row, facts, inherited),
    dependsOn: row.dependsOn.filter((needed) => services.includes(needed)),
    probe:
      row.health === "postgres"
        ? postgresProbe(facts.urls.postgres)
        : httpProbe(`${facts.urls[name]}${row.health}`),
    startTimeoutMs: START_TIMEOUT_MS,
  };
}

function rowOf(name: ServiceName): ServiceRow {
  const row = SERVICES.find((one) => one.name === name);
  if (row === undefined) throw new Error(`the table has no service "${name}"`);
  return row;
}

function stateOf(supervisor: Supervisor, urls: ServiceUrls, startedAt: string) {
  const services = supervisor.all().map((one) => {
    const { name } = one.spec;
    const url = withoutPassword(urls[name as ServiceName]);
    return [name, { pid: one.pid ?? null, url, phase: one.phase, restarts: one.restarts }] as const;
  });
  return { supervisorPid: process.pid, startedAt, services: Object.fromEntries(services) };
}

async function untilReady(service: ServiceName, probe: ProcessSpec["probe"]): Promise<void> {
  const deadlineMs = Date.now() + HEALTHY_TIMEOUT_MS;
  for (;;) {
    const result = await probe();
    if (result.ready) return;
    if (Date.now() > deadlineMs) throw new Error(`${service} still misses ${result.missing}`);
    await Bun.sleep(READY_EVERY_MS);
  }
}

async function within<T>(timeoutMs: number, work: Promise<T>, message: () => string): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message())), timeoutMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
