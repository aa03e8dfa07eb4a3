/**
 * Owns what each log entry does to the state: deterministic, with no clock and no randomness (C5). Rows,
 * change log and applied index change together (C3, pitfall 6), and reach the disk together at `flush`.
 * Refuses to own: rows (shared/store.ts), validation of requests (parse.ts).
 */
import type { AuditLimits } from "../shared/ledger.ts";
import type { Held, KvStore, Position, StoredChange, StoredEntry } from "../shared/store.ts";
import { covers, EXPIRY_ACTOR, KEYS_NAMESPACE } from "../shared/types.ts";
import {
  type Command,
  decodeCommand,
  type ExpireCommand,
  type ResealCommand,
  type SetCommand,
  type WriteCommand,
  type WriteOperation,
} from "./command.ts";
import { assert } from "./raft/assert.ts";
import type { LogEntry } from "./raft/types.ts";
import { fingerprintOf, outcomeOf, outcomeText } from "./requests.ts";
import { type OverQuota, Tally } from "./tally.ts";
import { grantOf } from "./tenant-keys.ts";

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
  | { readonly kind: "request_reused"; readonly requestId: string }
  /** The tenant key is gone, or never allowed this. */
  | { readonly kind: "key_refused" }
  | ({ readonly kind: "quota_exceeded" } & OverQuota);

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

/** Who is answerable for a change: the name the writer gave, and what it proved to be. */
interface Doer {
  readonly actor: string;
  readonly credential: string;
}
interface Name {
  readonly namespace: string;
  readonly key: string;
}
const EXPIRY: Doer = { actor: EXPIRY_ACTOR, credential: "system" };

export class Fsm {
  readonly #store: KvStore;
  readonly #history: HistoryLimits;
  readonly #listeners = new Set<(changes: readonly StoredChange[]) => void>();
  readonly #tally: Tally;
  /** Of the present apply; the store takes it when all went well. */
  #draft: { -readonly [F in keyof Position]: Position[F] };
  #changes: StoredChange[] = [];

  constructor(store: KvStore, history: HistoryLimits = HISTORY, audit?: AuditLimits) {
    this.#store = store;
    this.#history = history;
    this.#tally = new Tally(store, audit);
    this.#draft = { ...store.position };
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
      this.#draft = { ...this.#store.position };
      this.#tally.reset();
      for (const entry of entries) results.push(this.#applyOne(entry));
      this.#tally.save();
      return this.#draft;
    });
    if (this.#changes.length > 0) for (const listener of this.#listeners) listener(this.#changes);
    return results;
  }

  #applyOne(entry: LogEntry): ApplyResult | null {
    assert(entry.index === this.#draft.appliedIndex + 1, "C3: each entry once, in order");
    this.#draft.appliedIndex = entry.index;
    this.#draft.timeMs = Math.max(this.#draft.timeMs, entry.timeMs);
    if (entry.kind !== "command") return null;
    const result = this.#run(decodeCommand(entry.payload), entry.index);
    this.#compact();
    return result;
  }

