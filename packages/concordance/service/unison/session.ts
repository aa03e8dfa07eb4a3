/**
 * Owns being connected: opens, follows the changes, has what is past its time removed, and begins again when
 * the server is lost. When it comes back with less than was told already, or with other data, that is another
 * history: cursors into the old one are void. Refuses to own: what operations do (engine.ts).
 */
import type { StoredChange } from "../../shared/store.ts";
import { EXPIRY_ACTOR } from "../../shared/types.ts";
import type { FeedPosition } from "../engine.ts";
import type { Logger } from "../logger.ts";
import { Refusal } from "../refusal.ts";
import { Tail } from "./feed.ts";
import { HistoryChanged, Link, LinkLost, ServerUnusable } from "./link.ts";
import { STORE_FORMAT } from "./lua.ts";
import * as resealing from "./reseal-scripts.ts";
import * as scripts from "./scripts.ts";

/** As fsm.ts has them; kept with the data, so that all processes agree: changes, bytes, request ids. */
const HISTORY_LIMITS = [100_000, 256 * 1_048_576, 100_000] as const;
const SCRIPTS = [
  scripts.OPEN,
  scripts.WRITE,
  scripts.EXPIRE,
  scripts.READ,
  scripts.LIST,
  scripts.LIST_UNDER,
  scripts.HISTORY,
  scripts.CHANGES_AFTER,
  resealing.SEALED_ENTRIES,
  resealing.SEALED_CHANGES,
  resealing.RESEAL,
];
const SWEEP_MS = 100;
const SWEEP_KEYS_MAX = 256;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;

export interface SessionOptions {
  /** `valkey://[user:password@]host:port/db`, or `redis`, or either with TLS as `valkeys`, `rediss`. */
  readonly url: string;
  /** The changes of whole revisions, as this process learns of them. */
  readonly publish: (changes: readonly StoredChange[]) => void;
  /** Whoever watches must ask again: cursors are void. */
  readonly historyChanged: () => void;
  readonly log: Logger;
}

export class Session {
  readonly #options: SessionOptions;
  #link: Link | null = null;
  #history = "";
  #tail: Tail;
  #failures = 0;
  #connections = 0;
  #stopped = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const nowhere = { revision: 0, compactedRevision: 0, seq: 0 };
    this.#tail = new Tail(nowhere, { id: "", record: "" }, options.publish);
  }

  get history(): string {
    return this.#history;
  }
  get isConnected(): boolean {
    return this.#link !== null && !this.#link.isLost;
  }
  /** Times it was connected since the start. */
  get connections(): number {
    return this.#connections;
  }
  get position(): FeedPosition {
    return this.#tail.position;
  }

  /** Tries once, then goes on by itself. Throws `ServerUnusable` when trying again is no use. */
  async start(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (error instanceof ServerUnusable) throw error;
      this.#complain(error);
    }
    void this.#keepConnected();
  }

  stop(): void {
    this.#stopped = true;
    this.#link?.close();
  }

  /**
   * Runs a script on the history this process knows. Throws `store_unreachable` when nothing was sent, and
   * `LinkLost` when it may or may not have run.
   */
  async run(script: string, args: readonly string[]): Promise<unknown> {
    const link = this.#link;
    if (link === null || link.isLost) throw unreachable();
    try {
      return await link.run(script, [this.#history, ...args]);
    } catch (error) {
      if (!(error instanceof HistoryChanged)) throw error;
      link.close();
      throw unreachable();
    }
  }

  async #keepConnected(): Promise<void> {
    while (!this.#stopped) {
      if (this.#link !== null) {
        const reason = await this.#link.lost;
        this.#link = null;
        if (!this.#stopped) this.#complain(new LinkLost(reason));
      }
      await Bun.sleep(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures));
      if (this.#stopped) return;
      await this.#connect().catch((error: unknown) => this.#complain(error));
    }
  }

  /** One line for each outage, not for each try. */
  #complain(error: unknown): void {
    if (this.#failures === 0) this.#options.log.error("the store is unreachable", { err: error });
    this.#failures += 1;
  }

  async #connect(): Promise<void> {
    const { url, log } = this.#options;
    const link = await Link.open(url, SCRIPTS);
    // The read that follows the changes blocks its connection, so it has one of its own.
    const following = await Link.open(url, []).catch((error: unknown) => {
      link.close();
      throw error;
    });
    void link.lost.then(() => following.close());
    try {
      await this.#adopt(link);
    } catch (error) {
      link.close();
      throw error;
    }
    this.#tail.follow(following).catch((error: unknown) => {
      if (!following.isLost) log.error("following the changes failed", { err: error });
      link.close();
    });
    void this.#sweep(link);
    this.#link = link;
    this.#connections += 1;
    this.#failures = 0;
    const lossAtCrash = await link.lossAtCrash();
    const facts = { clusterId: this.#history, ...this.#tail.position };
    log.info("the store is connected", {
      ...facts,
      ...(lossAtCrash === null ? {} : { lossAtCrash }),
    });
  }

  /** Asks which history the server keeps, and whether all that this process has told is still in it. */
  async #adopt(link: Link): Promise<void> {
    const { position, seen } = this.#tail;
    const known = [this.#history, seen.id, seen.record, String(position.revision)];
    const rules = [STORE_FORMAT, ...HISTORY_LIMITS].map(String);
    const answer = await link.run(scripts.OPEN, [crypto.randomUUID(), ...known, ...rules]);
    const [history, revision, seq, compactedRevision, id, record] = answer as [
      string,
      number,
      number,
      number,
      string,
      string,
    ];
    if (history === this.#history) return;
    const isFirst = this.#history === "";
    this.#history = history;
    const begun = { revision, seq, compactedRevision };
    this.#tail = new Tail(begun, { id, record }, this.#options.publish);
    if (!isFirst) this.#options.historyChanged();
  }

  /** Until the link is lost; also what keeps it from being silent. */
  async #sweep(link: Link): Promise<void> {
    while (!link.isLost) {
      const removed = await this.#removeExpired(link);
      // As many as there may be at a time: more are due already.
      if (removed < SWEEP_KEYS_MAX) await Bun.sleep(SWEEP_MS);
    }
  }

  /** How many were removed. */
  async #removeExpired(link: Link): Promise<number> {
    try {
      const args = [this.#history, EXPIRY_ACTOR, String(SWEEP_KEYS_MAX)];
      return Number(await link.run(scripts.EXPIRE, args));
    } catch (error) {
      if (error instanceof HistoryChanged) link.close();
      else if (!(error instanceof LinkLost || error instanceof Refusal)) {
        this.#options.log.error("removing expired keys failed", { err: error });
      }
      return 0;
    }
  }
}

function unreachable(): Refusal {
  const message =
    "The server that keeps the data cannot be reached just now; nothing was done, retry shortly.";
  return new Refusal("store_unreachable", message);
}
