/**
 * Owns the tables of `state.db` that are kept by tenant: what each holds, and who changed what. Rows in,
 * rows out. Refuses to own: when something is counted or recorded (service/fsm.ts).
 */
import type { Database } from "bun:sqlite";

/** What a root (a tenant, or `system`) holds; bytes are those of names and values in UTF-8. */
export interface Usage {
  readonly keys: number;
  readonly bytes: number;
  /** Rows of its audit history. */
  readonly audited: number;
}
/** One change without its value. */
export interface AuditRow {
  readonly root: string;
  /** Of the change in the change log. */
  readonly seq: number;
  readonly revision: number;
  /** Epoch milliseconds, replicated time. */
  readonly at: number;
  readonly actor: string;
  /** What the writer proved to be: `api`, the id of a tenant key, or `system`. */
  readonly credential: string;
  readonly op: "set" | "delete";
  readonly namespace: string;
  readonly key: string;
  readonly version: number;
}

export class Ledger {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  usage(root: string): Usage {
    return this.#statements.usage.get(root) ?? { keys: 0, bytes: 0, audited: 0 };
  }

  saveUsage(root: string, { keys, bytes, audited }: Usage): void {
    this.#statements.saveUsage.run(root, keys, bytes, audited);
  }

  /** The roots that hold most, for those who watch over them. */
  largest(rootsMax: number): readonly (Usage & { readonly root: string })[] {
    return this.#statements.largest.all(rootsMax);
  }

  record(row: AuditRow): void {
    const { root, seq, revision, at, actor, credential, op, namespace, key, version } = row;
    const when = [root, seq, revision, at] as const;
    this.#statements.record.run(...when, actor, credential, op, namespace, key, version);
  }

  /** Forgets the oldest `count` rows of a root. */
  forget(root: string, count: number): void {
    this.#statements.forget.run(root, count);
  }

  /** Rows with a greater `seq`, oldest first. */
  history(root: string, afterSeq: number, rowsMax: number): readonly AuditRow[] {
    return this.#statements.history.all(root, afterSeq, rowsMax);
  }
}

function prepare(db: Database) {
  return {
    usage: db.query<Usage, [string]>("SELECT keys, bytes, audited FROM usage WHERE root = ?"),
    saveUsage: db.query("INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?)"),
    largest: db.query<Usage & { root: string }, [number]>(
      "SELECT root, keys, bytes, audited FROM usage ORDER BY bytes DESC, root LIMIT ?",
    ),
    record: db.query("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    forget: db.query(
      `DELETE FROM audit WHERE root = ?1 AND seq <=
       (SELECT max(seq) FROM (SELECT seq FROM audit WHERE root = ?1 ORDER BY seq LIMIT ?2))`,
    ),
    history: db.query<AuditRow, [string, number, number]>(
      "SELECT * FROM audit WHERE root = ? AND seq > ? ORDER BY seq LIMIT ?",
    ),
  };
}
