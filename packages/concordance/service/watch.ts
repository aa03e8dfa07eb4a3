/**
 * Owns delivery of changes to one socket: every change after a cursor, in order, whole revisions, once
 * (C4, pitfall 36). Reads the engine's change log, so a reader that pauses costs no memory; one that stays
 * behind is cut with its cursor, never skipped. Refuses to own: sockets, JSON-RPC requests (ws.ts).
 */
import { CLOSE } from "../shared/protocol.ts";
import type { StoredChange } from "../shared/store.ts";
import { covers, rootOf } from "../shared/types.ts";
import type { ChangeFeed, ChangesPage } from "./engine.ts";
import { Refusal } from "./refusal.ts";
import { changeText } from "./render.ts";
import { type TakeTurns, takingTurns } from "./turns.ts";

export interface WatchLimits {
  /** Bytes handed to a socket and not yet taken by its reader. */
  readonly bufferedBytesMax: number;
  /** Changes that may pass while a reader takes nothing, before it is cut. */
  readonly backlogChangesMax: number;
}
export const WATCH_LIMITS: WatchLimits = {
  bufferedBytesMax: 1_048_576,
  backlogChangesMax: 10_000,
};
/** Handed to all sockets together and not yet taken: beyond, those that hold most are cut. */
export const ALL_BUFFERED_BYTES_MAX = 256 * 1_048_576;
export const SUBSCRIPTIONS_MAX = 1_024;
const PAGE = { itemsMax: 256, bytesMax: 1_048_576 };
/** Read back at once; what is left has its turn after others'. */
const PAGES_AT_ONCE = 2;

/** The part of a WebSocket that delivery needs. `send` answers 0 when the frame was dropped. */
export interface Sink {
  send(text: string): number;
  getBufferedAmount(): number;
  close(code: number, reason: string): void;
}

/** What the latest apply changed: watchers that were up to date need not read it back. */
export interface Latest {
  /** The revision right before the changes. */
  readonly afterRevision: number;
  /** The frames of those that a topic covers; written once, however many sockets take them. */
  readonly framesOf: (topic: Topic) => readonly string[];
}

/** What a watcher shares with others. */
export interface Surroundings {
  /** No change of a root lies after this, but for those handed to `pump`. */
  readonly lastChangeOf: (root: string) => number;
  /** For what there is to read back. */
  readonly inTurn: TakeTurns;
}

/** Of a namespace and all beneath it, keys that start with `prefix`. */
export interface Topic {
  readonly namespace: string;
  readonly prefix: string;
}

interface Subscription {
  readonly topic: Topic;
  readonly root: string;
  /** The revision delivered through. */
  cursor: number;
  /** Its next page is on its way. */
  reading: boolean;
}

export class Watcher {
  readonly #sink: Sink;
  readonly #feed: ChangeFeed;
  readonly #limits: WatchLimits;
  readonly #around: Surroundings;
  /** By namespace. */
  readonly #subscriptions = new Map<string, Subscription>();
  /** The revision before the changes that are being told. */
  #before = 0;
  #pausedAtSeq: number | null = null;
  #pagesRead = 0;
  /** Waits for its turn to read on. */
  #waits = false;
  #cut = false;

  constructor(
    sink: Sink,
    feed: ChangeFeed,
    limits: WatchLimits,
    around: Surroundings = { lastChangeOf: () => Infinity, inTurn: takingTurns() },
  ) {
    this.#sink = sink;
    this.#feed = feed;
    this.#limits = limits;
    this.#around = around;
  }

  get namespaces(): readonly string[] {
    return [...this.#subscriptions.keys()];
  }

  get subscriptions(): number {
    return this.#subscriptions.size;
  }

  /** The subscription that already covers, or lies beneath, `namespace`: two would deliver twice. */
  overlapping(namespace: string): string | null {
    const overlaps = (other: string) => covers(other, namespace) || covers(namespace, other);
    return this.namespaces.find(overlaps) ?? null;
  }

  /** Of the namespace and all beneath it, keys that start with `prefix`. */
  subscribe(namespace: string, fromRevision: number, prefix = ""): void {
    const topic = { namespace, prefix };
    const root = rootOf(namespace);
    const begun = { topic, root, cursor: fromRevision, reading: false };
    this.#subscriptions.set(namespace, begun);
  }

  /** Delivers nothing more, whatever still comes. */
  stop(): void {
    this.#cut = true;
  }

  unsubscribe(namespace: string): boolean {
    return this.#subscriptions.delete(namespace);
  }

  /** Sends what is due until the reader is full. Call after an apply, a subscription, a drain. */
  pump(latest: Latest | null): void {
    this.#before = latest?.afterRevision ?? this.#feed.position.revision;
    this.#pagesRead = 0;
    for (const subscription of this.#subscriptions.values()) {
      while (this.#mayAdvance(subscription)) this.#advance(subscription, latest);
    }
    if (!this.#cut && this.#subscriptions.size > 0) this.#judgePace();
  }

  #mayAdvance({ cursor, reading }: Subscription): boolean {
    const isBehind = cursor < this.#feed.position.revision;
    return isBehind && !reading && !this.#waits && !this.#cut && !this.#isFull();
  }

  /** Whether nothing of the namespace's tenant changed between the cursor and what is told now. */
  #isQuiet({ cursor, root }: Subscription): boolean {
    return cursor >= this.#around.lastChangeOf(root);
  }

  #isFull(): boolean {
    return this.#sink.getBufferedAmount() >= this.#limits.bufferedBytesMax;
  }

