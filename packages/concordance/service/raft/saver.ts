/**
 * Owns when what a step decided reaches the log's disk: at once, or, for what a leader has just sent, as soon as what
 * is being done is done. Nothing counts a member for an entry before that (§10.2.1). Refuses to own: which of the two
 * it is to be, and what follows a sync (driver.ts).
 */
import type { Install, RaftLog } from "./log.ts";
import type { HardState, LogEntry } from "./types.ts";

export interface Unsaved {
  readonly hardState: HardState;
  readonly append: readonly LogEntry[];
}

export class Saver {
  readonly #log: RaftLog;
  #owed: Unsaved | null = null;
  #savedTerm: number;
  #syncs = 0;

  constructor(log: RaftLog, savedTerm: number) {
    this.#log = log;
    this.#savedTerm = savedTerm;
  }

  /** The term that is on disk. */
  get savedTerm(): number {
    return this.#savedTerm;
  }

  get syncs(): number {
    return this.#syncs;
  }

  /** One synced transaction. Throws when the disk refuses. */
  save({ hardState, append }: Unsaved, install: Install | null): void {
    this.#log.save(hardState, append, install);
    this.#savedTerm = hardState.term;
    this.#syncs += 1;
  }

  /** To be paid before anything else is decided, so that all that is applied is in the log too. */
  owe(unsaved: Unsaved): void {
    this.#owed = unsaved;
  }

  /** Saves what is owed, and answers its entries. */
  pay(): readonly LogEntry[] {
    const owed = this.#owed;
    if (owed === null) return [];
    this.#owed = null;
    this.save(owed, null);
    return owed.append;
  }
}
