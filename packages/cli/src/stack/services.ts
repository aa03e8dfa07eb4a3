/**
 * Owns the table of processes that make a Concert stack: what each is, where it listens, what it needs,
 * and which settings and keys it is given. Nothing else in this package knows a service by name.
 * Keys travel in the environment only, because arguments show in the process list.
 */
import { join } from "node:path";
import type { StackKeys } from "./secrets.ts";

export const SERVICE_NAMES = [
  "postgres",
  "concordance",
  "ensemble",
  "vendor",
  "concord",
  "podium",
  "diminuendo",
  "console",
] as const;

/** In a valid order of start; they stop in the reverse of it. */
export type ServiceName = (typeof SERVICE_NAMES)[number];
export type ServiceUrls = Readonly<Record<ServiceName, string>>;

/** What the table needs to know of one particular stack. */
export interface StackFacts {
  readonly dataDir: string;
  readonly urls: ServiceUrls;
  readonly keys: StackKeys;
  /** Where the embedded Postgres has its local socket; undefined with another database, or without a socket. */
  readonly postgresSocket?: string | undefined;
}

export interface ServiceRow {
  readonly name: ServiceName;
  readonly summary: string;
  /** Path of the entry point below the repository. */
  readonly entry: string;
  readonly defaultPort: number;
  /** The service's own variable for its address, which `concert up` honours. */
  readonly listenEnv: string;
  readonly dependsOn: readonly ServiceName[];
  /** Asked until it answers 200; `postgres` means a real query instead. */
  readonly health: "postgres" | `/${string}`;
  /** Arguments beside `--listen`. */
  readonly args: (facts: StackFacts) => readonly string[];
  readonly env: (facts: StackFacts) => Readonly<Record<string, string>>;
  /** Variables that the caller may set otherwise. */
  readonly defaults?: Readonly<Record<string, string>>;
}

