/**
 * Owns talking to Concordance from another process: reads, writes, and a watch that survives restarts of
 * either side without a gap or a repeat. Every write carries an id of its own, so that asking again, of
 * whichever member leads by then, does it once (pitfall 34). A write whose answer stays lost is reported
 * as `outcome_unknown`.
 */
import type {
  BatchResult,
  ChangesResult,
  DeleteResult,
  ErrorBody,
  ListResult,
  RefusalCode,
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
  /** How long to go on asking while nobody answers or leads; 0 with one address, else 10 s, unless told. */
  readonly retryForMs?: number;
}
export interface WriteOptions {
  /** Who did it, for the record; `api` unless told. */
  readonly actor?: string;
  /** The version the key must have now; 0 = it must not exist. */
  readonly cas?: number;
  /** Names this very write over restarts of the caller; one of its own unless told. */
  readonly requestId?: string;
}
export interface ReadOptions {
  /** `linearizable`: see all that was acknowledged before the call. `local`: whatever the member has. */
  readonly consistency?: "local" | "linearizable";
  /** See at least this revision, on whichever member. */
  readonly minRevision?: number;
}
export type SetOptions = WriteOptions & Pick<SetOperation, "expiresAt" | "ttlMs">;

/**
 * Any failure of a call. `unreachable`: nothing was sent; `outcome_unknown`: a write may or may not have
 * happened; every other code is the server's refusal, and nothing was written.
 */
export class ConcordanceError extends Error {
  readonly code: RefusalCode | "unreachable" | "outcome_unknown" | "unexpected_answer";
  readonly details: unknown;

  constructor(code: ConcordanceError["code"], message: string, details?: unknown) {
    super(message);
    this.name = "ConcordanceError";
    this.code = code;
    this.details = details;
  }
}

type Method = "GET" | "PUT" | "POST" | "DELETE";
interface Exchange {
  readonly method: Method;
  readonly path: string;
  readonly body?: unknown;
  readonly requestId?: string;
}
const TIMEOUT_MS = 5_000;
const RETRY_FOR_MS = 10_000;
const RETRY_MIN_MS = 10;
const RETRY_MAX_MS = 250;
const REDIRECTS_MAX = 3;
/** Asking again may help, and does no harm under the same request id. */
const PASSING = new Set<string>([
  "unreachable",
  "outcome_unknown",
  "no_leader",
  "store_unreachable",
  "overloaded",
  "stopping",
  "behind",
]);

export class ConcordanceClient {
  readonly #urls: readonly string[];
  readonly #apiKey: string;
  readonly #timeoutMs: number;
  readonly #retryForMs: number;
  /** Which member to ask first: the last one that answered. */
  #preferred = 0;

  constructor({ url, apiKey, timeoutMs = TIMEOUT_MS, retryForMs }: ClientOptions) {
    const urls = typeof url === "string" ? [url] : url;
    if (urls.length === 0) throw new RangeError("a client needs the address of a member");
    this.#urls = urls.map((one) => one.replace(/\/+$/, ""));
    this.#apiKey = apiKey;
    this.#timeoutMs = timeoutMs;
    this.#retryForMs = retryForMs ?? (urls.length > 1 ? RETRY_FOR_MS : 0);
  }

