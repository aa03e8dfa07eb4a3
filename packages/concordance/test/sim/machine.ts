/**
 * Owns the real state machine (service/fsm.ts on shared/store.ts) of one simulated member, in memory: a copy
 * of it is what a checkpoint leaves on disk, and what a snapshot carries.
 */
import { Database } from "bun:sqlite";
import { type ApplyResult, Fsm, type HistoryLimits } from "../../service/fsm.ts";
import type { LogEntry } from "../../service/raft/types.ts";
import { STATE_DDL } from "../../shared/schema.ts";
import { claimState, KvStore, type StoredChange } from "../../shared/store.ts";
import { allChanges } from "../state-machine.ts";

/** A whole state as bytes. */
export type Image = Uint8Array;

/** So little that watchers meet compaction within one run. */
const HISTORY: HistoryLimits = { changesMax: 120, bytesMax: 1_048_576 };
const TABLES = ["applied", "kv", "tombstones", "requests", "usage"] as const;

export class SimMachine {
  readonly store: KvStore;
  readonly #fsm: Fsm;
  #db: Database;

  /** Continues from `image`, or starts empty. */
  constructor(image: Image | null) {
    this.#db = opened(image);
    this.store = new KvStore(this.#db);
    this.#fsm = new Fsm(this.store, HISTORY);
  }

  get index(): number {
    return this.store.position.appliedIndex;
  }

  onChanges(listener: (changes: readonly StoredChange[]) => void): void {
    this.#fsm.onChanges(listener);
  }

  apply(entries: readonly LogEntry[]): readonly (ApplyResult | null)[] {
    return this.#fsm.apply(entries);
  }

  /** What a commit at this moment would leave in the file. */
  image(): Image {
    return this.store.between(() => this.#db.serialize());
  }

  /** Goes on with a received state. */
  replace(image: Image): void {
    this.close();
    this.#db = opened(image);
    this.store.swap(this.#db);
  }

  close(): void {
    this.store.release();
    this.#db.close();
  }

  /** Of every row and every change: equal on all members at equal applied index. */
  hash(): number {
    this.#fsm.flush();
    const changes = JSON.stringify(allChanges(this.store));
    return TABLES.reduce((hash, table) => {
      const rows = this.#db.query(`SELECT * FROM ${table} ORDER BY 1, 2`).values();
      return Bun.hash.crc32(JSON.stringify(rows), hash);
    }, Bun.hash.crc32(changes));
  }
}

function opened(image: Image | null): Database {
  if (image !== null) return Database.deserialize(image, { strict: true });
  const db = new Database(":memory:", { strict: true });
  db.run(STATE_DDL);
  claimState(db, "sim");
  return db;
}
