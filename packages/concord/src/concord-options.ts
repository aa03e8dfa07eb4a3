/** Owns what a Concord is told when it is made (concord.ts): where it keeps things, what it runs, and what may be replaced. */
import type pg from "pg";
import type { Logger } from "pino";
import type { SenderOptions } from "./adapters/webhooks/sender.ts";
import type { RetryDeclaration } from "./core/retry.ts";
import type { AgentRuntime } from "./domain/agents.ts";
import type { AlertLimits } from "./domain/alerts.ts";
import type { SecretResolver } from "./domain/connectors.ts";
import type { TokenCosts } from "./domain/costs.ts";
import type { EventRetention } from "./domain/event-retention.ts";
import type { Contracts } from "./registry/define-contracts.ts";
import type { DurableRuntime } from "./runtime/protocol/index.ts";
import type { SpanMaker } from "./runtime/spans.ts";

export interface ConcordOptions {
  readonly databaseUrl: string;
  /**
   * Who owns the tables and migrates them. Then `databaseUrl` may log in as a member of the role `concord_app`,
   * which can add to the record but not change it. Absent: `databaseUrl` does both.
   */
  readonly ownerDatabaseUrl?: string;
  readonly contracts: Contracts | readonly Contracts[];
  /** Hosts of agents; `podium` is asked for every turn. */
  readonly agentRuntimes?: Readonly<Record<"podium", AgentRuntime>>;
  /** Stable per slot, default `concord-1`: a restart with the same id continues what was running. */
  readonly executorId?: string;
  /** How long runs that ended are remembered by the runtime; the record stays. Default 30. */
  readonly runRetentionDays?: number;
  /** Which events are forgotten after how long (docs/redaction.md). Default: none. */
  readonly eventRetention?: readonly EventRetention[];
  /**
   * Which order of durable steps the workflows have; an upgrade that changes it runs beside the old version until the
   * old one's runs have ended, and takes over what is left. Default: the one of this code.
   */
  readonly workflowVersion?: string;
  /**
   * Put before the names of the runtime's queues, e.g. `staging`: then this process serves those alone. Contracts name
   * queues without it. What waits in queues of another prefix waits for a process of that prefix.
   */
  readonly queuePrefix?: string;
  readonly secrets?: SecretResolver;
  readonly webhooks?: WebhookOptions;
  /** When somebody has to look; what is not named is as in `ALERT_LIMITS`. */
  readonly alertLimits?: Partial<AlertLimits>;
  readonly alertsEveryMs?: number;
  /** What a thousand tokens of an agent's thoughts cost (OPS-6). Default nothing. */
  readonly tokenCosts?: TokenCosts;
  /** Makes spans of submissions, thoughts and calls. Default none. */
  readonly spans?: SpanMaker;
  readonly log?: Logger;
  /** What keeps work going across crashes. Default: DBOS over the same database. */
  readonly runtime?: RuntimeFactory;
  /** For tests that move time. Default: the system clock. */
  readonly nowMs?: () => number;
}

/** How events leave (see docs/webhooks.md). */
export interface WebhookOptions extends SenderOptions {
  /** Default: eight attempts within nine hours. Each wait is made up to a fifth longer by chance. */
  readonly retry?: RetryDeclaration;
  /** After so many deliveries in a row that were given up, the endpoint is disabled. Default 5. */
  readonly failuresMax?: number;
}

/** What a runtime is made from; it may not begin anything before its `start`. */
export interface RuntimeParts {
  readonly databaseUrl: string;
  readonly ownerDatabaseUrl: string | undefined;
  readonly pool: pg.Pool;
  readonly executorId: string;
  readonly version: string | undefined;
  readonly queuePrefix: string | undefined;
  readonly log: Logger;
}
export type RuntimeFactory = (parts: RuntimeParts) => DurableRuntime<pg.ClientBase>;
