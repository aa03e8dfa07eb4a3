/**
 * Owns what the two systems under test have in common: three members on loopback, the same keys and values,
 * and the requests by which each is asked for the same thing. Types and shared data only.
 */

/** One prepared HTTP/1.1 request; `path` includes the query. */
export interface HttpRequest {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}
export type Consistency = "linearizable" | "local";

/** A member as a process. `signal` does not wait; `ended` resolves when the process is gone. */
export interface Member {
  readonly name: string;
  /** `http://host:port` */
  readonly url: string;
  readonly dataDir: string;
  readonly pid: number;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<unknown>;
}

export interface Cluster {
  /** Those that run; a restarted member is a new object under its old name. */
  readonly members: readonly Member[];
  /** Waits until one leads. */
  leader(): Promise<Member>;
  /** Starts a member again on its own data and address; does not wait for it to be ready. */
  restart(name: string): Member;
  /** Whether a member is healthy and serves a linearizable read. */
  ready(member: Member): Promise<boolean>;
  /** Changes so far, by the cluster's own count. */
  revision(): Promise<number>;
  /** Ends all members and removes their data. */
  stop(): Promise<void>;
}

export interface Subject {
  readonly name: "etcd" | "Concordance";
  put(key: string, value: string): HttpRequest;
  get(key: string, consistency: Consistency): HttpRequest;
  /** All keys under a prefix, at most 1,000, read locally. */
  list(prefix: string): HttpRequest;
  /** Three members on fresh stores, one of them leading. */
  start(): Promise<Cluster>;
}

/** Connections of one native client of etcd; beyond them, calls share connections. */
export const CONNECTIONS_MAX = 16;
export const KEYS = 10_000;
export const KEY_BYTES = 43;
export const VALUE_BYTES = 256;
/** Every key has it, and it is the namespace in Concordance. */
export const NAMESPACE = "tenant:bench/settings";

/** The `index`-th key without its namespace: with it, and a slash, `KEY_BYTES` long. */
export function keyName(index: number): string {
  return `key-${String(index).padStart(KEY_BYTES - NAMESPACE.length - 5, "0")}`;
}

/** Printable, without structure, different for each call. */
export function randomValue(): string {
  const bytes = crypto.getRandomValues(new Uint8Array((VALUE_BYTES * 3) / 4));
  return Buffer.from(bytes).toString("base64");
}

/** Sends a prepared request. Redirects are answers, not followed. */
export function send(
  member: Pick<Member, "url">,
  request: HttpRequest,
  timeoutMs = 5_000,
): Promise<Response> {
  const { method, path, headers, body } = request;
  const signal = AbortSignal.timeout(timeoutMs);
  return fetch(member.url + path, { method, headers, body, signal, redirect: "manual" });
}

/** Polls until `holds`; throws with `what` when it does not within a minute. */
export async function until(
  what: string,
  holds: () => Promise<boolean>,
  stepMs = 10,
): Promise<void> {
  const giveUpMs = performance.now() + 60_000;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > giveUpMs) throw new Error(`never happened: ${what}`);
    await Bun.sleep(stepMs);
  }
}
