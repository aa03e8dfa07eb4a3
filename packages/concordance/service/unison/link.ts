/**
 * Owns one connection to the Valkey or Redis server, from opened to lost, with the scripts loaded. It never
 * reconnects by itself: what was in flight when it broke may or may not have happened, and only the caller
 * knows what that means. A server that says nothing for a while counts as lost.
 */
import { RedisClient } from "bun";
import { Refusal } from "../refusal.ts";
import { KEYS } from "./lua.ts";

/** The server can never serve as it is; the message says what to change there. */
export class ServerUnusable extends Error {
  constructor(why: string) {
    super(`the server that --engine names cannot keep the data: ${why}`);
  }
}
/** The server keeps another history than the one this process knows. */
export class HistoryChanged extends Error {}
/** Nothing was sent, or the answer never came. */
export class LinkLost extends Error {}

const CONNECT_MS = 3_000;
/** Every link asks something at least once a second. */
const SILENCE_MS = 5_000;
const REDIS_MAJOR_MIN = 7;

export class Link {
  /** Resolves, with the reason, when the connection is gone. */
  readonly lost: Promise<string>;
  readonly #client: RedisClient;
  readonly #hashes = new Map<string, string>();
  #isLost = false;

  private constructor(url: string) {
    this.#client = new RedisClient(url, {
      autoReconnect: false,
      enableOfflineQueue: false,
      connectionTimeout: CONNECT_MS,
      idleTimeout: SILENCE_MS,
    });
    this.lost = new Promise((resolve) => {
      this.#client.onclose = (error) => {
        this.#isLost = true;
        resolve(error.message);
      };
    });
  }

  /** Throws `ServerUnusable`, or `LinkLost` when another try may do it. */
  static async open(url: string, scripts: readonly string[]): Promise<Link> {
    const link = new Link(url);
    try {
      await link.#client.connect();
      assertUsable(await link.send("INFO"));
      for (const script of scripts) {
        link.#hashes.set(script, String(await link.send("SCRIPT", "LOAD", script)));
      }
      return link;
    } catch (error) {
      link.close();
      throw error instanceof ServerUnusable || error instanceof LinkLost
        ? error
        : openingFailure(error);
    }
  }

  /**
   * What a crash of the server may cost, or null when it costs nothing that was acknowledged. Some servers do
   * not tell.
   */
  async lossAtCrash(): Promise<string | null> {
    const answer = await this.send("CONFIG", "GET", "append*").catch(() => null);
    if (answer === null) return "unknown: the server does not tell how it persists";
    const { appendonly, appendfsync } = answer as Readonly<Record<string, string>>;
    if (appendonly !== "yes") return "all writes since its last dump: appendonly is not yes";
    return appendfsync === "always" ? null : `recent writes: appendfsync is ${appendfsync}`;
  }

  /** Whether anything can be sent. What was sent before it was lost is undecided. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Runs a script. Throws `Refusal`, `HistoryChanged`, or `LinkLost` when it may or may not have run. */
  async run(script: string, args: readonly string[]): Promise<unknown> {
    const hash = this.#hashes.get(script);
    if (hash === undefined) throw new Error("a link runs the scripts it was opened with");
    const rest = [String(KEYS.length), ...KEYS, ...args];
    try {
      return await this.send("EVALSHA", hash, ...rest);
    } catch (error) {
      // Someone flushed the scripts: nothing ran yet.
      if (codeOf(error) !== "NOSCRIPT") throw runFailure(error);
    }
    return this.send("EVAL", script, ...rest).catch((error: unknown) => {
      throw runFailure(error);
    });
  }

  send(command: string, ...args: string[]): Promise<unknown> {
    return this.#client.send(command, args);
  }

  close(): void {
    this.#client.close();
  }
}

/** Data that can be evicted, or a server that cannot run the scripts, would break every promise. */
function assertUsable(info: unknown): void {
  const facts = new Map(
    String(info)
      .split(/\r?\n/)
      .map(
        (line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)] as const,
      ),
  );
  const version = facts.get("redis_version") ?? "0";
  if (Number.parseInt(version, 10) < REDIS_MAJOR_MIN) {
    throw new ServerUnusable(`it is version ${version}; Redis 7 or Valkey 7.2 is needed`);
  }
  if (facts.get("cluster_enabled") === "1") {
    throw new ServerUnusable("it is a shard of a cluster; one primary of its own is needed");
  }
  const policy = facts.get("maxmemory_policy") ?? "noeviction";
  if (policy !== "noeviction" && facts.get("maxmemory") !== "0") {
    throw new ServerUnusable(`it evicts data (${policy}); set maxmemory-policy to noeviction`);
  }
  if (facts.get("role") === "slave") throw new LinkLost("it is a replica at present");
}

/** The first word of a server's error reply, or null when the error is not one. */
function codeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return error.code === "ERR_REDIS_SERVER_ERROR" ? (error.message.split(" ")[0] ?? "") : null;
}

/** The client tells a refused password, a refused connection and a busy server alike: it was closed. */
function openingFailure(error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  return new LinkLost(`${message}; is it running, and are user and password right?`);
}

/** A script that fails for want of memory, or on a replica, fails before it has written anything. */
function runFailure(error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (code === null) return new LinkLost(message);
  if (code === "HISTORY") return new HistoryChanged(message);
  if (code === "FORMAT") return new ServerUnusable(`${message}; a newer program wrote it`);
  if (code === "COMPACTED" || code === "ERR") return error as Error;
  return new Refusal(
    "store_unreachable",
    `The server that keeps the data refuses to serve just now (${code}); nothing was written, retry.`,
  );
}
