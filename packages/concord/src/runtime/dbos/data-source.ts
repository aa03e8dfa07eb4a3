/**
 * Owns transactions inside workflows: Concord's rows and the step's checkpoint commit together, so a step whose
 * transaction committed is never run again (RUN-10). A lost connection is waited out; a serialization failure
 * is repeated. Refuses to own: what is written.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { DBOS } from "@dbos-inc/dbos-sdk";
import {
  assertStillOwnsWorkflow,
  type DataSourceTransactionHandler,
  DBOSStepAlreadyRecordedError,
  guardDataSourcePoolPG,
  initializeDataSourceSchemaPG,
  isPGRetriableTransactionError,
  migrateDataSourcePG,
  registerDataSource,
  replayRecordedStep,
  runTransaction,
  verifyDataSourcePG,
} from "@dbos-inc/dbos-sdk/datasource";
import pg, { type Pool, type PoolClient } from "pg";
import superjson from "superjson";
import { isConnectionLost } from "../../postgres/connection.ts";
import { APPLICATION_ROLE } from "../../postgres/migrate.ts";
import { inTransaction } from "../../postgres/transaction.ts";
import { patiently } from "../patience.ts";

const NAME = "concord";

/** Makes the runtime's tables as their owner and lets the application role work with them. */
export async function migrateAsOwner(ownerDatabaseUrl: string): Promise<void> {
  await DBOS.migrate(ownerDatabaseUrl, { applicationRole: APPLICATION_ROLE });
  const client = new pg.Client({ connectionString: ownerDatabaseUrl });
  await client.connect();
  try {
    await initializeDataSourceSchemaPG(runnerOf(client), undefined, APPLICATION_ROLE);
  } finally {
    await client.end();
  }
}

function runnerOf(client: pg.ClientBase) {
  return async (text: string, values?: unknown[]): Promise<Record<string, unknown>[]> =>
    (await client.query<Record<string, unknown>>(text, values)).rows;
}

interface Recorded {
  readonly output: string | null;
  readonly error: string | null;
}

export class PgDataSource implements DataSourceTransactionHandler {
  readonly name = NAME;
  readonly #pool: Pool;
  readonly #ownsTables: boolean;
  readonly #open = new AsyncLocalStorage<PoolClient>();

  constructor(pool: Pool, ownsTables: boolean) {
    this.#pool = pool;
    this.#ownsTables = ownsTables;
    registerDataSource(this);
  }

  /** The connection of the transaction that is open here. */
  get client(): PoolClient {
    const client = this.#open.getStore();
    if (client === undefined) throw new Error("no workflow transaction is open here");
    return client;
  }

  /** Runs `work` as a named, checkpointed transaction of the current workflow. */
  run<T>(name: string, work: () => Promise<T>): Promise<T> {
    return runTransaction(work, name, { dsName: NAME });
  }

  async initialize(): Promise<void> {
    guardDataSourcePoolPG(this.#pool, NAME);
    const prepare = this.#ownsTables ? migrateDataSourcePG : verifyDataSourcePG;
    await this.#plain((client) => prepare(runnerOf(client)));
  }

  /** The pool belongs to whoever made it. */
  async destroy(): Promise<void> {}

  async deleteCheckpoints(
    workflowId: string,
    startStep: number,
    beforeCommit?: () => Promise<void>,
  ): Promise<void> {
    // A run cut off by our own stop keeps its checkpoints; leftover ones are harmless.
    if (this.#pool.ending) return;
    await this.#plain(async (client) => {
      await client.query(
        "DELETE FROM dbos.transaction_completion WHERE workflow_id = $1 AND function_num >= $2",
        [workflowId, startStep],
      );
      await beforeCommit?.();
    });
  }

  async invokeTransactionFunction<This, Args extends unknown[], Return>(
    _config: unknown,
    target: This,
    work: (this: This, ...args: Args) => Promise<Return>,
    ...args: Args
  ): Promise<Return> {
    const { workflowID, stepID } = DBOS;
    if (workflowID === undefined || stepID === undefined) {
      return this.#plain(() => work.apply(target, args));
    }
    const isPassing = (error: unknown) =>
      isConnectionLost(error) || isPGRetriableTransactionError(error);
    return patiently(isPassing, () =>
      this.#once(workflowID, stepID, () => work.apply(target, args)),
    );
  }

  async #once<T>(workflowId: string, stepId: number, work: () => Promise<T>): Promise<T> {
    // Not asked for first: a step that committed and lost its checkpoint is rare, and found by the insert below.
    try {
      return await this.#plain(async (client) => {
        const value = await work();
        const { rowCount } = await client.query(
          `INSERT INTO dbos.transaction_completion (workflow_id, function_num, output)
           VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
          [workflowId, stepId, superjson.stringify(value)],
        );
        if (rowCount === 0) throw new DBOSStepAlreadyRecordedError(workflowId, stepId);
        await assertStillOwnsWorkflow(workflowId); // Fences out an executor that was taken for dead.
        return value;
      });
    } catch (error) {
      // Whatever `work` made of rows that had moved on already, the recorded answer counts.
      if (isConnectionLost(error) || isPGRetriableTransactionError(error)) throw error;
      const winner = await this.#recorded(workflowId, stepId);
      if (winner === undefined) throw error;
      return replayRecordedStep<T>(winner);
    }
  }

  async #recorded(workflowId: string, stepId: number): Promise<Recorded | undefined> {
    const { rows } = await this.#pool.query<Recorded>(
      "SELECT output, error FROM dbos.transaction_completion WHERE workflow_id = $1 AND function_num = $2",
      [workflowId, stepId],
    );
    return rows[0];
  }

  #plain<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return inTransaction(this.#pool, (client) => this.#open.run(client, () => work(client)));
  }
}
