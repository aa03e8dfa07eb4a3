/**
 * Owns when what a step decided reaches the log's disk: at once, beside the event loop where the disk is slow, or, for
 * what a leader has just sent, as soon as what is being done is done. Nothing counts a member for an entry before that
 * (§10.2.1), and nothing else is written meanwhile: a commit in the log's file means that the one before it was synced
 * (wal-guard.ts). Refuses to own: which step is owed, and what follows a sync (driver.ts).
 */
import { assert } from "./assert.ts";
import type { Install, RaftLog } from "./log.ts";
import type { HardState, LogEntry } from "./types.ts";

export interface Unsaved {
  readonly hardState: HardState;
  readonly append: readonly LogEntry[];
}
/** Called once it is synced; throws what the disk refused with. */
type Ended = (failure: Error | null) => void;

/** A lone entry has someone waiting for it and nobody else: another thread would take longer to wake. */
const BESIDE_ENTRIES_MIN = 2;

export class Saver {
  readonly #log: RaftLog;
  /** Hears that a sync beside the event loop is over. */
  readonly #ended: (finish: () => void) => void;
  #owed: Unsaved | null = null;
  #underWay: Ended | null = null;
  #savedTerm: number;
  #syncs = 0;

  constructor(log: RaftLog, savedTerm: number, ended: (finish: () => void) => void) {
    this.#log = log;
    this.#savedTerm = savedTerm;
    this.#ended = ended;
  }

  /** The term that is on disk. */
  get savedTerm(): number {
    return this.#savedTerm;
  }

  get syncs(): number {
    return this.#syncs;
  }

  /** Whether a sync is under way, and nothing may be written or decided. */
  get isBusy(): boolean {
    return this.#underWay !== null;
  }

  /** One synced transaction, then `finish`: before this returns, or when `ended` is called. */
  save(unsaved: Unsaved, install: Install | null, finish: () => void): void {
    assert(!this.isBusy, "nothing is written while a sync is under way");
    const { hardState, append } = unsaved;
    const isBeside = install === null && append.length >= BESIDE_ENTRIES_MIN;
    const saved = () => {
      this.#savedTerm = hardState.term;
      this.#syncs += 1;
      finish();
    };
    if (isBeside && this.#log.syncsBeside) this.#saveBeside(unsaved, saved);
    else {
      this.#log.save(hardState, append, install);
      saved();
    }
  }

  #saveBeside({ hardState, append }: Unsaved, saved: () => void): void {
    const ended: Ended = (failure) => {
      // It was waited for already.
      if (this.#underWay !== ended) return;
      this.#underWay = null;
      this.#ended(() => {
        if (failure !== null) throw failure;
        saved();
      });
    };
    this.#underWay = ended;
    this.#log.saveBeside(hardState, append, ended);
  }

  /** Waits for the disk, if it is at work. */
  wait(): void {
    const underWay = this.#underWay;
    if (underWay === null) return;
    this.#log.syncNow();
    underWay(null);
  }

  /** To be paid before anything else is decided, so that all that is applied is in the log too. */
  owe(unsaved: Unsaved): void {
    this.#owed = unsaved;
  }

  /** Saves what is owed, and hands its entries on. */
  pay(paid: (saved: readonly LogEntry[]) => void): void {
    const owed = this.#owed;
    if (owed === null) return;
    this.#owed = null;
    this.save(owed, null, () => paid(owed.append));
  }
}
