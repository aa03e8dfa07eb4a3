/**
 * Owns the change log of `state.db`: the latest changes in memory, and all of them in blocks, a row each, so that a
 * change needs no statement of its own. What is not in a block yet gets there with the commit that saves the bookmark
 * (`flush`): a crash takes back both, and the log of Raft brings both again (C3). Where a block ends differs from
 * member to member, what is retained does not: it goes by revisions, and a block goes when all of its have gone.
 * Refuses to own: when something changes or is forgotten (service/fsm.ts).
 */
import type { Database } from "bun:sqlite";
import type { PageLimits, StoredChange } from "./store.ts";
import { covers } from "./types.ts";

/** A revision that left the log; bytes are what its changes were weighed at when they came. */
export interface DroppedRevision {
  readonly revision: number;
  readonly count: number;
  readonly bytes: number;
}
export interface ChangesThrough {
  readonly items: readonly StoredChange[];
  /** The last revision that the items account for. */
  readonly through: number;
}
interface Kept {
  readonly change: StoredChange;
  readonly bytes: number;
}
interface BlockName {
  readonly lastSeq: number;
  readonly lastRevision: number;
  /** JSON of the namespaces in it; null when that would be long. */
  readonly namespaces: string | null;
}
/** The oldest block that still counts, by revision. */
interface Head {
  readonly lastSeq: number;
  readonly revisions: readonly DroppedRevision[];
  next: number;
}
/** `seq, revision, namespace, key, op, value, version, actor, at, bytes` */
type Fields = [
  number,
  number,
  string,
  string,
  StoredChange["op"],
  string | null,
  number,
  string,
  number,
  number,
];

/** A block is written at so much, if no commit writes it sooner; a revision is never divided. */
const BLOCK_CHANGES = 512;
const BLOCK_CHARS = 1_048_576;
/** Kept in memory after they were written, for watchers that follow closely. */
const RECENT_CHANGES = 1_024;
/** A list of 512 namespaces as people name them is shorter. */
const NAMES_CHARS_MAX = 32_768;
const DECODED_BLOCKS = 2;
/** Opened for one page: a block takes up to a millisecond, and nothing else happens meanwhile. */
const OPENED_MAX = 8;
/** Of a sealed text: `enc1:`, the id of its key, and a colon (service/cipher.ts). No JSON text begins like it. */
const SEAL = "enc1:";
const SEAL_CHARS = 14;

export class ChangeLog {
  readonly #statements: ReturnType<typeof prepare>;
  /** Without holes; the last one is the last of the log. */
  #recent: Kept[] = [];
  /** How many of `#recent` are in a block. */
  #written = 0;
  #unwrittenChars = 0;
  /** The last revision that is in blocks only. */
  #recentAfter: number;
  /** The last revision that is gone. */
  #floor: number;
  #head: Head | null = null;
  readonly #decoded = new Map<number, readonly Kept[]>();

  /** `floor`: changes at or below this revision are gone. */
  constructor(db: Database, floor: number) {
    this.#statements = prepare(db);
    this.#floor = floor;
    this.#recentAfter = this.#lastWritten();
  }

  /** Forgets what was not committed, once the database has. */
  reset(floor: number): void {
    this.#forgetRecent();
    this.#floor = floor;
    this.#head = null;
    this.#decoded.clear();
  }

