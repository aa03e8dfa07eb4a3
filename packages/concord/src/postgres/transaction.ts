/**
 * Owns transactions: begin, run, commit; all or nothing. Writes whose outcome nobody waits for are kept back
 * (`OpenTransaction.later`) and sent together, as one statement, right before the commit, or before the first
 * statement that touches a table one of them writes: so everything reads its own writes, at fewer round trips.
 * What nobody waits for is not waited for (the begin, what was kept back, the commit behind it): on a connection
 * that pipelines it travels with the next statement. Once one fails Postgres refuses all that follow, the commit too.
 */
import type { ClientBase, Pool, PoolClient, QueryConfig } from "pg";
import { isConnectionLost } from "./connection.ts";

/** A statement as Kysely compiles it. */
export interface Compiled {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}
/** A write that may be sent later. */
export interface LaterWrite {
  /** Without its schema. */
  readonly table: string;
  /** A change of rows must not share a statement with an earlier write to its table: it would not see it. */
  readonly kind: "insert" | "update";
  /** The one row that an update changes: others of its table are none of its business. */
  readonly row?: string;
  /** Asked for when it is sent, so that it may grow until then. */
  readonly compile: () => Compiled;
}

/** One transaction, from its begin to its end; another one on the same connection is another object. */
export interface OpenTransaction {
  /** Sends `write` at the latest with the commit; never when it rolls back. */
  later(write: LaterWrite): Promise<void>;
  /** Sends what was kept back if `text` names a table of it. Call before every other statement. */
  before(text: string): Promise<void>;
  /** Sends what was kept back now, without waiting for it: for somebody who is about to wait for something else. */
  send(): void;
  /** Calls `hear` when it has committed, once however often it is given; never when it rolls back. */
  afterCommit(hear: () => void): void;
}

/** Texts that are remembered. They are few, but for lists of many lengths. */
const STATEMENTS_MAX = 500;

const open = new WeakMap<ClientBase, OpenTransaction>();

/** The transaction that was begun here over `client`; undefined when somebody else began it, or nobody. */
export function openTransaction(client: ClientBase): OpenTransaction | undefined {
  return open.get(client);
}

/** Sends a write with the commit of the transaction that is open then; at once when nobody began one here. */
export type Later = (write: LaterWrite) => Promise<void>;

export function laterOver(client: ClientBase): Later {
  return async (write) => {
    const transaction = openTransaction(client);
    if (transaction === undefined) await query(client, write.compile());
    else await transaction.later(write);
  };
}

/** Begins, runs, commits; rolls back and rethrows on any failure. */
export async function inTransaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  const kept = new KeptWrites(client);
  open.set(client, kept);
  try {
    kept.track(client.query("BEGIN"));
    const value = await work(client);
    kept.send();
    const committed = kept.track(client.query("COMMIT"));
    await kept.sent();
    // After a failure that nobody noticed a commit does not fail: it rolls back.
    const { command } = await committed;
    if (command !== "COMMIT") throw new Error(`the commit was answered with ${command}`);
    open.delete(client);
    client.release();
    kept.committed();
    return value;
  } catch (error) {
    open.delete(client);
    // A connection that cannot roll back is not given to anybody else, nor one that is behind the schema.
    const rolledBack = await client.query("ROLLBACK").then(
      () => true,
      () => false,
    );
    const cause = await kept.sent().then(
      () => error,
      (first: unknown) => first,
    );
    client.release(!rolledBack || isConnectionLost(cause));
    throw cause;
  }
}

class KeptWrites implements OpenTransaction {
  readonly #client: ClientBase;
  #writes: LaterWrite[] = [];
  readonly #sent: Promise<unknown>[] = [];
  readonly #hearers = new Set<() => void>();

  constructor(client: ClientBase) {
    this.#client = client;
  }

  async later(write: LaterWrite): Promise<void> {
    if (write.kind === "update" && this.#writes.some((one) => meet(one, write))) this.send();
    this.#writes.push(write);
  }

  async before(text: string): Promise<void> {
    if (this.#writes.some(({ table }) => text.includes(table))) this.send();
  }

  afterCommit(hear: () => void): void {
    this.#hearers.add(hear);
  }

  committed(): void {
    for (const hear of this.#hearers) hear();
  }

  send(): void {
    const writes = this.#writes;
    this.#writes = [];
    if (writes.length === 0) return;
    void this.track(query(this.#client, inOne(writes.map(({ compile }) => compile()))));
  }

  /** Whatever `sent` did is known at the end; if it failed, what follows it fails because of it. */
  track<S extends Promise<unknown>>(sent: S): S {
    sent.catch(() => undefined);
    this.#sent.push(sent);
    return sent;
  }

  /** Rejects with the first failure of what was sent and not waited for. */
  async sent(): Promise<void> {
    for (const one of this.#sent) await one;
  }
}

/** Whether `write` may change a row that `earlier` writes. */
function meet(earlier: LaterWrite, write: LaterWrite): boolean {
  if (earlier.table !== write.table) return false;
  return earlier.row === undefined || write.row === undefined || earlier.row === write.row;
}

/** All of them as one statement: each is done whole, none sees what another does. */
function inOne(writes: readonly Compiled[]): Compiled {
  const [first] = writes;
  if (writes.length === 1 && first !== undefined) return first;
  const key = writes.map(({ sql }) => sql).join(";");
  const sql = joined.get(key) ?? join(writes);
  if (joined.size < STATEMENTS_MAX) joined.set(key, sql);
  return { sql, parameters: writes.flatMap(({ parameters }) => parameters) };
}

const joined = new Map<string, string>();

function join(writes: readonly Compiled[]): string {
  let before = 0;
  const parts = writes.map(({ sql, parameters }, index) => {
    const first = before;
    before += parameters.length;
    const moved = sql.replaceAll(/\$(\d+)/g, (_, number) => `$${Number(number) + first}`);
    return `write_${index} AS (${moved})`;
  });
  return `WITH ${parts.join(", ")} SELECT 1`;
}

const names = new Map<string, string>();

/** The name of a statement on every connection; undefined for whatever comes after the first texts. */
export function statementName(text: string): string | undefined {
  const name = names.get(text);
  if (name !== undefined || names.size >= STATEMENTS_MAX) return name;
  const fresh = `concord_${names.size + 1}`;
  names.set(text, fresh);
  return fresh;
}

/** A statement with its name. */
export function named({ sql: text, parameters }: Compiled): QueryConfig {
  const name = statementName(text);
  return { text, values: [...parameters], ...(name === undefined ? {} : { name }) };
}

/** Runs a statement under a name, so that a connection parses and plans it once. */
export function query(client: ClientBase, compiled: Compiled) {
  return client.query(named(compiled));
}

/** Runs one after the other, the second without waiting for the first; what the second gave. */
export async function inOrder(client: ClientBase, first: Compiled, second: Compiled) {
  const transaction = openTransaction(client);
  await transaction?.before(`${first.sql} ${second.sql}`);
  const [before, after] = [query(client, first), query(client, second)];
  after.catch(() => undefined);
  await before;
  return after;
}
