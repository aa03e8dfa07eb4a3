/** Owns the adapters under the runtime contract: the in-memory one without any database, and those over Postgres. */
import pg from "pg";
import { inTransaction } from "../../src/postgres/transaction.ts";
import {
  createMemoryRuntime,
  type Ground,
  type MemoryOptions,
  type MemoryRuntime,
} from "../../src/runtime/memory/index.ts";
import type { DurableRuntime } from "../../src/runtime/protocol/index.ts";
import { defineContractWorkflows, type RuntimeSubject } from "../../src/testing/index.ts";

interface LedgerTransaction {
  readonly lines: string[];
  readonly messages: string[];
}

/** Lines and messages in memory, committed together. */
function ledger() {
  const committed: string[] = [];
  let deliver: (message: string) => void = () => undefined;
  const ground: Ground<LedgerTransaction> = {
    transaction: async (work) => {
      const open: LedgerTransaction = { lines: [], messages: [] };
      const value = await work(open);
      committed.push(...open.lines);
      for (const message of open.messages) deliver(message);
      return value;
    },
    send: async (open, message) => void open.messages.push(message),
    receive: async (wanted) => {
      deliver = wanted;
      return async () => undefined;
    },
    stranded: async () => [],
  };
  return { ground, committed };
}

export async function memorySubject(
  options: Omit<MemoryOptions<LedgerTransaction>, "ground"> = {},
): Promise<
  RuntimeSubject<LedgerTransaction> & {
    readonly runtime: MemoryRuntime<LedgerTransaction>;
    stop(): Promise<void>;
  }
> {
  const { ground, committed } = ledger();
  const runtime = createMemoryRuntime({ ground, ...options });
  const write = async (open: LedgerTransaction, line: string) => void open.lines.push(line);
  defineContractWorkflows(runtime, write);
  await runtime.start();
  return {
    runtime,
    transaction: ground.transaction,
    write,
    lines: async () => [...committed],
    restart: async () => {
      runtime.crash();
      runtime.recover();
    },
    stop: () => runtime.stop(),
  };
}

export async function postgresSubject(
  databaseUrl: string,
  make: (pool: pg.Pool) => DurableRuntime<pg.ClientBase>,
): Promise<RuntimeSubject<pg.ClientBase> & { stop(): Promise<void> }> {
  const own = new pg.Pool({ connectionString: databaseUrl, max: 4 });
  await own.query(
    "CREATE TABLE IF NOT EXISTS public.lines (n BIGSERIAL PRIMARY KEY, line TEXT NOT NULL)",
  );
  const write = async (connection: pg.ClientBase, line: string) => {
    await connection.query("INSERT INTO public.lines (line) VALUES ($1)", [line]);
  };
  const begin = async () => {
    const pool = new pg.Pool({ connectionString: databaseUrl, max: 10 });
    pool.on("error", () => undefined);
    const runtime = make(pool);
    defineContractWorkflows(runtime, write);
    await runtime.start();
    return { pool, runtime };
  };
  const end = async ({ pool, runtime }: Awaited<ReturnType<typeof begin>>) => {
    await runtime.stop();
    await pool.end();
  };
  let current = await begin();
  return {
    get runtime() {
      return current.runtime;
    },
    transaction: (work) => inTransaction(own, work),
    write,
    lines: async () =>
      (await own.query<{ line: string }>("SELECT line FROM public.lines ORDER BY n")).rows.map(
        (row) => row.line,
      ),
    restart: async () => {
      await end(current);
      current = await begin();
    },
    stop: async () => {
      await end(current);
      await own.end();
    },
  };
}
