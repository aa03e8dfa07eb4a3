/** Owns a started Concord for one test file: its own database, its own vendor, and short ways to ask and look. */
import pg from "pg";
import { type Logger, pino } from "pino";
import {
  type AgentRuntime,
  type Command,
  type Concord,
  type ConcordOptions,
  type Contracts,
  createConcord,
  encodeId,
  type Principal,
} from "../../src/index.ts";
import { startTestPostgres } from "../../src/testing/index.ts";
import contracts from "./contracts.ts";
import { startVendor } from "./vendor.ts";

export const ANNA: Principal = { tenant: "t1", user: "anna", roles: [], permissions: ["buy"] };
export const FRED: Principal = { tenant: "t1", user: "fred", roles: ["finance"], permissions: [] };
export const EVE: Principal = {
  tenant: "t2",
  user: "eve",
  roles: ["finance", "owner"],
  permissions: ["buy"],
};
export const TRACE = "0af7651916cd43dd8448eb211c80319c";

export interface HarnessOptions {
  readonly agent?: AgentRuntime;
  /** Where the log goes, for tests that read it. */
  readonly log?: Logger;
  /** Contracts beside the common ones. */
  readonly more?: () => Contracts;
  /** Between Concord and its database; the harness itself looks directly. */
  readonly through?: (databaseUrl: string) => Promise<string>;
  readonly webhooks?: ConcordOptions["webhooks"];
  readonly alerts?: Pick<ConcordOptions, "alertLimits" | "alertsEveryMs">;
  readonly eventRetention?: ConcordOptions["eventRetention"];
  readonly tokenCosts?: ConcordOptions["tokenCosts"];
  readonly spans?: ConcordOptions["spans"];
  /** Default: DBOS. */
  readonly runtime?: ConcordOptions["runtime"];
}

export type Harness = Awaited<ReturnType<typeof startHarness>>;

export async function startHarness(options: HarnessOptions = {}) {
  const [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  process.env["TEST_VENDOR_URL"] = vendor.url;
  process.env["TEST_VENDOR_KEY"] = "vendor-dev";
  const clock = { aheadMs: 0 };
  const { through = async (url: string) => url } = options;
  const databaseUrl = await through(postgres.databaseUrl);
  const make = () =>
    createConcord({
      databaseUrl,
      contracts: [contracts, ...(options.more === undefined ? [] : [options.more()])],
      // What the tests break on purpose is warned about; only our own failures are worth a line.
      log: options.log ?? pino({ level: "error" }),
      nowMs: () => Date.now() + clock.aheadMs,
      ...options.alerts,
      ...(options.eventRetention === undefined ? {} : { eventRetention: options.eventRetention }),
      ...(options.tokenCosts === undefined ? {} : { tokenCosts: options.tokenCosts }),
      ...(options.spans === undefined ? {} : { spans: options.spans }),
      ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
      ...(options.webhooks === undefined ? {} : { webhooks: options.webhooks }),
      ...(options.agent === undefined ? {} : { agentRuntimes: { podium: options.agent } }),
    });
  const state: { concord: Concord } = { concord: make() };
  await state.concord.start();
  const pool = new pg.Pool({ connectionString: postgres.databaseUrl, max: 4 });
  pool.on("error", () => undefined);
  const rows = async <T extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
    (await pool.query<T>(text, values)).rows;
  let order = 0;
  return {
    databaseUrl: postgres.databaseUrl,
    vendor,
    clock,
    pool,
    rows,
    get concord() {
      return state.concord;
    },
    submit: (
      payload: Record<string, unknown> = {},
      more: { task?: string; key?: string; as?: Principal } = {},
    ) => {
      order += 1;
      return state.concord.commands.submit({
        taskName: more.task ?? "buy",
        payload: { order_id: `order-${order}`, item: "chair", amount: 100, ...payload },
        principal: more.as ?? ANNA,
        ingress: "user_request",
        traceId: TRACE,
        ...(more.key === undefined ? {} : { idempotencyKey: more.key }),
      });
    },
    settled: (command: Command) =>
      state.concord.commands.settled(
        { ...ANNA, tenant: command.tenantId },
        encodeId("command", command.commandId),
        30_000,
      ),
    approvalOf: async (command: Command) => {
      const { items } = await state.concord.approvals.list(FRED, {
        limit: 10,
        commandId: command.commandId,
      });
      const [first] = items;
      if (first === undefined) throw new Error("no approval was asked for");
      return first;
    },
    eventTypes: async (command: Command) =>
      (
        await rows<{ event_type: string }>(
          "SELECT event_type FROM concord.domain_events WHERE command_id = $1 ORDER BY transaction_id, seq",
          [command.commandId],
        )
      ).map((row) => row.event_type),
    effects: (command: Command) =>
      rows<{ status: string; attempts: number }>(
        "SELECT status, attempts FROM concord.domain_effects WHERE command_id = $1 ORDER BY ordinal",
        [command.commandId],
      ),
    restart: async (meanwhile: () => Promise<void> = async () => {}) => {
      await state.concord.stop();
      await meanwhile();
      state.concord = make();
      await state.concord.start();
    },
    stop: async () => {
      await state.concord.stop();
      await pool.end();
      await vendor.stop();
      await postgres.stop();
    },
  };
}

/** The refusal code that `work` throws, or undefined when it succeeds. */
export async function refusalOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (typeof error === "object" && error !== null && "code" in error) return String(error.code);
    throw error;
  }
}
