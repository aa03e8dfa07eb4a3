/**
 * Owns the one subscription to Concord's feed: from the stored cursor, again whenever it breaks.
 * Without a cursor it starts at the beginning, never at "now": what happened before the first connection
 * would be lost otherwise.
 */
import type { Logger } from "@concert/service-kit";
import type { Store } from "../store/store.ts";
import type { Turn } from "../store/turns.ts";
import { backOff } from "../upstream/backoff.ts";
import type { Concord } from "../upstream/concord.ts";
import { applyFeedItem } from "./feed-ledger.ts";

const FIRST_CURSOR = "0";

export class FeedFollower {
  readonly #store: Store;
  readonly #concord: Concord;
  readonly #log: Logger;
  readonly #onEnded: (turn: Turn) => void;
  readonly #ending = new AbortController();
  #connected = false;
  #following: Promise<void> = Promise.resolve();

  /** `onEnded` is told of a turn after its end is committed. */
  constructor(store: Store, concord: Concord, log: Logger, onEnded: (turn: Turn) => void) {
    this.#store = store;
    this.#concord = concord;
    this.#log = log;
    this.#onEnded = onEnded;
  }

  get connected(): boolean {
    return this.#connected;
  }

  start(): void {
    this.#following = this.#follow();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#following;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ending;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#read(() => {
          failures = 0;
        });
      } catch (error) {
        this.#lost(error);
      }
      failures += 1;
      await backOff(failures, signal);
    }
  }

  /** Lost connections are the client's to mend; what it gives up on, and what fails here, ends this. */
  async #read(onOpen: () => void): Promise<void> {
    const { signal } = this.#ending;
    const cursor = this.#store.feed.cursor() ?? FIRST_CURSOR;
    const items = this.#concord.events(cursor, signal, (news) => {
      this.#connected = news.kind === "open";
      if (news.kind === "open") onOpen();
      if (news.kind === "lost") this.#lost(news.why);
    });
    for await (const item of items) {
      if (signal.aborted) return;
      const { ended, unreadable } = applyFeedItem(this.#store, item);
      if (unreadable !== undefined) {
        this.#log.error(
          { cursor: item.cursor, unreadable },
          "skipped an event that cannot be read",
        );
      }
      if (ended !== undefined) this.#onEnded(ended);
    }
  }

  #lost(why: unknown): void {
    this.#connected = false;
    if (!this.#ending.signal.aborted) this.#log.warn({ err: why }, "the feed of Concord broke");
  }
}