  append(change: StoredChange, bytes: number): void {
    const full =
      this.#recent.length - this.#written >= BLOCK_CHANGES || this.#unwrittenChars >= BLOCK_CHARS;
    if (full && this.#recent.at(-1)?.change.revision !== change.revision) this.flush();
    this.#recent.push({ change, bytes });
    this.#unwrittenChars += change.value?.length ?? 0;
  }

  /** Writes what is in no block yet, in the transaction that is open. */
  flush(): void {
    const block = this.#written === 0 ? this.#recent : this.#recent.slice(this.#written);
    const last = block.at(-1)?.change;
    if (last === undefined) return;
    const [names, seals, weights] = [namespacesOf(block), sealsOf(block), weightsOf(block)];
    this.#statements.add.run(last.seq, last.revision, names, seals, weights, encoded(block));
    this.#written = this.#recent.length;
    this.#unwrittenChars = 0;
    this.#trim();
  }

  /**
   * Changes with a greater revision, of a namespace and all beneath it or of all; whole revisions only. A page may
   * hold less than fits, even nothing, when many blocks had to be opened for it: `through` tells where to go on.
   * `newest`: what a page that holds all there is accounts for.
   */
  after(
    revision: number,
    namespace: string | null,
    limits: PageLimits,
    newest: number,
  ): ChangesThrough {
    const from = Math.max(revision, this.#floor);
    const page = new Page(namespace, limits);
    const stoppedAt =
      from >= this.#recentAfter ? null : this.#fillFromBlocks(page, from, namespace);
    if (stoppedAt !== null) return { items: page.items, through: stoppedAt };
    const start = from >= this.#recentAfter ? firstAfter(this.#recent, from) : this.#written;
    const isFull = page.fill(this.#recent, start);
    const through = isFull ? page.lastRevision : null;
    return { items: page.items, through: through ?? Math.max(revision, newest) };
  }

  /** The revision that the page accounts for, when it ends within the blocks. */
  #fillFromBlocks(page: Page, from: number, namespace: string | null): number | null {
    const named = namespace === null ? null : JSON.stringify(namespace).slice(0, -1);
    let opened = 0;
    for (const name of this.#statements.after.iterate(from, named)) {
      if (!mayHold(name, namespace)) continue;
      const block = this.#block(name.lastSeq);
      if (page.fill(block, firstAfter(block, from))) return page.lastRevision;
      opened += 1;
      if (opened === OPENED_MAX) return name.lastRevision;
    }
    return null;
  }

  /** Drops the oldest revision. Null when `newest` is the only one left. */
  dropOldest(newest: number): DroppedRevision | null {
    const head = this.#head ?? this.#loadHead();
    const dropped = head?.revisions[head.next];
    if (head === null || dropped === undefined || dropped.revision >= newest) return null;
    this.#floor = dropped.revision;
    head.next += 1;
    if (head.next < head.revisions.length) return dropped;
    this.#statements.drop.run(head.lastSeq);
    this.#decoded.delete(head.lastSeq);
    this.#head = null;
    return dropped;
  }

  /** Retained changes whose value is sealed, but not under `keyId`. */
  sealedOtherwise(keyId: string, limit: number): readonly StoredChange[] {
    const found: StoredChange[] = [];
    for (const change of this.#sealedOtherwise(keyId)) {
      if (found.length >= limit) break;
      found.push(change);
    }
    return found;
  }

  /** How many `sealedOtherwise` would answer without a limit. */
  countSealedOtherwise(keyId: string): number {
    let count = 0;
    for (const _ of this.#sealedOtherwise(keyId)) count += 1;
    return count;
  }

  /** Puts other texts in the place of values, by `seq`; those that are gone or hold none are left. */
  reseal(values: ReadonlyMap<number, string>): void {
    this.flush();
    this.#forgetRecent();
    const blocks = new Set<number>();
    for (const seq of values.keys()) {
      const found = this.#statements.holding.get(seq);
      if (found !== null) blocks.add(found.lastSeq);
    }
    for (const lastSeq of blocks) this.#resealBlock(lastSeq, values);
  }

  #resealBlock(lastSeq: number, values: ReadonlyMap<number, string>): void {
    const block = this.#block(lastSeq).map(({ change, bytes }): Kept => {
      const value = change.value === null ? undefined : values.get(change.seq);
      return value === undefined ? { change, bytes } : { change: { ...change, value }, bytes };
    });
    this.#statements.rewrite.run(sealsOf(block), encoded(block), lastSeq);
    this.#decoded.delete(lastSeq);
  }

