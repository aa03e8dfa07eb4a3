/**
 * Owns talking to Concordance from another process: reads, writes, and a watch that survives restarts of
 * either side without a gap or a repeat. Every write carries an id of its own, so that asking again, of
 * whichever member leads by then, does it once (pitfall 34). A write whose answer stays lost is reported
 * as `outcome_unknown`. How one request gets answered is exchange.ts.
 */
import { ConcordanceError } from "./error.ts";
import { type Exchange, Exchanges, type Trust } from "./exchange.ts";
import type {
  BatchResult,
  ChangesResult,
  DeleteResult,
  ListResult,
  SetResult,
} from "./protocol.ts";
import type { Json, KvEntry, Operation, SetOperation } from "./types.ts";
import { Watch, type WatchOptions } from "./watch-client.ts";

export interface ClientOptions {
  /** E.g. `http://127.0.0.1:4100`, or one address for each member of a cluster. */
  readonly url: string | readonly string[];
  /** The API key to read and write, or the agent key to read. */
  readonly apiKey: string;
  /** For one HTTP exchange; 5 s unless told. */
  readonly timeoutMs?: number;
  /**
   * How long to go on asking while nobody answers or leads; the last try may take `timeoutMs` more. 0 with
   * one address, else 10 s, unless told.
   */
  readonly retryForMs?: number;
  /**
   * How often a watch asks whether the other side lives; one that gives no sign of life for twice as long is
   * left for the next. 5 s unless told.
   */
  readonly heartbeatMs?: number;
  /** PEM of an authority to trust for `https:` addresses, instead of the system's. */
  readonly ca?: string;
  /** The W3C `traceparent` to send, asked for each call; none unless told. */
  readonly traceparent?: () => string | undefined;
}
/** How a write is sent. */
interface Sending {
  /** Names this very write over restarts of the caller; one of its own unless told. */
  readonly requestId?: string | undefined;
  /** Gives up the call: `aborted`. */
  readonly signal?: AbortSignal | undefined;
}
export interface WriteOptions extends Sending {
  /** Who did it, for the record; `api` unless told. */
  readonly actor?: string;
  /** The version the key must have now; 0 = it must not exist. */
  readonly cas?: number;
}
export interface ReadOptions {
  /** `linearizable`: see all that was acknowledged before the call. `local`: whatever the member has. */
  readonly consistency?: "local" | "linearizable";
  /** See at least this revision, on whichever member. */
  readonly minRevision?: number;
  /** Gives up the call: `aborted`. */
  readonly signal?: AbortSignal;
}
export type SetOptions = WriteOptions & Pick<SetOperation, "expiresAt" | "ttlMs">;

type Query = Readonly<Record<string, string | undefined>>;

const TIMEOUT_MS = 5_000;
const RETRY_FOR_MS = 10_000;
const HEARTBEAT_MS = 5_000;

export class ConcordanceClient {
  readonly #urls: readonly string[];
  readonly #apiKey: string;
  readonly #heartbeatMs: number;
  readonly #trust: Trust;
  readonly #exchanges: Exchanges;

