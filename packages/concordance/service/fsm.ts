/**
 * Owns what each log entry does to the state: deterministic, with no clock and no randomness (C5). Rows,
 * change log and applied index change together (C3, pitfall 6), and reach the disk together at `flush`.
 * Refuses to own: rows (shared/store.ts), validation of requests (parse.ts).
 */
import type { KvStore, Position, StoredChange, StoredEntry } from "../shared/store.ts";
import { EXPIRY_ACTOR } from "../shared/types.ts";
import {
  decodeCommand,
  type ExpireCommand,
  type SetCommand,
  type WriteCommand,
  type WriteOperation,
} from "./command.ts";
import { assert } from "./raft/assert.ts";
import type { LogEntry } from "./raft/types.ts";
import { fingerprintOf, outcomeOf, outcomeText } from "./requests.ts";

export type WriteResult =
  | { readonly op: "set"; readonly entry: StoredEntry }
  | {
      readonly op: "delete";
      readonly namespace: string;
      readonly key: string;
      readonly deleted: boolean;
      readonly version: number;
    };
export type ApplyResult =
  | {
      readonly kind: "committed";
      readonly revision: number;
      readonly results: readonly WriteResult[];
    }
  | {
      readonly kind: "cas_conflict";
      readonly operation: number;
      readonly namespace: string;
      readonly key: string;
      readonly expected: number;
      /** 0 = the key does not exist. */
      readonly actual: number;
    }
  /** The request id already stands for another write. */
  | { readonly kind: "request_reused"; readonly requestId: string };

/** How much history watchers can resume from. Part of the replicated rules: equal on every member. */
export interface HistoryLimits {
  readonly changesMax: number;
  readonly bytesMax: number;
}
const HISTORY: HistoryLimits = { changesMax: 100_000, bytesMax: 256 * 1_048_576 };
/** A request id is remembered for so many log entries; part of the replicated rules too. */
export const REQUEST_WINDOW = 100_000;
/** Rough weight of a change beside its value. */
const CHANGE_BYTES = 200;

export class Fsm {
  readonly #store: KvStore;
  readonly #history: HistoryLimits;
  readonly #listeners = new Set<(changes: readonly StoredChange[]) => void>();
  #draft: Position;
  #changes: StoredChange[] = [];

  constructor(store: KvStore, history: HistoryLimits = HISTORY) {
    this.#store = store;
    this.#history = history;
    this.#draft = store.position;
  }

  get appliedIndex(): number {
    return this.#store.position.appliedIndex;
  }

  /** Calls `listener` with the changes of each apply, once all of it is in the state. */
  onChanges(listener: (changes: readonly StoredChange[]) => void): void {
    this.#listeners.add(listener);
  }

  /** Writes what was applied. Until then a crash takes it back to be applied again from the log. */
  flush(): void {
    this.#store.commit();
  }

  apply(entries: readonly LogEntry[]): readonly (ApplyResult | null)[] {
    const results: (ApplyResult | null)[] = [];
    this.#changes = [];
    this.#store.transact(() => {
      this.#draft = this.#store.position;
      for (const entry of entries) results.push(this.#applyOne(entry));
      return this.#draft;
    });
    if (this.#changes.length > 0) for (const listener of this.#listeners) listener(this.#changes);
    return results;
  }

  #applyOne(entry: LogEntry): ApplyResult | null {
    assert(entry.index === this.#draft.appliedIndex + 1, "C3: each entry once, in order");
    const timeMs = Math.max(this.#draft.timeMs, entry.timeMs);
    this.#draft = { ...this.#draft, appliedIndex: entry.index, timeMs };
    if (entry.kind !== "command") return null;
    const command = decodeCommand(entry.payload);
    const result =
      command.type === "write" ? this.#once(command, entry.index) : this.#expire(command);
    this.#compact();
    return result;
  }

  /** Exactly once: a retry finds the first outcome here, on whichever member leads by then (pitfall 34). */
  #once(command: WriteCommand, index: number): ApplyResult {
    const { requestId } = command;
    if (requestId === undefined) return this.#write(command);
    const fingerprint = fingerprintOf(command);
    const known = this.#store.request(requestId);
    if (known !== null) {
      const same = known.fingerprint === fingerprint;
      return same ? outcomeOf(known.outcome, command) : { kind: "request_reused", requestId };
    }
    const result = this.#write(command);
    const outcome = outcomeText(result);
    this.#store.remember(index, requestId, { fingerprint, outcome }, index - REQUEST_WINDOW);
    return result;
  }

