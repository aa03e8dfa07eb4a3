/** Owns what tests of the state machine share: a fresh one in memory, entries for it, and all of its bytes. */
import { Database } from "bun:sqlite";
import { type Command, encodeCommand, type WriteOperation } from "../service/command.ts";
import { Fsm, type HistoryLimits } from "../service/fsm.ts";
import type { LogEntry } from "../service/raft/types.ts";
import type { AuditLimits } from "../shared/ledger.ts";
import { STATE_DDL } from "../shared/schema.ts";
import { claimState, KvStore, type StoredChange } from "../shared/store.ts";

export const NAMESPACE = "tenant:a/settings";
const AMPLE: HistoryLimits = { changesMax: 1_000_000, bytesMax: 1 << 30 };

export interface Timed<C extends Command = Command> {
  readonly timeMs: number;
  readonly command: C | null;
}

export function machine(history: HistoryLimits = AMPLE, audit?: AuditLimits) {
  const db = new Database(":memory:", { strict: true });
  db.run(STATE_DDL);
  claimState(db, "test");
  const store = new KvStore(db);
  return { db, store, fsm: new Fsm(store, history, audit) };
}

/** Every change that is retained, page by page. */
export function allChanges(store: KvStore): readonly StoredChange[] {
  const all = { itemsMax: Number.MAX_SAFE_INTEGER, bytesMax: Number.MAX_SAFE_INTEGER };
  const found: StoredChange[] = [];
  for (let from = 0; from < store.position.revision; ) {
    const { items, through } = store.changesAfter(from, null, all);
    found.push(...items);
    from = through;
  }
  return found;
}

/** Every row and every line of history, wherever a member keeps it: what two members must agree on byte for byte. */
export function dump(db: Database, store: KvStore): string {
  const tables = ["applied", "kv", "tombstones", "requests", "usage"];
  const rows = tables.map((table) => db.query(`SELECT * FROM ${table} ORDER BY 1, 2`).all());
  const all = Number.MAX_SAFE_INTEGER;
  const changes = allChanges(store);
  const roots = db.query<{ root: string }, []>("SELECT root FROM usage ORDER BY root").all();
  const histories = roots.map(({ root }) => store.ledger.history(root, 0, all));
  return JSON.stringify([rows, changes, histories]);
}

export const entriesOf = (timeline: readonly Timed[], after = 0): readonly LogEntry[] =>
  timeline.map(({ timeMs, command }, offset) => ({
    index: after + offset + 1,
    term: 1,
    kind: command === null ? "noop" : "command",
    timeMs,
    payload: command === null ? "" : encodeCommand(command),
  }));

export function set(key: string, valueJson: string, namespace: string = NAMESPACE) {
  const facts = { cas: null, expiresAt: null, ttlMs: null };
  return { op: "set" as const, namespace, key, valueJson, ...facts };
}

export function write(timeMs: number, ...operations: readonly WriteOperation[]) {
  return { timeMs, command: { type: "write" as const, actor: "me", operations } };
}