  *#sealedOtherwise(keyId: string): Generator<StoredChange> {
    this.flush();
    const like = `${SEAL}${keyId}:`;
    for (const { lastSeq } of this.#statements.sealed.all(like)) {
      for (const { change } of this.#block(lastSeq)) {
        const { value, revision } = change;
        const otherwise = value?.startsWith(SEAL) === true && !value.startsWith(like);
        if (otherwise && revision > this.#floor) yield change;
      }
    }
  }

  /** Where nothing is in a block yet, what there is becomes one. */
  #loadHead(): Head | null {
    const first = this.#statements.first.get(this.#floor);
    if (first === null) {
      if (this.#written === this.#recent.length) return null;
      this.flush();
      return this.#loadHead();
    }
    const all = revisionsOf(first.weights);
    const revisions = all.filter(({ revision }) => revision > this.#floor);
    this.#head = { lastSeq: first.lastSeq, revisions, next: 0 };
    return this.#head;
  }

  #block(lastSeq: number): readonly Kept[] {
    const known = this.#decoded.get(lastSeq);
    if (known !== undefined) return known;
    const stored = this.#statements.block.get(lastSeq);
    if (stored === null) throw new Error(`the change log has no block ${lastSeq}`);
    const block = decoded(stored.changes);
    if (this.#decoded.size >= DECODED_BLOCKS) {
      for (const oldest of this.#decoded.keys()) {
        this.#decoded.delete(oldest);
        break;
      }
    }
    this.#decoded.set(lastSeq, block);
    return block;
  }

  #trim(): void {
    const over = this.#recent.length - RECENT_CHANGES;
    if (over <= 0) return;
    // Half of them, so that the rest is not moved for each block.
    const gone = this.#recent.splice(0, over + RECENT_CHANGES / 2);
    this.#written -= gone.length;
    this.#recentAfter = gone.at(-1)?.change.revision ?? this.#recentAfter;
  }

  #forgetRecent(): void {
    this.#recent = [];
    this.#written = 0;
    this.#unwrittenChars = 0;
    this.#recentAfter = this.#lastWritten();
  }

  #lastWritten(): number {
    return this.#statements.last.get()?.revision ?? 0;
  }
}

/** Collects one answer: whole revisions, until it is full. */
class Page {
  readonly items: StoredChange[] = [];
  readonly #namespace: string | null;
  readonly #limits: PageLimits;
  #chars = 0;

  constructor(namespace: string | null, limits: PageLimits) {
    this.#namespace = namespace;
    this.#limits = limits;
  }

  /** Takes from `start` on; true when there is no room for the next revision. */
  fill(changes: readonly Kept[], start: number): boolean {
    const { itemsMax, bytesMax } = this.#limits;
    for (let at = start; at < changes.length; at += 1) {
      const change = changes[at]?.change;
      if (change === undefined || !this.#isAsked(change)) continue;
      const full = this.items.length >= itemsMax || this.#chars >= bytesMax;
      if (full && this.lastRevision !== null && this.lastRevision !== change.revision) return true;
      this.items.push(change);
      this.#chars += change.value?.length ?? 0;
    }
    return false;
  }

  get lastRevision(): number | null {
    return this.items.at(-1)?.revision ?? null;
  }

  #isAsked({ namespace }: StoredChange): boolean {
    return this.#namespace === null || covers(this.#namespace, namespace);
  }
}

/** Makes blocks of the tables that formats 1 and 2 kept a row for each change in, and drops them. */
export function blocksFromRows(db: Database): void {
  const log = new ChangeLog(db, 0);
  const rows = db.query<StoredChange & { bytes: number }, []>("SELECT * FROM changes ORDER BY seq");
  for (const { bytes, ...change } of rows.iterate()) log.append(change, bytes);
  log.flush();
  db.run("DROP TABLE changes");
}