  #run(command: Command, index: number): ApplyResult {
    switch (command.type) {
      case "write":
        return this.#isAllowed(command) ? this.#once(command, index) : { kind: "key_refused" };
      case "expire":
        return this.#expire(command);
      case "reseal":
        return this.#reseal(command);
    }
  }

  /** A revocation that came before this in the log holds for this (pitfall 39). */
  #isAllowed({ keyId, operations }: WriteCommand): boolean {
    if (keyId === undefined) return true;
    const row = this.#store.row(KEYS_NAMESPACE, keyId);
    const grant = row === null || this.#isExpired(row) ? null : grantOf(row.value);
    if (grant === null || grant.access !== "read_write") return false;
    return operations.every(({ namespace }) => covers(grant.namespace, namespace));
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
    // Nothing happened, and room may be made: the same request may be asked again.
    if (result.kind === "quota_exceeded") return result;
    const outcome = outcomeText(result);
    this.#store.remember(index, requestId, { fingerprint, outcome }, index - REQUEST_WINDOW);
    return result;
  }

  /** Every condition is checked against the state before the command, then everything is done. */
  #write({ actor, keyId, operations, quota }: WriteCommand): ApplyResult {
    const held = operations.map(({ namespace, key }) => this.#store.held(namespace, key));
    for (const [operation, { namespace, key, cas }] of operations.entries()) {
      if (cas === null) continue;
      const actual = this.#live(held[operation])?.version ?? 0;
      if (cas === actual) continue;
      return { kind: "cas_conflict", operation, namespace, key, expected: cas, actual };
    }
    const over = quota === undefined ? null : this.#tally.over(quota, operations, held);
    if (over !== null) return { kind: "quota_exceeded", ...over };
    const revision = this.#draft.revision + 1;
    const doer = { actor, credential: keyId ?? "api" };
    const results = operations.map((operation, position) =>
      this.#do(operation, held[position] ?? null, doer, revision),
    );
    return { kind: "committed", revision: this.#draft.revision, results };
  }

  #do(operation: WriteOperation, held: Held | null, doer: Doer, revision: number): WriteResult {
    if (operation.op === "set") return this.#set(operation, held, doer, revision);
    const { namespace, key } = operation;
    const live = this.#live(held);
    if (live === null) return { op: "delete", namespace, key, deleted: false, version: 0 };
    const version = this.#delete(operation, live, doer, revision);
    return { op: "delete", namespace, key, deleted: true, version };
  }

  #set(operation: SetCommand, held: Held | null, doer: Doer, revision: number): WriteResult {
    const { namespace, key, valueJson: value, ttlMs } = operation;
    const updatedAt = this.#draft.timeMs;
    const expiresAt = ttlMs === null ? operation.expiresAt : updatedAt + ttlMs;
    const last = held === null ? this.#takeBuriedVersion(namespace, key) : held.version;
    const version = last + 1;
    const { actor: updatedBy } = doer;
    const when = { updatedBy, updatedAt, expiresAt };
    const entry: StoredEntry = { namespace, key, value, version, revision, ...when };
    this.#tally.replaced(operation, held, this.#store.put(entry, held));
    this.#record({ namespace, key, value, version, revision, op: "set" }, doer);
    return { op: "set", entry };
  }

  #delete({ namespace, key }: Name, held: Held, doer: Doer, revision: number): number {
    const version = held.version + 1;
    this.#store.remove(namespace, key, version, revision);
    this.#tally.removed({ namespace, key }, held);
    this.#record({ namespace, key, value: null, version, revision, op: "delete" }, doer);
    return version;
  }

  #expire({ keys }: ExpireCommand): ApplyResult {
    const revision = this.#draft.revision + 1;
    const results = keys.map(({ namespace, key, version }): WriteResult => {
      const held = this.#store.held(namespace, key);
      const due = held !== null && held.version === version && this.#isExpired(held);
      if (!due) return { op: "delete", namespace, key, deleted: false, version: 0 };
      const removed = this.#delete({ namespace, key }, held, EXPIRY, revision);
      return { op: "delete", namespace, key, deleted: true, version: removed };
    });
    return { kind: "committed", revision: this.#draft.revision, results };
  }

  /** Conditional on the version: a value written meanwhile is sealed as it should be already. */
  #reseal({ entries, changes }: ResealCommand): ApplyResult {
    for (const { namespace, key, version, value } of entries) {
      this.#store.resealEntry(namespace, key, version, value);
    }
    if (changes.length > 0) {
      this.#store.resealChanges(new Map(changes.map(({ seq, value }) => [seq, value])));
    }
    return { kind: "committed", revision: this.#draft.revision, results: [] };
  }

  #record(change: Omit<StoredChange, "seq" | "at" | "actor">, doer: Doer): void {
    const draft = this.#draft;
    const seq = draft.seq + 1;
    const { revision, namespace, key, op, value, version } = change;
    const what = { namespace, key, op, value, version };
    const recorded: StoredChange = { seq, revision, ...what, actor: doer.actor, at: draft.timeMs };
    const bytes = CHANGE_BYTES + (change.value?.length ?? 0);
    this.#store.record(recorded, bytes);
    this.#tally.changed(recorded, doer.credential);
    this.#changes.push(recorded);
    draft.seq = seq;
    draft.revision = change.revision;
    draft.changesCount += 1;
    draft.changesBytes += bytes;
  }

  /** Bounds the history; runs in apply, so every member forgets the same revisions (C4). */
  #compact(): void {
    const { changesMax, bytesMax } = this.#history;
    const draft = this.#draft;
    while (draft.changesCount > changesMax || draft.changesBytes > bytesMax) {
      const dropped = this.#store.dropOldestRevision(draft.revision);
      if (dropped === null) return;
      draft.compactedRevision = dropped.revision;
      draft.changesCount -= dropped.count;
      draft.changesBytes -= dropped.bytes;
      draft.versionFloor = Math.max(draft.versionFloor, dropped.versionFloor);
    }
  }

  /** The row a reader would see: one rule for reads and conditions, judged by replicated time. */
  #live(held: Held | null | undefined): Held | null {
    return held === null || held === undefined || this.#isExpired(held) ? null : held;
  }

  #isExpired({ expiresAt }: Pick<Held, "expiresAt">): boolean {
    return expiresAt !== null && expiresAt <= this.#draft.timeMs;
  }

  /** A key deleted and set again goes on counting, so an old `cas` can never match by accident. */
  #takeBuriedVersion(namespace: string, key: string): number {
    const buried = this.#store.tombstone(namespace, key);
    if (buried === null) return this.#draft.versionFloor;
    this.#store.dropTombstone(namespace, key);
    return buried;
  }
}
