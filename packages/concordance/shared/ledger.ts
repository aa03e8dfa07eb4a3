/**
 * Owns what `state.db` keeps by tenant: what each holds, and who changed what. The latest lines of a history are in
 * memory until a commit or their number puts them into a block, a row each (as in change-log.ts, and for its reasons).
 * Rows in, rows out. Refuses to own: when something is counted or recorded (service/fsm.ts).
 */
import type { Database } from "bun:sqlite";

/** What a root (a tenant, or `system`) holds; bytes are those of names and values in UTF-8. */
export interface Usage {
  readonly keys: number;
  readonly bytes: number;
  /** Lines of its audit history. */
  readonly audited: number;
  /** Lines at or below this `seq` are forgotten. */
  readonly auditFloor: number;
  /** The `seq` of every so many lines, oldest first: where the floor may come to be (service/tally.ts). */
  readonly auditMarks: readonly number[];
}
type UsageRow = Omit<Usage, "auditMarks"> & { readonly marks: string };
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
/** `seq, revision, at, actor, credential, op, namespace, key, version` */
type Fields = [number, number, number, string, string, AuditRow["op"], string, string, number];

/** Lines of history a root keeps; the oldest go, `slack` at a time. Part of the replicated rules. */
export interface AuditLimits {
  readonly rowsMax: number;
  readonly slack: number;
}
export const AUDIT: AuditLimits = { rowsMax: 10_000, slack: 1_000 };

const BLOCK_LINES = 512;
const NOTHING: Usage = { keys: 0, bytes: 0, audited: 0, auditFloor: 0, auditMarks: [] };

export class Ledger {
  readonly #statements: ReturnType<typeof prepare>;
  /** By root, in no block yet. */
  readonly #latest = new Map<string, AuditRow[]>();

  constructor(db: Database) {
    this.#statements = prepare(db);
  }

  usage(root: string): Usage {
    const row = this.#statements.usage.get(root);
    return row === null ? NOTHING : usageOf(row);
  }

  saveUsage(root: string, { keys, bytes, audited, auditFloor, auditMarks }: Usage): void {
    const marks = JSON.stringify(auditMarks);
    this.#statements.saveUsage.run(root, keys, bytes, audited, auditFloor, marks);
  }

  /** The roots that hold most, for those who watch over them. */
  largest(rootsMax: number): readonly (Usage & { readonly root: string })[] {
    const rows = this.#statements.largest.all(rootsMax);
    return rows.map((row) => ({ root: row.root, ...usageOf(row) }));
  }

  record(row: AuditRow): void {
    const lines = this.#latest.get(row.root);
    if (lines === undefined) this.#latest.set(row.root, [row]);
    else if (lines.push(row) >= BLOCK_LINES) this.#write(row.root, lines);
  }

  /** Writes what is in no block yet, in the transaction that is open. */
  flush(): void {
    for (const [root, lines] of this.#latest) this.#write(root, lines);
  }

  /** Forgets what was not committed, once the database has. */
  reset(): void {
    this.#latest.clear();
  }

  /** Forgets the lines at or below `floor`: at once to those who ask, in the file when all of a block are. */
  forget(root: string, floor: number): void {
    this.#statements.drop.run(root, floor);
  }

  /** Lines with a greater `seq`, oldest first. */
  history(root: string, afterSeq: number, rowsMax: number): readonly AuditRow[] {
    const from = Math.max(afterSeq, this.usage(root).auditFloor);
    const found: AuditRow[] = [];
    const take = (lines: readonly AuditRow[]): boolean => {
      for (const line of lines) {
        if (found.length >= rowsMax) return true;
        if (line.seq > from) found.push(line);
      }
      return false;
    };
    for (const { lines } of this.#statements.after.iterate(root, from)) {
      if (take(decoded(root, lines))) return found;
    }
    take(this.#latest.get(root) ?? []);
    return found;
  }

  #write(root: string, lines: readonly AuditRow[]): void {
    this.#latest.delete(root);
    const last = lines.at(-1);
    if (last !== undefined) this.#statements.add.run(root, last.seq, encoded(lines));
  }
}

/** Makes blocks of the table that format 2 kept a row for each line in, and drops it. */
export function linesFromRows(db: Database): void {
  const ledger = new Ledger(db);
  const found = new Map<string, { lines: number; marks: number[] }>();
  for (const row of db.query<AuditRow, []>("SELECT * FROM audit ORDER BY seq").iterate()) {
    ledger.record(row);
    const of = found.get(row.root) ?? { lines: 0, marks: [] };
    found.set(row.root, of);
    of.lines += 1;
    if (of.lines % AUDIT.slack === 0) of.marks.push(row.seq);
  }
  ledger.flush();
  for (const [root, { lines: audited, marks: auditMarks }] of found) {
    ledger.saveUsage(root, { ...ledger.usage(root), audited, auditMarks });
  }
  db.run("DROP TABLE audit");
}

function usageOf({ keys, bytes, audited, auditFloor, marks }: UsageRow): Usage {
  return { keys, bytes, audited, auditFloor, auditMarks: JSON.parse(marks) as readonly number[] };
}

function encoded(lines: readonly AuditRow[]): string {
  const fields = lines.map((line): Fields => {
    const { seq, revision, at, actor, credential, op, namespace, key, version } = line;
    return [seq, revision, at, actor, credential, op, namespace, key, version];
  });
  return JSON.stringify(fields);
}

function decoded(root: string, text: string): readonly AuditRow[] {
  return (JSON.parse(text) as readonly Fields[]).map(
    ([seq, revision, at, actor, credential, op, namespace, key, version]) => {
      const facts = { seq, revision, at, actor, credential, op, namespace, key, version };
      return { root, ...facts };
    },
  );
}

function prepare(db: Database) {
  const usage = "keys, bytes, audited, audit_floor AS auditFloor, audit_marks AS marks";
  return {
    usage: db.query<UsageRow, [string]>(`SELECT ${usage} FROM usage WHERE root = ?`),
    saveUsage: db.query("INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?, ?, ?)"),
    largest: db.query<UsageRow & { root: string }, [number]>(
      `SELECT root, ${usage} FROM usage ORDER BY bytes DESC, root LIMIT ?`,
    ),
    add: db.query("INSERT INTO audit_blocks VALUES (?, ?, ?)"),
    after: db.query<{ lines: string }, [string, number]>(
      "SELECT lines FROM audit_blocks WHERE root = ? AND last_seq > ? ORDER BY last_seq",
    ),
    drop: db.query("DELETE FROM audit_blocks WHERE root = ? AND last_seq <= ?"),
  };
}
