/**
 * Owns the way of committed entries into the state machine, and what they were waited for: each entry once, in
 * order, then its answer. Written to the state's file now and then; the log has what a crash takes back.
 * Refuses to own: when something is committed (the core), what an entry means (the machine).
 */
import type { EntryCache } from "./entry-cache.ts";
import { DataDirectoryUnusable } from "./log.ts";
import type { LogShape } from "./log-shape.ts";
import type { Pending } from "./pending.ts";
import type { ChangeOutcome, Machine, Outcome } from "./ports.ts";

const CATCH_UP_ENTRIES = 500;
/** A crash has no more than this to apply again. */
const FLUSH_MS = 500;

export class Applier<R> {
  readonly #machine: Machine<R>;
  readonly #entries: EntryCache;
  readonly #pending: Pending<Outcome<R> | ChangeOutcome>;
  #flushDueMs = 0;

  constructor(
    machine: Machine<R>,
    entries: EntryCache,
    pending: Pending<Outcome<R> | ChangeOutcome>,
  ) {
    this.#machine = machine;
    this.#entries = entries;
    this.#pending = pending;
  }

  get index(): number {
    return this.#machine.appliedIndex;
  }

  /** Applies everything up to `committedIndex`, and answers whoever waited for it. */
  through(committedIndex: number): void {
    while (this.index < committedIndex) {
      const from = this.index + 1;
      const through = Math.min(committedIndex, from + CATCH_UP_ENTRIES - 1);
      const entries = this.#entries.read(from, through);
      const results = this.#machine.apply(entries);
      entries.forEach((entry, offset) => {
        const result = results[offset] ?? null;
        this.#pending.settle(entry, result === null ? "done" : { kind: "applied", result });
      });
    }
    this.#entries.trim();
  }

  flushWhenDue(nowMs: number): void {
    if (nowMs < this.#flushDueMs) return;
    this.#machine.flush();
    this.#flushDueMs = nowMs + FLUSH_MS;
  }
}

/** Throws `DataDirectoryUnusable` unless a state that has applied so much can go on with this log. */
export function assertTogether(appliedIndex: number, { baseIndex, lastIndex }: LogShape): void {
  if (appliedIndex > lastIndex) {
    throw new DataDirectoryUnusable(
      `state.db holds ${appliedIndex} applied entries but raft.db only ${lastIndex}: the log was replaced or lost. Restore both files from one backup`,
    );
  }
  if (appliedIndex < baseIndex) {
    throw new DataDirectoryUnusable(
      `state.db holds ${appliedIndex} applied entries but raft.db begins after ${baseIndex}: the state was replaced or lost. Restore both files from one backup, or remove this member and join under a new name`,
    );
  }
}