  /** Every condition is checked against the state before the command, then everything is done. */
  #write({ actor, operations }: WriteCommand): ApplyResult {
    for (const [operation, { namespace, key, cas }] of operations.entries()) {
      if (cas === null) continue;
      const actual = this.#live(namespace, key)?.version ?? 0;
      if (cas === actual) continue;
      return { kind: "cas_conflict", operation, namespace, key, expected: cas, actual };
    }
    const revision = this.#draft.revision + 1;
    const results = operations.map((operation) => this.#do(operation, actor, revision));
    return { kind: "committed", revision: this.#draft.revision, results };
  }

  #do(operation: WriteOperation, actor: string, revision: number): WriteResult {
    if (operation.op === "set") return this.#set(operation, actor, revision);
    const { namespace, key } = operation;
    const live = this.#live(namespace, key);
    if (live === null) return { op: "delete", namespace, key, deleted: false, version: 0 };
    const version = this.#delete(live, actor, revision);
    return { op: "delete", namespace, key, deleted: true, version };
  }

  #set(operation: SetCommand, actor: string, revision: number): WriteResult {
    const { namespace, key, valueJson: value, ttlMs } = operation;
    const updatedAt = this.#draft.timeMs;
    const expiresAt = ttlMs === null ? operation.expiresAt : updatedAt + ttlMs;
    const version = this.#takeLastVersion(namespace, key) + 1;
    const facts = { namespace, key, value, version, revision };
    const entry: StoredEntry = { ...facts, updatedBy: actor, updatedAt, expiresAt };
    this.#store.put(entry);
    this.#record({ ...facts, op: "set", actor });
    return { op: "set", entry };
  }

  #delete({ namespace, key, version: last }: StoredEntry, actor: string, revision: number): number {
    const version = last + 1;
    this.#store.remove(namespace, key, version, revision);
    this.#record({ namespace, key, value: null, version, revision, op: "delete", actor });
    return version;
  }

  #expire({ keys }: ExpireCommand): ApplyResult {
    const revision = this.#draft.revision + 1;
    const results = keys.map(({ namespace, key, version }): WriteResult => {
      const row = this.#store.row(namespace, key);
      const due = row !== null && row.version === version && this.#isExpired(row);
      if (!due) return { op: "delete", namespace, key, deleted: false, version: 0 };
      const removed = this.#delete(row, EXPIRY_ACTOR, revision);
      return { op: "delete", namespace, key, deleted: true, version: removed };
    });
    return { kind: "committed", revision: this.#draft.revision, results };
  }

  #record(change: Omit<StoredChange, "seq" | "at">): void {
    const seq = this.#draft.seq + 1;
    const recorded: StoredChange = { ...change, seq, at: this.#draft.timeMs };
    const bytes = CHANGE_BYTES + (change.value?.length ?? 0);
    this.#store.record(recorded, bytes);
    this.#changes.push(recorded);
    const changesCount = this.#draft.changesCount + 1;
    const changesBytes = this.#draft.changesBytes + bytes;
    this.#draft = { ...this.#draft, seq, revision: change.revision, changesCount, changesBytes };
  }

  /** Bounds the history; runs in apply, so every member forgets the same revisions (C4). */
  #compact(): void {
    const { changesMax, bytesMax } = this.#history;
    while (this.#draft.changesCount > changesMax || this.#draft.changesBytes > bytesMax) {
      const dropped = this.#store.dropOldestRevision();
      if (dropped === null) return;
      this.#draft = {
        ...this.#draft,
        compactedRevision: dropped.revision,
        changesCount: this.#draft.changesCount - dropped.count,
        changesBytes: this.#draft.changesBytes - dropped.bytes,
        versionFloor: Math.max(this.#draft.versionFloor, dropped.versionFloor),
      };
    }
  }

  /** The row a reader would see: one rule for reads and conditions, judged by replicated time. */
  #live(namespace: string, key: string): StoredEntry | null {
    const row = this.#store.row(namespace, key);
    return row === null || this.#isExpired(row) ? null : row;
  }

  #isExpired(row: StoredEntry): boolean {
    return row.expiresAt !== null && row.expiresAt <= this.#draft.timeMs;
  }

  /** A key deleted and set again goes on counting, so an old `cas` can never match by accident. */
  #takeLastVersion(namespace: string, key: string): number {
    const version = this.#store.version(namespace, key);
    if (version !== null) return version;
    const buried = this.#store.tombstone(namespace, key);
    if (buried === null) return this.#draft.versionFloor;
    this.#store.dropTombstone(namespace, key);
    return buried;
  }
}
