/**
 * Owns what the surface (HTTP, `/stream`) asks of whatever keeps the data. Two stand behind it: Raft
 * (raft-engine.ts) and an existing distributed store (unison/).
 * An engine's matters: order and atomicity, versions, revisions, conditions, expiry, request ids, the
 * change log and its floor. The surface's: keys, parsing, limits, what is encrypted, how answers look.
 */
import type { AuditRow } from "../shared/ledger.ts";
import type { PageLimits, SealedRows, StoredChange, StoredEntry } from "../shared/store.ts";
import type { ResealCommand, WriteCommand } from "./command.ts";
import type { ApplyResult } from "./fsm.ts";
import type { Freshness } from "./parse.ts";

/** An answer that may be at hand already: engines with the data in the process do not wait for it. */
export type Now<T> = T | Promise<T>;

/** How far changes can be told: those after `compactedRevision`, up to `revision`, numbered by `seq`. */
export interface FeedPosition {
  readonly revision: number;
  readonly compactedRevision: number;
  readonly seq: number;
}
/** Whole revisions only; `through` is the last revision the page accounts for. */
export interface ChangesPage {
  readonly items: readonly StoredChange[];
  readonly through: number;
}
/** What watchers read. `position` is what this process has seen, and every change up to it can be read. */
export interface ChangeFeed {
  readonly position: FeedPosition;
  /** Changes with a greater revision, in order. `namespace` null means all. */
  changesAfter(revision: number, namespace: string | null, limits: PageLimits): Now<ChangesPage>;
}

export interface EntryName {
  readonly namespace: string;
  readonly key: string;
}

/** Reads answer live entries only; refusals are thrown as `Refusal`. */
export interface Engine {
  /** Names the history that revisions count; another id means that cursors are void. */
  readonly clusterId: string;
  /** What keeps this process from serving, for `/ready`; empty when nothing does. */
  readonly missing: readonly string[];
  readonly feed: ChangeFeed;
  /** Returns, or resolves, once reads are as fresh as asked. Throws who could answer, or `behind`. */
  fresh(freshness: Freshness): Now<void>;
  get(namespace: string, key: string): Now<StoredEntry | null>;
  /** Null in the place of a key that does not exist. */
  getMany(
    names: readonly EntryName[],
  ): Now<{ readonly items: readonly (StoredEntry | null)[]; readonly revision: number }>;
  /** Entries whose key starts with `prefix` and follows `afterKey`, in byte order, at one revision. */
  list(
    namespace: string,
    prefix: string,
    afterKey: string | null,
    limits: PageLimits,
  ): Now<{
    readonly items: readonly StoredEntry[];
    readonly more: boolean;
    readonly revision: number;
  }>;
  /** Entries of a namespace and all beneath it, whose key starts with `prefix`, at one revision. */
  listUnder(
    namespace: string,
    prefix: string,
    limits: PageLimits,
  ): Now<{
    readonly items: readonly StoredEntry[];
    readonly more: boolean;
    readonly revision: number;
  }>;
  /** Who changed what under a root (`tenant:{id}` or `system`): rows after `afterSeq`, oldest first. */
  audit(
    root: string,
    afterSeq: number,
    rowsMax: number,
  ): Now<{ readonly rows: readonly AuditRow[]; readonly revision: number }>;
  /** Throws `compacted` unless every change after `revision` can be told (C4). */
  changes(
    revision: number,
    namespace: string | null,
    limits: PageLimits,
  ): Now<ChangesPage & { readonly revision: number }>;
  /** Where a watch begins: at `fromRevision`, or now when null. Throws `compacted`. */
  watchFrom(fromRevision: number | null): Now<number>;
  /**
   * All operations or none, once for each request id, if the key named in it is still good and the quota
   * is kept, judged in the order of writes. Throws when it was not decided.
   */
  write(command: WriteCommand): Promise<ApplyResult>;
  readonly resealing: Resealing;
}

/** What rotating the encryption key needs. */
export interface Resealing {
  /** Values that are sealed, but not under `keyId`. */
  sealedOtherwise(keyId: string, rowsMax: number): Now<SealedRows>;
  countSealedOtherwise(keyId: string): Now<{ readonly entries: number; readonly changes: number }>;
  reseal(command: ResealCommand): Promise<void>;
}

/** Uses an answer as soon as it is there: at once, where it is at hand. */
export function whenThere<T, R>(answer: Now<T>, use: (value: T) => Now<R>): Now<R> {
  return answer instanceof Promise ? answer.then(use) : use(answer);
}
