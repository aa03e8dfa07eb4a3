/**
 * Owns getting one request answered by a cluster: which member to ask, following a leader, asking again under
 * the same request id until the deadline, and never claiming more about a write than is known (pitfall 34).
 */
import { ConcordanceError } from "./error.ts";
import type { ErrorBody } from "./protocol.ts";

export interface ExchangesOptions {
  readonly urls: readonly string[];
  readonly apiKey: string;
  readonly timeoutMs: number;
  readonly retryForMs: number;
  /** Asked for each call; undefined sends none. */
  readonly traceparent: () => string | undefined;
  readonly trust: Trust;
}
/** What `fetch` and `WebSocket` take, to trust an authority that the system does not know. */
export interface Trust {
  readonly tls?: { readonly ca: string };
}
export interface Exchange {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Below `/api/v1`. */
  readonly path: string;
  readonly body?: unknown;
  /** Asking again under it does a write once; without it a write that may have happened is not repeated. */
  readonly requestId?: string;
  /** Only the leader can answer. */
  readonly leaderOnly?: boolean;
  readonly signal?: AbortSignal | undefined;
}
interface Answer {
  readonly status: number;
  readonly location: string | null;
  readonly text: string;
}

const RETRY_MIN_MS = 10;
const RETRY_MAX_MS = 250;
const REDIRECTS_MAX = 3;
/** No connection was made, or the other side could not prove who it is: the request never left. */
const NEVER_SENT =
  /^(ConnectionRefused|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|FailedToOpenSocket|EPROTO)$|CERT|^UNABLE_TO_/;
/** Asking again may help, and does no harm under the same request id. */
const PASSING: ReadonlySet<string> = new Set([
  "unreachable",
  "outcome_unknown",
  "no_leader",
  "store_unreachable",
  "overloaded",
  "stopping",
  "behind",
]);

export class Exchanges {
  readonly #options: ExchangesOptions;
  /** Which member to ask first: the last one that answered. */
  #preferred = 0;
  /** Where the last redirect led, while it holds. */
  #leader: string | null = null;

  constructor(options: ExchangesOptions) {
    this.#options = options;
  }

  /** Asks one member after another until one answers for good, or time is up. Throws `ConcordanceError`. */
  async call<T>(exchange: Exchange): Promise<T> {
    const { urls, retryForMs } = this.#options;
    const startedMs = performance.now();
    const headers = this.#headersOf(exchange);
    let isUnknown = false;
    for (let attempt = 0; ; attempt += 1) {
      const asked = (this.#preferred + attempt) % urls.length;
      const failure = await this.#askFrom<T>(asked, exchange, headers).catch(failureOf);
      if (!(failure instanceof ConcordanceError)) return failure;
      isUnknown ||= failure.code === "outcome_unknown";
      const isOver = performance.now() - startedMs >= retryForMs;
      if (!mayAskAgain(exchange, failure) || isOver) throw isUnknown ? undecided(failure) : failure;
      await pause(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * (attempt + 1)), exchange.signal);
    }
  }

  async #askFrom<T>(
    member: number,
    exchange: Exchange,
    headers: Readonly<Record<string, string>>,
  ): Promise<T> {
    const { urls } = this.#options;
    const leader = exchange.leaderOnly === true ? this.#leader : null;
    let origin = leader ?? urls[member] ?? "";
    // Whoever answers is right to ask again; one that fails in any way is not worth another try first.
    this.#leader = leader === null ? this.#leader : null;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
      const answer = await this.#send(origin, exchange, headers);
      if (answer.status !== 307 || answer.location === null) {
        const result = resultOf<T>(answer, exchange);
        if (leader !== null || hop > 0) this.#leader = origin;
        else this.#preferred = member;
        return result;
      }
      origin = new URL(answer.location, origin).origin;
    }
    throw new ConcordanceError("no_leader", `Followed ${REDIRECTS_MAX} redirects to no leader.`);
  }

  /** Redirects are followed by hand: `fetch` drops the key when the port changes. */
  async #send(
    origin: string,
    { method, path, body, signal }: Exchange,
    headers: Readonly<Record<string, string>>,
  ): Promise<Answer> {
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const patience = AbortSignal.timeout(this.#options.timeoutMs);
    const either = signal === undefined ? patience : AbortSignal.any([patience, signal]);
    const how = { ...payload, ...this.#options.trust };
    const init = { method, headers, redirect: "manual", signal: either, ...how } as const;
    try {
      const response = await fetch(`${origin}/api/v1${path}`, init);
      const { status } = response;
      return { status, location: response.headers.get("location"), text: await response.text() };
    } catch (error) {
      if (signal?.aborted === true) throw aborted();
      throw lost(origin, method !== "GET", error);
    }
  }

  #headersOf({ body, requestId }: Exchange): Readonly<Record<string, string>> {
    const { apiKey, traceparent } = this.#options;
    const trace = traceparent();
    return {
      authorization: `Bearer ${apiKey}`,
      ...(requestId === undefined ? {} : { "idempotency-key": requestId }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(trace === undefined ? {} : { traceparent: trace }),
    };
  }
}

/** A write that may have happened is asked again only under a name by which it is recognised. */
function mayAskAgain({ method, requestId }: Exchange, { code }: ConcordanceError): boolean {
  const isNamed = method === "GET" || requestId !== undefined;
  return PASSING.has(code) && (isNamed || code !== "outcome_unknown");
}

function resultOf<T>({ status, text }: Answer, { method }: Exchange): T {
  const answer = parsed(text);
  if (status >= 200 && status < 300 && answer !== undefined) return answer as T;
  const { error } = (answer ?? {}) as Partial<ErrorBody>;
  if (error !== undefined) throw new ConcordanceError(error.code, error.message, error.details);
  // A proxy between: what it could not hand on may have arrived all the same.
  const passing = [502, 503, 504].includes(status);
  const code = method === "GET" ? "unreachable" : "outcome_unknown";
  throw new ConcordanceError(
    passing ? code : "unexpected_answer",
    `The answer was ${status}, and not one of Concordance's.`,
  );
}

/** A refusal after an attempt whose answer was lost says nothing about that attempt. */
function undecided(last: ConcordanceError): ConcordanceError {
  if (!PASSING.has(last.code)) return last;
  if (last.code === "outcome_unknown") return last;
  return new ConcordanceError(
    "outcome_unknown",
    `An answer was lost, and no later try was decided: ${last.message}`,
    last.details,
  );
}

function lost(origin: string, isWrite: boolean, error: unknown): ConcordanceError {
  const reason = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const host = URL.parse(origin)?.host ?? origin;
  return !isWrite || NEVER_SENT.test(code)
    ? new ConcordanceError("unreachable", `Concordance at ${host} cannot be reached: ${reason}`)
    : new ConcordanceError("outcome_unknown", `The answer of ${host} was lost: ${reason}`);
}

function failureOf(error: unknown): ConcordanceError {
  if (error instanceof ConcordanceError) return error;
  throw error;
}

function aborted(): ConcordanceError {
  return new ConcordanceError(
    "aborted",
    "The caller gave up; a write may or may not have happened.",
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not ours; the status says the rest.
  }
}

/** With jitter, so that callers who failed together do not return together. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const waitMs = ms * (0.5 + Math.random() / 2);
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal?.addEventListener("abort", done);
  });
  if (signal?.aborted === true) throw aborted();
}