function prepare(db: Database) {
  return {
    add: db.query("INSERT INTO change_blocks VALUES (?, ?, ?, ?, ?, ?)"),
    // The quoted beginning of a namespace finds it and those beneath it, and few others.
    after: db.query<BlockName, [number, string | null]>(
      `SELECT last_seq AS lastSeq, last_revision AS lastRevision, namespaces FROM change_blocks
       WHERE last_revision > ?1 AND (?2 IS NULL OR namespaces IS NULL OR instr(namespaces, ?2) > 0)
       ORDER BY last_revision`,
    ),
    block: db.query<{ changes: string }, [number]>(
      "SELECT changes FROM change_blocks WHERE last_seq = ?",
    ),
    first: db.query<{ lastSeq: number; weights: string }, [number]>(
      `SELECT last_seq AS lastSeq, weights FROM change_blocks WHERE last_revision > ?
       ORDER BY last_revision LIMIT 1`,
    ),
    last: db.query<{ revision: number | null }, []>(
      "SELECT max(last_revision) AS revision FROM change_blocks",
    ),
    holding: db.query<{ lastSeq: number }, [number]>(
      "SELECT last_seq AS lastSeq FROM change_blocks WHERE last_seq >= ? ORDER BY last_seq LIMIT 1",
    ),
    sealed: db.query<{ lastSeq: number }, [string]>(
      `SELECT last_seq AS lastSeq FROM change_blocks WHERE seals IS NOT NULL AND seals <> ?
       ORDER BY last_seq`,
    ),
    rewrite: db.query("UPDATE change_blocks SET seals = ?, changes = ? WHERE last_seq = ?"),
    drop: db.query("DELETE FROM change_blocks WHERE last_seq = ?"),
  };
}

function encoded(block: readonly Kept[]): string {
  const fields = block.map(({ change, bytes }): Fields => {
    const { seq, revision, namespace, key, op, value, version, actor, at } = change;
    return [seq, revision, namespace, key, op, value, version, actor, at, bytes];
  });
  return JSON.stringify(fields);
}

function decoded(text: string): readonly Kept[] {
  return (JSON.parse(text) as readonly Fields[]).map(
    ([seq, revision, namespace, key, op, value, version, actor, at, bytes]) => ({
      change: { seq, revision, namespace, key, op, value, version, actor, at },
      bytes,
    }),
  );
}

function namespacesOf(block: readonly Kept[]): string | null {
  const names = JSON.stringify([...new Set(block.map(({ change }) => change.namespace))]);
  return names.length > NAMES_CHARS_MAX ? null : names;
}

/** The seals in a block, each once: what it takes to pass over those sealed as they should be. */
function sealsOf(block: readonly Kept[]): string | null {
  const seals = new Set<string>();
  for (const { change } of block) {
    if (change.value?.startsWith(SEAL) === true) seals.add(change.value.slice(0, SEAL_CHARS));
  }
  return seals.size === 0 ? null : [...seals].join("");
}

function mayHold({ namespaces }: BlockName, asked: string | null): boolean {
  if (asked === null || namespaces === null) return true;
  return (JSON.parse(namespaces) as readonly string[]).some((one) => covers(asked, one));
}

/** `revision, count, bytes` of each revision, one after the other: what forgetting it takes, without its changes. */
function weightsOf(block: readonly Kept[]): string {
  const weights: number[] = [];
  let [revision, count, sum] = [block[0]?.change.revision ?? 0, 0, 0];
  for (const { change, bytes } of block) {
    if (change.revision !== revision) {
      weights.push(revision, count, sum);
      [revision, count, sum] = [change.revision, 0, 0];
    }
    count += 1;
    sum += bytes;
  }
  weights.push(revision, count, sum);
  return JSON.stringify(weights);
}

function revisionsOf(weights: string): readonly DroppedRevision[] {
  const numbers = JSON.parse(weights) as readonly number[];
  const revisions: DroppedRevision[] = [];
  for (let at = 0; at < numbers.length; at += 3) {
    const [revision = 0, count = 0, bytes = 0] = numbers.slice(at, at + 3);
    revisions.push({ revision, count, bytes });
  }
  return revisions;
}

/** Where the changes with a greater revision begin. */
function firstAfter(changes: readonly Kept[], revision: number): number {
  let [low, high] = [0, changes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((changes[middle]?.change.revision ?? 0) > revision) high = middle;
    else low = middle + 1;
  }
  return low;
}