  #advance(subscription: Subscription, latest: Latest | null): void {
    const { cursor, topic } = subscription;
    const { revision, compactedRevision } = this.#feed.position;
    const isQuiet = this.#isQuiet(subscription);
    if (!isQuiet && cursor < compactedRevision) {
      this.#closeCompacted();
      return;
    }
    if (isQuiet ? cursor <= this.#before : cursor === this.#before) {
      this.#deliver(subscription, latest?.framesOf(topic) ?? [], revision);
      return;
    }
    if (this.#pagesRead === PAGES_AT_ONCE) {
      this.#waitForTurn();
      return;
    }
    this.#pagesRead += 1;
    const page = this.#feed.changesAfter(cursor, topic.namespace, PAGE);
    if (page instanceof Promise) void this.#deliverLater(subscription, page);
    else this.#deliver(subscription, framesOf(page.items, topic), page.through);
  }

  #waitForTurn(): void {
    this.#waits = true;
    this.#around.inTurn(() => {
      this.#waits = false;
      if (!this.#cut) this.pump(null);
    });
  }

  /** Goes on from here once the page has come; nothing else delivers for this namespace meanwhile. */
  async #deliverLater(subscription: Subscription, coming: Promise<ChangesPage>) {
    const { cursor, topic } = subscription;
    subscription.reading = true;
    const page = await coming.catch((error: unknown) => error);
    subscription.reading = false;
    if (this.#cut || this.#subscriptions.get(topic.namespace) !== subscription) return;
    if (page instanceof Refusal && page.code === "compacted") this.#closeCompacted();
    else if (page instanceof Error)
      this.#close(CLOSE.tryAgain, `try again; fromRevision=${cursor}`);
    else {
      const { items, through } = page as ChangesPage;
      this.#deliver(subscription, framesOf(items, topic), through);
      this.pump(null);
    }
  }

  #deliver(subscription: Subscription, frames: readonly string[], through: number): void {
    for (const frame of frames) {
      if (this.#sink.send(frame) === 0) {
        this.#cutSlow();
        return;
      }
    }
    subscription.cursor = through;
  }

  /** A full reader is waited for while the log moves on by so many changes, then cut. */
  #judgePace(): void {
    const { seq } = this.#feed.position;
    if (!this.#isFull()) this.#pausedAtSeq = null;
    else if (this.#pausedAtSeq === null) this.#pausedAtSeq = seq;
    else if (seq - this.#pausedAtSeq > this.#limits.backlogChangesMax) this.#cutSlow();
  }

  #closeCompacted(): void {
    this.#close(CLOSE.compacted, "compacted; list again");
  }

  #cutSlow(): void {
    const cursors = [...this.#subscriptions.values()].map((one) =>
      this.#isQuiet(one) ? Math.max(one.cursor, this.#before) : one.cursor,
    );
    const cursor = Math.min(...cursors);
    this.#close(CLOSE.slowWatcher, `slow watcher; fromRevision=${cursor}`);
  }

  #close(code: number, reason: string): void {
    this.#cut = true;
    this.#sink.close(code, reason);
  }
}

/** The `watch/change` notification of one change. */
function changeFrame(change: StoredChange): string {
  return `{"jsonrpc":"2.0","method":"watch/change","params":${changeText(change)}}`;
}

/** Groups one apply for `pump`: what a topic is told of it is found once, however many sockets take it. */
export function latestOf(changes: readonly StoredChange[]): Latest | null {
  const first = changes[0];
  if (first === undefined) return null;
  const frameOf = remembered(changeFrame);
  const byNamespace = remembered((namespace: string) =>
    remembered((prefix: string) => framesOf(changes, { namespace, prefix }, frameOf)),
  );
  return {
    afterRevision: first.revision - 1,
    framesOf: ({ namespace, prefix }) => byNamespace(namespace)(prefix),
  };
}

function framesOf(
  changes: readonly StoredChange[],
  { namespace, prefix }: Topic,
  frameOf: (change: StoredChange) => string = changeFrame,
): readonly string[] {
  return changes
    .filter((one) => covers(namespace, one.namespace) && one.key.startsWith(prefix))
    .map((one) => frameOf(one));
}

/** The same function, which works each answer out once. */
function remembered<K, V>(work: (of: K) => V): (of: K) => V {
  const known = new Map<K, V>();
  return (of) => {
    const before = known.get(of);
    if (before !== undefined) return before;
    const answer = work(of);
    known.set(of, answer);
    return answer;
  };
}