export const SERVICES: readonly ServiceRow[] = [
  {
    name: "postgres",
    summary: "Postgres 18, the memory of Concord",
    entry: "packages/postgres-host/src/main.ts",
    defaultPort: 5433,
    listenEnv: "CONCERT_POSTGRES_LISTEN",
    dependsOn: [],
    health: "postgres",
    args: ({ dataDir }) => [`--data-dir=${join(dataDir, "postgres")}`],
    env: ({ keys }) => ({ CONCERT_POSTGRES_PASSWORD: keys.postgresPassword }),
  },
  {
    name: "concordance",
    summary: "the configuration",
    entry: "packages/concordance/service/main.ts",
    defaultPort: 4100,
    listenEnv: "CONCORDANCE_LISTEN",
    dependsOn: [],
    health: "/api/v1/ready",
    // Founds a cluster in a new directory; an existing one is kept.
    args: ({ dataDir }) => [`--data-dir=${join(dataDir, "concordance")}`, "--bootstrap"],
    env: ({ keys }) => ({
      CONCORDANCE_API_KEY: keys.concordanceApiKey,
      CONCORDANCE_AGENT_API_KEY: keys.concordanceAgentApiKey,
      CONCORDANCE_ENCRYPTION_KEY: keys.concordanceEncryptionKey,
    }),
  },
  {
    name: "ensemble",
    summary: "the models",
    entry: "packages/ensemble/src/main.ts",
    defaultPort: 5180,
    listenEnv: "ENSEMBLE_LISTEN",
    dependsOn: [],
    health: "/ready",
    args: () => [],
    env: ({ keys }) => ({
      ENSEMBLE_API_KEY: keys.ensembleApiKey,
      CONCERT_INTERNAL_SECRET: keys.internalSecret,
    }),
  },
  {
    name: "vendor",
    summary: "the hotel vendor of the example",
    entry: "examples/hotel-booking/vendor/main.ts",
    defaultPort: 5300,
    listenEnv: "HOTEL_VENDOR_LISTEN",
    dependsOn: [],
    health: "/health",
    args: ({ dataDir }) => [`--data-dir=${join(dataDir, "vendors", "hotel")}`],
    env: ({ keys }) => ({ HOTEL_VENDOR_API_KEY: keys.hotelVendorApiKey }),
  },
  {
    name: "concord",
    summary: "commands, policy, approvals, effects",
    entry: "packages/concord/src/server/main.ts",
    defaultPort: 4200,
    listenEnv: "CONCORD_LISTEN",
    dependsOn: ["postgres", "concordance"],
    health: "/ready",
    args: () => [],
    // Modules, YAML files or folders of them, from the root of the repository; see docs/declarations.md.
    defaults: {
      CONCORD_CONTRACTS:
        "examples/hotel-booking/contracts/index.ts,examples/hotel-booking/contracts/tell.yaml",
    },
    env: ({ urls, keys, postgresSocket }) => ({
      DATABASE_URL: urls.postgres,
      ...(postgresSocket === undefined ? {} : { CONCORD_DATABASE_SOCKET: postgresSocket }),
      CONCORD_SERVICE_KEY: keys.concordServiceKey,
      CONCORD_API_KEYS: keys.concordApiKeys,
      CONCERT_INTERNAL_SECRET: keys.internalSecret,
      CONCORDANCE_URL: urls.concordance,
      CONCORDANCE_AGENT_API_KEY: keys.concordanceAgentApiKey,
      PODIUM_URL: urls.podium,
      PODIUM_API_KEY: keys.podiumApiKey,
      HOTEL_VENDOR_URL: urls.vendor,
      HOTEL_VENDOR_API_KEY: keys.hotelVendorApiKey,
    }),
  },
  {
    name: "podium",
    summary: "the agents",
    entry: "packages/podium/src/main.ts",
    defaultPort: 5083,
    listenEnv: "PODIUM_LISTEN",
    dependsOn: ["ensemble", "concord"],
    health: "/ready",
    args: ({ dataDir }) => [`--data-dir=${join(dataDir, "podium")}`],
    env: ({ urls, keys }) => ({
      PODIUM_API_KEY: keys.podiumApiKey,
      CONCERT_INTERNAL_SECRET: keys.internalSecret,
      CONCORD_URL: urls.concord,
      CONCORD_SERVICE_KEY: keys.concordServiceKey,
      ENSEMBLE_URL: urls.ensemble,
      ENSEMBLE_API_KEY: keys.ensembleApiKey,
      CONCORDANCE_URL: urls.concordance,
      CONCORDANCE_AGENT_API_KEY: keys.concordanceAgentApiKey,
    }),
  },
  {
    name: "diminuendo",
    summary: "the gateway",
    entry: "packages/diminuendo/src/main.ts",
    defaultPort: 8080,
    listenEnv: "DIMINUENDO_LISTEN",
    dependsOn: ["podium"],
    health: "/ready",
    args: ({ dataDir }) => [`--data-dir=${join(dataDir, "diminuendo")}`, "--dev-mode"],
    env: ({ urls, keys }) => ({
      CONCERT_INTERNAL_SECRET: keys.internalSecret,
      CONCORD_URL: urls.concord,
      CONCORD_SERVICE_KEY: keys.concordServiceKey,
      PODIUM_URL: urls.podium,
      PODIUM_API_KEY: keys.podiumApiKey,
      CONCORDANCE_URL: urls.concordance,
      CONCORDANCE_API_KEY: keys.concordanceApiKey,
      ENSEMBLE_URL: urls.ensemble,
    }),
  },
  {
    name: "console",
    summary: "the web console",
    entry: "packages/console/server/main.ts",
    defaultPort: 5173,
    listenEnv: "CONSOLE_LISTEN",
    dependsOn: [],
    health: "/health",
    args: ({ urls }) => [`--gateway-url=${urls.diminuendo}`],
    env: () => ({}),
  },
];
