/**
 * Owns transactions: begin, run, commit; all or nothing. What may be written last, all at once, waits for the commit
 * (`OpenTransaction`): one statement instead of one for each row.
 */
import type { ClientBase, Pool, PoolClient } from "pg";

/** One transaction, from its begin to its end; another one on the same connection is another object. */
export interface OpenTransaction {
  /** Runs `work` right before the commit, in the order asked for; never when it rolls back. */
  beforeCommit(work: () => Promise<void>): void;
}

const open = new WeakMap<ClientBase, OpenTransaction>();

/** The transaction that was begun here over `client`; undefined when somebody else began it, or nobody. */
export function openTransaction(client: ClientBase): OpenTransaction | undefined {
  return open.get(client);
}

/** Begins, runs, commits; rolls back and rethrows on any failure. */
export async function inTransaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  const last: (() => Promise<void>)[] = [];
  open.set(client, {
    beforeCommit: (write) => {
      last.push(write);
    },
  });
  try {
    await client.query("BEGIN");
    const value = await work(client);
    for (const write of last) await write();
    await client.query("COMMIT");
    open.delete(client);
    client.release();
    return value;
  } catch (error) {
    open.delete(client);
    // A connection that cannot roll back is not given to anybody else.
    const broken = await client.query("ROLLBACK").then(
      () => false,
      () => true,
    );
    client.release(broken);
    throw error;
  }
}
