/**
 * Owns delivery of changes to one socket: every change after a cursor, in order, whole revisions, once
 * (C4, pitfall 36). Reads the durable change log, so a reader that pauses costs no memory; one that stays
 * behind is cut with its cursor, never skipped. Refuses to own: sockets, JSON-RPC requests (ws.ts).
 */
import { CLOSE } from "../shared/protocol.ts";
import type { KvStore, StoredChange } from "../shared/store.ts";
import { covers } from "../shared/types.ts";
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
  readonly #store: KvStore;
  readonly #limits: WatchLimits;
  /** Namespace → revision delivered through. */
  readonly #cursors = new Map<string, number>();
  #pausedAtSeq: number | null = null;
  #cut = false;

  constructor(sink: Sink, store: KvStore, limits: WatchLimits) {
    this.#sink = sink;
    this.#store = store;
    this.#limits = limits;
  }

  get subscriptions(): number {
    return this.#cursors.size;
  }

  /** The subscription that already covers, or lies beneath, `namespace`: two would deliver twice. */
  overlapping(namespace: string): string | null {
    const overlaps = (other: string) => covers(other, namespace) || covers(namespace, other);
    return [...this.#cursors.keys()].find(overlaps) ?? null;
  }

  subscribe(namespace: string, fromRevision: number): void {
    this.#cursors.set(namespace, fromRevision);
  }

  unsubscribe(namespace: string): boolean {
    return this.#cursors.delete(namespace);
  }

  /** Sends what is due until the reader is full. Call after an apply, a subscription, a drain. */
  pump(latest: Latest | null): void {
    for (const namespace of this.#cursors.keys()) {
      while (!this.#cut && this.#isBehind(namespace) && !this.#isFull()) {
        this.#deliverPage(namespace, latest);
      }
    }
    if (!this.#cut && this.#cursors.size > 0) this.#judgePace();
  }

  #isBehind(namespace: string): boolean {
    return (this.#cursors.get(namespace) ?? 0) < this.#store.position.revision;
  }

  #isFull(): boolean {
    return this.#sink.getBufferedAmount() >= this.#limits.bufferedBytesMax;
  }

  #deliverPage(namespace: string, latest: Latest | null): void {
    const cursor = this.#cursors.get(namespace) ?? 0;
    if (cursor < this.#store.position.compactedRevision) {
      this.#close(CLOSE.compacted, "compacted; list again");
      return;
    }
    const fresh = latest !== null && latest.afterRevision === cursor ? latest : null;
    const page =
      fresh === null
        ? this.#store.changesAfter(cursor, namespace, PAGE)
        : { items: fresh.changes, through: this.#store.position.revision };
    const frameOf = fresh === null ? changeFrame : fresh.frameOf;
    for (const change of page.items) {
      if (!covers(namespace, change.namespace)) continue;
      if (this.#sink.send(frameOf(change)) === 0) {
        this.#cutSlow();
        return;
      }
    }
    this.#cursors.set(namespace, page.through);
  }

  /** A full reader is waited for while the log moves on by so many changes, then cut. */
  #judgePace(): void {
    const { seq } = this.#store.position;
    if (!this.#isFull()) this.#pausedAtSeq = null;
    else if (this.#pausedAtSeq === null) this.#pausedAtSeq = seq;
    else if (seq - this.#pausedAtSeq > this.#limits.backlogChangesMax) this.#cutSlow();
  }

  #cutSlow(): void {
    const cursor = Math.min(...this.#cursors.values());
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