  /** The entry, or null when the key does not exist. */
  async get(
    namespace: string,
    key: string,
    { consistency, minRevision }: ReadOptions = {},
  ): Promise<KvEntry | null> {
    const query = queryOf({ consistency, minRevision: minRevision?.toString() });
    const path = pathOf(namespace, key) + query;
    return nullWhenMissing(this.#call<KvEntry>({ method: "GET", path }));
  }

  /**
   * Every entry of the namespace, over as many pages as it takes. Watch from `revision` to see what came
   * after: it is the first page's, so a change between two pages is told again, never missed.
   */
  async list(
    namespace: string,
    options: ReadOptions & { readonly prefix?: string } = {},
  ): Promise<ListResult> {
    const { prefix, consistency, minRevision } = options;
    const page = (cursor?: string): Exchange => {
      // Later pages may come from another member, which must not be behind the first.
      const atLeast = cursor === undefined ? minRevision : Math.max(minRevision ?? 0, seen);
      const query = queryOf({ prefix, cursor, consistency, minRevision: atLeast?.toString() });
      return { method: "GET", path: pathOf(namespace) + query };
    };
    let seen = 0;
    const first = await this.#call<ListResult>(page());
    seen = first.revision;
    const items = [...first.items];
    let { nextCursor } = first;
    while (nextCursor !== undefined) {
      const next = await this.#call<ListResult>(page(nextCursor));
      items.push(...next.items);
      nextCursor = next.nextCursor;
    }
    return { items, revision: first.revision };
  }

  /** The entry as written. A lost race on `cas` is `cas_conflict`, with `details.actual`. */
  set(namespace: string, key: string, value: Json, options: SetOptions = {}): Promise<SetResult> {
    const { requestId, ...rest } = options;
    const path = pathOf(namespace, key);
    return this.#write({ method: "PUT", path, body: { value, ...rest } }, requestId);
  }

  /** Null when there was nothing to delete. */
  async delete(
    namespace: string,
    key: string,
    { actor, cas, requestId }: WriteOptions = {},
  ): Promise<DeleteResult | null> {
    const path = pathOf(namespace, key) + queryOf({ actor, cas: cas?.toString() });
    return nullWhenMissing(this.#write<DeleteResult>({ method: "DELETE", path }, requestId));
  }

  /** All operations or none. `cas_conflict` names the first that did not hold in `details.operation`. */
  batch(
    operations: readonly Operation[],
    { actor, requestId }: Omit<WriteOptions, "cas"> = {},
  ): Promise<BatchResult> {
    const named = actor === undefined ? {} : { actor };
    const body = { operations, ...named };
    return this.#write({ method: "POST", path: "/batch", body }, requestId);
  }

  /** Changes after revision `since`, oldest first; `compacted` when they are no longer kept. */
  changes(
    since: number,
    options: { readonly namespace?: string; readonly limit?: number } = {},
  ): Promise<ChangesResult> {
    const { namespace, limit } = options;
    const query = queryOf({ since: String(since), namespace, limit: limit?.toString() });
    return this.#call({ method: "GET", path: `/changes${query}` });
  }

  /** Watches a namespace and all beneath it until `close()`. */
  watch(namespace: string, options: WatchOptions): Watch {
    const urls = this.#urls.map((url) => `${url.replace(/^http/, "ws")}/stream`);
    return new Watch({ urls, apiKey: this.#apiKey, namespace }, options);
  }

  #write<T>(exchange: Exchange, requestId: string = crypto.randomUUID()): Promise<T> {
    return this.#call({ ...exchange, requestId });
  }

  /** Asks one member after another until one answers for good, or time is up. */
  async #call<T>(exchange: Exchange): Promise<T> {
    const startedMs = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      const asked = (this.#preferred + attempt) % this.#urls.length;
      try {
        const answer = await this.#askOnce<T>(this.#urls[asked] ?? "", exchange);
        this.#preferred = asked;
        return answer;
      } catch (error) {
        const passing = error instanceof ConcordanceError && PASSING.has(error.code);
        const late = performance.now() - startedMs >= this.#retryForMs;
        if (!passing || late) throw error;
      }
      await pause(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * (attempt + 1)));
    }
  }

  async #askOnce<T>(member: string, exchange: Exchange): Promise<T> {
    let url = `${member}/api/v1${exchange.path}`;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
      const response = await this.#send(url, exchange);
      const leader = response.status === 307 ? response.headers.get("location") : null;
      if (leader === null) return answerOf<T>(response);
      url = new URL(leader, url).href;
    }
    throw new ConcordanceError("no_leader", `Followed ${REDIRECTS_MAX} redirects to no leader.`);
  }

  /** Redirects are followed by hand: `fetch` drops the key when the port changes. */
  async #send(url: string, { method, body, requestId }: Exchange): Promise<Response> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#apiKey}` };
    if (requestId !== undefined) headers["idempotency-key"] = requestId;
    if (body !== undefined) headers["content-type"] = "application/json";
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const signal = AbortSignal.timeout(this.#timeoutMs);
    try {
      return await fetch(url, { method, headers, redirect: "manual", signal, ...payload });
    } catch (error) {
      throw lost(method, url, error);
    }
  }
}

async function answerOf<T>(response: Response): Promise<T> {
  const text = await response.text();
  const answer = parsed(text);
  if (response.ok && answer !== undefined) return answer as T;
  const { error } = (answer ?? {}) as Partial<ErrorBody>;
  if (error !== undefined) throw new ConcordanceError(error.code, error.message, error.details);
  throw new ConcordanceError("unexpected_answer", `Concordance answered ${response.status}.`);
}

async function nullWhenMissing<T>(call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ConcordanceError && error.code === "not_found") return null;
    throw error;
  }
}

function lost(method: Method, url: string, error: unknown): ConcordanceError {
  const reason = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const refused = code === "ConnectionRefused" || code === "ECONNREFUSED" || code === "ENOTFOUND";
  const harmless = refused || method === "GET";
  const { host } = new URL(url);
  return harmless
    ? new ConcordanceError("unreachable", `Concordance at ${host} cannot be reached: ${reason}`)
    : new ConcordanceError("outcome_unknown", `The answer of ${host} was lost: ${reason}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // A proxy's page; the status says the rest.
  }
}

const pause = (ms: number) => new Promise<void>((resolve) => void setTimeout(resolve, ms));

function pathOf(namespace: string, key?: string): string {
  const path = `/kv/${encodeURIComponent(namespace)}`;
  return key === undefined ? path : `${path}/${encodeURIComponent(key)}`;
}

function queryOf(fields: Readonly<Record<string, string | undefined>>): string {
  const set = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  );
  return set.length === 0 ? "" : `?${new URLSearchParams(set)}`;
}
