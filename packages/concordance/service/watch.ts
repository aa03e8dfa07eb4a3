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

/** The part of a WebSocket that delivery needs. `send` answers 0 when the frame was dropped. */
export interface Sink {
  send(text: string): number;
  getBufferedAmount(): number;
  close(code: number, reason: string): void;
}

/** What the latest apply changed: watchers that were up to date need not read it back. */
export interface Latest {
  readonly changes: readonly StoredChange[];
  /** The revision right before `changes`. */
  readonly afterRevision: number;
  readonly frameOf: (change: StoredChange) => string;
}

export class Watcher {
  readonly #sink: Sink;
  readonly #feed: ChangeFeed;
  readonly #limits: WatchLimits;
  readonly #lastChangeOf: (root: string) => number;
  /** Namespace → revision delivered through. */
  readonly #cursors = new Map<string, number>();
  /** Namespace → what a key must start with; absent: any key. */
  readonly #prefixes = new Map<string, string>();
  /** Namespaces whose next page is on its way. */
  readonly #reading = new Set<string>();
  /** The revision before the changes that are being told. */
  #before = 0;
  #pausedAtSeq: number | null = null;
  #cut = false;

  /** `lastChangeOf` a root: no change of it lies after this, but for those handed to `pump`. */
  constructor(
    sink: Sink,
    feed: ChangeFeed,
    limits: WatchLimits,
    lastChangeOf: (root: string) => number = () => Infinity,
  ) {
    this.#sink = sink;
    this.#feed = feed;
    this.#limits = limits;
    this.#lastChangeOf = lastChangeOf;
  }

  get namespaces(): readonly string[] {
    return [...this.#cursors.keys()];
  }

  get subscriptions(): number {
    return this.#cursors.size;
  }

  /** The subscription that already covers, or lies beneath, `namespace`: two would deliver twice. */
  overlapping(namespace: string): string | null {
    const overlaps = (other: string) => covers(other, namespace) || covers(namespace, other);
    return [...this.#cursors.keys()].find(overlaps) ?? null;
  }

  /** Of the namespace and all beneath it, keys that start with `prefix`. */
  subscribe(namespace: string, fromRevision: number, prefix = ""): void {
    this.#cursors.set(namespace, fromRevision);
    if (prefix !== "") this.#prefixes.set(namespace, prefix);
  }

  /** Delivers nothing more, whatever still comes. */
  stop(): void {
    this.#cut = true;
  }

  unsubscribe(namespace: string): boolean {
    this.#prefixes.delete(namespace);
    return this.#cursors.delete(namespace);
  }

  /** Sends what is due until the reader is full. Call after an apply, a subscription, a drain. */
  pump(latest: Latest | null): void {
    this.#before = latest?.afterRevision ?? this.#feed.position.revision;
    for (const namespace of this.#cursors.keys()) {
      while (this.#mayAdvance(namespace)) this.#advance(namespace, latest);
    }
    if (!this.#cut && this.#cursors.size > 0) this.#judgePace();
  }

  #mayAdvance(namespace: string): boolean {
    const cursor = this.#cursors.get(namespace);
    const isBehind = cursor !== undefined && cursor < this.#feed.position.revision;
    return isBehind && !this.#cut && !this.#isFull() && !this.#reading.has(namespace);
  }

  /** Whether nothing of the namespace's tenant changed between the cursor and what is told now. */
  #isQuiet(namespace: string, cursor: number): boolean {
    return cursor >= this.#lastChangeOf(rootOf(namespace));
  }

  #isFull(): boolean {
    return this.#sink.getBufferedAmount() >= this.#limits.bufferedBytesMax;
  }

  #advance(namespace: string, latest: Latest | null): void {
    const cursor = this.#cursors.get(namespace) ?? 0;
    const { revision, compactedRevision } = this.#feed.position;
    const isQuiet = this.#isQuiet(namespace, cursor);
    if (!isQuiet && cursor < compactedRevision) {
      this.#closeCompacted();
      return;
    }
    if (isQuiet ? cursor <= this.#before : cursor === this.#before) {
      const page = { items: latest?.changes ?? [], through: revision };
      this.#deliver(namespace, page, latest?.frameOf ?? changeFrame);
      return;
    }
    const page = this.#feed.changesAfter(cursor, namespace, PAGE);
    if (page instanceof Promise) void this.#deliverLater(namespace, cursor, page);
    else this.#deliver(namespace, page, changeFrame);
  }

  /** Goes on from here once the page has come; nothing else delivers for this namespace meanwhile. */
  async #deliverLater(namespace: string, cursor: number, coming: Promise<ChangesPage>) {
    this.#reading.add(namespace);
    const page = await coming.catch((error: unknown) => error);
    this.#reading.delete(namespace);
    if (this.#cut || this.#cursors.get(namespace) !== cursor) return;
    if (page instanceof Refusal && page.code === "compacted") this.#closeCompacted();
    else if (page instanceof Error)
      this.#close(CLOSE.tryAgain, `try again; fromRevision=${cursor}`);
    else {
      this.#deliver(namespace, page as ChangesPage, changeFrame);
      this.pump(null);
    }
  }

  #deliver(namespace: string, page: ChangesPage, frameOf: (change: StoredChange) => string): void {
    const prefix = this.#prefixes.get(namespace) ?? "";
    for (const change of page.items) {
      if (!covers(namespace, change.namespace) || !change.key.startsWith(prefix)) continue;
      if (this.#sink.send(frameOf(change)) === 0) {
        this.#cutSlow();
        return;
      }
    }
    this.#cursors.set(namespace, page.through);
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
    const cursors = [...this.#cursors].map(([namespace, cursor]) =>
      this.#isQuiet(namespace, cursor) ? Math.max(cursor, this.#before) : cursor,
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
export function changeFrame(change: StoredChange): string {
  return `{"jsonrpc":"2.0","method":"watch/change","params":${changeText(change)}}`;
}

/** Groups one apply for `pump`; each frame is written once, however many sockets take it. */
export function latestOf(changes: readonly StoredChange[]): Latest | null {
  const first = changes[0];
  if (first === undefined) return null;
  const frames = new Map<StoredChange, string>();
  const frameOf = (change: StoredChange) => {
    const frame = frames.get(change) ?? changeFrame(change);
    frames.set(change, frame);
    return frame;
  };
  return { changes, afterRevision: first.revision - 1, frameOf };
}
