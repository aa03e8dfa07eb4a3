/**
 * Owns cutting the log where the state has become its snapshot: when it is due, the sync of the state that must come
 * first (beside the event loop), and removing the entries a little at a time (pitfall 25). Refuses to own: doing
 * anything else meanwhile (driver.ts), what a snapshot is sent for (snapshots.ts).
 */
import type { RaftLog } from "./log.ts";
import { termAt } from "./log-shape.ts";
import { membershipAt } from "./membership.ts";
import type { Machine, Outbox } from "./ports.ts";
import type { RaftState, SnapshotFacts } from "./types.ts";

export interface CompactionLimits {
  /** The log is compacted at so many entries… */
  readonly entries: number;
  /** …and keeps so many for followers that lag a little. */
  readonly tail: number;
}
export interface CompactorParts {
  readonly log: RaftLog;
  readonly machine: Pick<Machine<unknown>, "appliedIndex" | "timeMs" | "sync">;
  readonly outbox: Outbox;
  readonly limits: CompactionLimits;
  readonly state: () => RaftState;
  /** Runs work as an event of the driver's, or not at all once that has stopped. */
  readonly asEvent: (work: () => void) => void;
  /** The log begins after `through` now. */
  readonly compacted: (through: number) => void;
}

export class Compactor {
  readonly #parts: CompactorParts;
  #isSweeping = false;
  #isSyncing = false;
  /** How often another state took the place of this one. */
  #generation = 0;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
  }

  /** A received state took the place of this one: the log begins anew beneath it. */
  stateReplaced(): void {
    this.#generation += 1;
    this.#isSweeping = true;
  }

  whenDue(): void {
    const { log, machine, limits, outbox } = this.#parts;
    if (this.#isSweeping) this.#isSweeping = log.sweep();
    const { baseIndex } = this.#parts.state().log;
    if (this.#isSyncing || machine.appliedIndex - baseIndex < limits.entries) return;
    const through = Math.min(machine.appliedIndex - limits.tail, outbox.heldIndex);
    if (through > baseIndex) this.#syncThen(() => this.#compact(through));
  }

  #syncThen(compact: () => void): void {
    const generation = this.#generation;
    this.#isSyncing = true;
    const ended = (finish: () => void) => {
      this.#isSyncing = false;
      // Another state has come in between: the log already begins anew beneath that one.
      if (this.#generation === generation) this.#parts.asEvent(finish);
    };
    this.#parts.machine.sync().then(
      () => ended(compact),
      (error: unknown) =>
        ended(() => {
          throw error;
        }),
    );
  }

  /** Call only when the state is synced that far. A transfer may have begun since, and holds what it needs. */
  #compact(synced: number): void {
    const { log, machine, outbox, state, compacted } = this.#parts;
    const through = Math.min(synced, outbox.heldIndex);
    const facts = snapshotFacts(state(), through, machine.timeMs);
    if (facts === null || through <= state().log.baseIndex) return;
    log.compact(facts);
    this.#isSweeping = true;
    compacted(through);
  }
}

/** What a copy of the state taken at `index` stands for; null when the log no longer tells. */
export function snapshotFacts(
  { log, memberships }: RaftState,
  index: number,
  timeMs: number,
): SnapshotFacts | null {
  const lastTerm = termAt(log, index);
  if (lastTerm === null) return null;
  return { index, lastTerm, timeMs, membership: membershipAt(memberships, index) };
}
