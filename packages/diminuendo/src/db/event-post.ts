/**
 * Owns the way of commits that are events alone to the writer, on this side: they gather for a moment, and while one
 * batch is being committed the next one grows. Who waits is called back, in the order of commits, and needs no fiber.
 */
import { type BatchAnswer, headOf, isPlain, linesOf } from "./event-batch.ts";
import { StorageError } from "./storage-error.ts";
import type { Commit } from "./stored-session.ts";

/** `place`: where in the journal its newest event lies; null when it went to the session's own database. */
export type Committed = (error: StorageError | null, place: number | null) => void;

/**
 * Batches are at least so far apart: each has its sync, and its wake-ups. What comes after a pause leaves at once. Of few
 * events those are most of the cost, so they wait for more of their kind; of many it is the events.
 */
const APART_MS = { few: 8, many: 4 };
const MANY = 16;

interface Posted {
  readonly commit: Commit;
  readonly done: Committed;
}

export class EventPost {
  readonly #send: (text: string) => void;
  /** For what cannot go this way. */
  readonly #ordinary: (commit: Commit, done: Committed) => void;
  #text = "";
  #waiting: Posted[] = [];
  readonly #sent = new Map<number, readonly Posted[]>();
  #nextNumber = 1;
  /** When the next may leave. */
  #nextAtMs = 0;
  #isDue = false;
  #closed: string | null = null;

  constructor(send: (text: string) => void, ordinary: (commit: Commit, done: Committed) => void) {
    this.#send = send;
    this.#ordinary = ordinary;
  }

  add(commit: Commit, done: Committed): void {
    if (this.#closed !== null) done(failure(this.#closed), null);
    else if (isPlain(commit)) this.#gather(commit, done);
    else this.#ordinary(commit, done);
  }

  #gather(commit: Commit, done: Committed): void {
    this.#text += this.#waiting.length === 0 ? linesOf(commit) : `\n${linesOf(commit)}`;
    this.#waiting.push({ commit, done });
    if (this.#sent.size === 0) this.#plan();
  }

  /** Sends what waits, whatever is under way. */
  sendNow(): void {
    this.#isDue = false;
    if (this.#waiting.length === 0) return;
    const number = this.#nextNumber++;
    this.#sent.set(number, this.#waiting);
    const text = headOf(number) + this.#text;
    this.#text = "";
    const apartMs = this.#waiting.length < MANY ? APART_MS.few : APART_MS.many;
    this.#nextAtMs = performance.now() + apartMs;
    this.#waiting = [];
    this.#send(text);
  }

  answered({ batch, place, untaken, error }: BatchAnswer): void {
    const posted = this.#sent.get(batch) ?? [];
    this.#sent.delete(batch);
    // First, so that the writer works while we tell of what it did.
    if (this.#waiting.length > 0) this.#goOn();
    const left = untaken.length === 0 ? null : new Set(untaken);
    let end = place - 1;
    for (const [index, { commit, done }] of posted.entries()) {
      if (left?.has(index) === true) this.#ordinary(commit, done);
      else if (error !== undefined) done(failure(error), null);
      else {
        end += commit.events.length;
        done(null, end);
      }
    }
  }

  close(reason: string): void {
    this.#closed = reason;
    const posted = [...this.#sent.values(), this.#waiting].flat();
    this.#sent.clear();
    this.#waiting = [];
    this.#text = "";
    for (const { done } of posted) done(failure(reason), null);
  }

  #plan(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    // Not within this call: who adds one commit may be about to add more.
    if (this.#restMs <= 0) queueMicrotask(() => this.#sendIfDue());
    else setTimeout(() => this.#sendIfDue(), Math.ceil(this.#restMs));
  }

  #goOn(): void {
    if (this.#restMs <= 0) this.sendNow();
    else this.#plan();
  }

  get #restMs(): number {
    return this.#nextAtMs - performance.now();
  }

  #sendIfDue(): void {
    if (this.#isDue) this.sendNow();
  }
}

const failure = (reason: string) => new StorageError({ doing: "commit", reason });