  constructor(options: ClientOptions) {
    const { url, apiKey, timeoutMs = TIMEOUT_MS, traceparent = () => undefined } = options;
    const urls = typeof url === "string" ? [url] : url;
    if (urls.length === 0) throw new RangeError("a client needs the address of a member");
    this.#urls = urls.map((one) => one.replace(/\/+$/, ""));
    this.#apiKey = apiKey;
    this.#heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
    const retryForMs = options.retryForMs ?? (urls.length > 1 ? RETRY_FOR_MS : 0);
    this.#trust = options.ca === undefined ? {} : { tls: { ca: options.ca } };
    const patience = { timeoutMs, retryForMs };
    const target = { urls: this.#urls, apiKey, trust: this.#trust };
    this.#exchanges = new Exchanges({ ...target, ...patience, traceparent });
  }

  /** The entry, or null when the key does not exist. */
  async get(namespace: string, key: string, options: ReadOptions = {}): Promise<KvEntry | null> {
    const path = pathOf(namespace, key);
    return nullWhenMissing(this.#exchanges.call<KvEntry>(readOf(path, {}, options)));
  }

  /**
   * Every entry of the namespace, over as many pages as it takes. Watch from `revision` to see what came
   * after: it is the first page's, so a change between two pages is told again, never missed.
   */
  async list(
    namespace: string,
    options: ReadOptions & { readonly prefix?: string } = {},
  ): Promise<ListResult> {
    const { prefix, minRevision = 0 } = options;
    const path = pathOf(namespace);
    const first = await this.#exchanges.call<ListResult>(readOf(path, { prefix }, options));
    const { revision } = first;
    // Later pages may come from another member, which must not be behind the first.
    const later = { ...options, minRevision: Math.max(minRevision, revision) };
    const items = [...first.items];
    let { nextCursor: cursor } = first;
    while (cursor !== undefined) {
      const next = await this.#exchanges.call<ListResult>(readOf(path, { prefix, cursor }, later));
      items.push(...next.items);
      cursor = next.nextCursor;
    }
    return { items, revision };
  }

  /** The entry as written. A lost race on `cas` is `cas_conflict`, with `details.actual`. */
  set(namespace: string, key: string, value: Json, options: SetOptions = {}): Promise<SetResult> {
    const { requestId, signal, ...rest } = options;
    const path = pathOf(namespace, key);
    return this.#write({ method: "PUT", path, body: { value, ...rest } }, { requestId, signal });
  }

  /** Null when there was nothing to delete. */
  async delete(
    namespace: string,
    key: string,
    { actor, cas, ...sending }: WriteOptions = {},
  ): Promise<DeleteResult | null> {
    const path = pathOf(namespace, key) + queryOf({ actor, cas: cas?.toString() });
    return nullWhenMissing(this.#write<DeleteResult>({ method: "DELETE", path }, sending));
  }

  /** All operations or none. `cas_conflict` names the first that did not hold in `details.operation`. */
  batch(
    operations: readonly Operation[],
    { actor, ...sending }: Omit<WriteOptions, "cas"> = {},
  ): Promise<BatchResult> {
    const named = actor === undefined ? {} : { actor };
    const body = { operations, ...named };
    return this.#write({ method: "POST", path: "/batch", body }, sending);
  }

  /** Changes after revision `since`, oldest first; `compacted` when they are no longer kept. */
  changes(
    since: number,
    options: ReadOptions & { readonly namespace?: string; readonly limit?: number } = {},
  ): Promise<ChangesResult> {
    const { namespace, limit } = options;
    const query = { since: String(since), namespace, limit: limit?.toString() };
    return this.#exchanges.call(readOf("/changes", query, options));
  }

  /** Watches a namespace and all beneath it until `close()`. */
  watch(namespace: string, options: WatchOptions): Watch {
    const [apiKey, heartbeatMs, trust] = [this.#apiKey, this.#heartbeatMs, this.#trust];
    return new Watch({ urls: this.#urls, apiKey, namespace, heartbeatMs, trust }, options);
  }

  /**
   * Any other exchange of the HTTP interface, by its path below `/api/v1`: leaders are followed and, for what
   * only they can do, remembered.
   */
  request<T>(exchange: Exchange): Promise<T> {
    return this.#exchanges.call<T>(exchange);
  }

  #write<T>(exchange: Exchange, { requestId = crypto.randomUUID(), signal }: Sending): Promise<T> {
    return this.#exchanges.call<T>({ ...exchange, requestId, signal, leaderOnly: true });
  }
}

async function nullWhenMissing<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ConcordanceError && error.code === "not_found") return null;
    throw error;
  }
}

function pathOf(namespace: string, key?: string): string {
  const path = `/kv/${encodeURIComponent(namespace)}`;
  return key === undefined ? path : `${path}/${encodeURIComponent(key)}`;
}

function readOf(path: string, query: Query, options: ReadOptions): Exchange {
  const { consistency, minRevision, signal } = options;
  const all = { ...query, consistency, minRevision: minRevision?.toString() };
  const leaderOnly = consistency === "linearizable";
  return { method: "GET", path: path + queryOf(all), leaderOnly, signal };
}

function queryOf(fields: Query): string {
  const set = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  );
  return set.length === 0 ? "" : `?${new URLSearchParams(set)}`;
}
