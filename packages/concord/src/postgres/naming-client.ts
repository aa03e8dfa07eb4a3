/**
 * Owns connections whose statements are named for those who do not name them, the durable runtime above all: then a
 * connection parses and plans each once. Only what finds its rows by a run's id, or inserts, is named: there the plan for
 * one is the plan for all. A search by status is not: planned once for all, it could not use an index over some rows.
 * Where the connection pipelines, a begin is not waited for, and statements that are sent at once travel together.
 */
import type { Writable } from "node:stream";
import pg from "pg";
import { statementName } from "./transaction.ts";

/** Of lists of ids only the short ones: each length is a text of its own. */
const BY_ID =
  /\bworkflow_uuid\s*(?:=\s*(?:ANY\s*\()?\$\d|IN\s*\(\$\d(?:,\s*\$\d){0,7}\))|^\s*INSERT\b/i;
/** A plan for all columns is refused as soon as there is one more. */
const ALL_COLUMNS = /\bselect\s+\*|\breturning\s+\*/i;

const known = new Map<string, string | undefined>();
const TEXTS_MAX = 500;

function nameOf(text: string): string | undefined {
  if (known.has(text)) return known.get(text);
  if (known.size >= TEXTS_MAX) return undefined;
  const name = BY_ID.test(text) && !ALL_COLUMNS.test(text) ? statementName(text) : undefined;
  known.set(text, name);
  return name;
}

/** Looked up at each call, like any inherited method. */
const plain: { query(config: unknown, ...rest: unknown[]): unknown } = pg.Client.prototype;

const BEGIN = /^BEGIN\b/i;
/** What nobody reads. */
const BEGUN = { command: "BEGIN", rowCount: null, oid: 0, rows: [], fields: [] };

/** Of a client, what is not told of it: the socket. */
interface Inside {
  readonly connection?: { readonly stream?: Partial<Pick<Writable, "cork" | "uncork">> };
}
const gathering = new WeakSet<object>();

/** What is sent before anything else gets a turn goes out as one: half of a statement's time here is the socket's. */
function gather(client: pg.Client): void {
  const stream = (client as unknown as Inside).connection?.stream;
  if (stream?.cork === undefined || gathering.has(stream)) return;
  gathering.add(stream);
  stream.cork();
  process.nextTick(() => {
    gathering.delete(stream);
    stream.uncork?.();
  });
}

function naming(this: pg.Client, config: unknown, ...rest: unknown[]): unknown {
  if (this.pipeline) gather(this);
  if (this.pipeline && rest.length === 0 && typeof config === "string" && BEGIN.test(config)) {
    // It travels with the statement behind it, which fails if it does.
    const begun = plain.query.call(this, config, ...rest) as Promise<unknown>;
    begun.catch(() => undefined);
    return Promise.resolve(BEGUN);
  }
  const [values, ...others] = rest;
  const name = typeof config === "string" && Array.isArray(values) ? nameOf(config) : undefined;
  return name === undefined
    ? plain.query.call(this, config, ...rest)
    : plain.query.call(this, { name, text: config, values }, ...others);
}

type Connected = (error: Error) => void;

/** A local socket is not there while its server is away: whoever waits out a refused connection waits out this. */
function asRefused(error: unknown): unknown {
  const isAway =
    error instanceof Error &&
    "syscall" in error &&
    error.syscall === "connect" &&
    "code" in error &&
    error.code === "ENOENT";
  return isAway ? Object.assign(error, { code: "ECONNREFUSED" }) : error;
}

class NamingClient extends pg.Client {
  override connect(): Promise<pg.Client>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<pg.Client> | undefined {
    if (callback === undefined) {
      return super.connect().catch((error: unknown) => {
        throw asRefused(error);
      });
    }
    super.connect((error: Error) => callback(asRefused(error) as Error));
    return undefined;
  }

  static {
    // Its overloads are those of the method it stands before.
    Object.defineProperty(NamingClient.prototype, "query", { value: naming });
  }
}

/** Idle connections are kept that long: one that has planned its statements is worth more than its memory. */
const IDLE_MS = 300_000;

/** A pool of such connections. */
export function namingPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({ idleTimeoutMillis: IDLE_MS, ...config, Client: NamingClient });
  // Cut off while somebody holds it and waits for nothing: the next statement tells, nobody has to hear of it before.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}
