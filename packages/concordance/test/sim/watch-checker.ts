/**
 * Owns judging what a watcher was told against the history there was: ordered, unique, atomic, complete,
 * resumable, true, with the version and value before each change right. Pure. The properties are those that
 * etcd's robustness tests validate, whose watches broke each of them at some time.
 */

export interface WatchedChange {
  readonly seq: number;
  readonly revision: number;
  readonly namespace: string;
  readonly key: string;
  readonly op: "set" | "delete";
  /** As JSON text; null after a delete. */
  readonly value: string | null;
  readonly version: number;
  /** The value before this change, where the watcher was told it; null where there was none. */
  readonly previous?: string | null;
}
/** What one watcher was told in one go, from where it asked to resume. */
export interface Stretch {
  readonly fromRevision: number;
  readonly changes: readonly WatchedChange[];
  /** Everything up to this revision must have arrived; null = the connection may have been cut anywhere. */
  readonly throughRevision: number | null;
}

/** Null when `stretch` is what a watcher of `concerns` had to be told, else the property that it breaks. */
export function watchViolation(
  history: readonly WatchedChange[],
  stretch: Stretch,
  concerns: (change: WatchedChange) => boolean,
): string | null {
  const { fromRevision, changes, throughRevision } = stretch;
  const due = history.filter((one) => one.revision > fromRevision && concerns(one));
  const known = new Map(history.map((one) => [one.seq, one]));
  let toldSeq = 0;
  for (const [position, told] of changes.entries()) {
    const what = `change ${told.seq} of revision ${told.revision}`;
    if (told.revision <= fromRevision) return `resumable: ${what} is not after ${fromRevision}`;
    if (told.seq === toldSeq) return `unique: ${what} was told twice`;
    if (told.seq < toldSeq) return `ordered: ${what} came after ${toldSeq}`;
    const wrong = untrue(told, known.get(told.seq));
    if (wrong !== null) return `true: ${what} ${wrong}`;
    const expected = due[position];
    if (expected?.seq !== told.seq) return gap(expected, told, changes[position - 1], fromRevision);
    if (told.previous !== undefined && told.previous !== valueBefore(history, told)) {
      return `previous value: ${what} says ${told.previous}`;
    }
    toldSeq = told.seq;
  }
  const missing = due[changes.length];
  if (missing === undefined || throughRevision === null) return null;
  if (missing.revision > throughRevision) return null;
  return gap(missing, undefined, changes.at(-1), fromRevision);
}

/** Null when `history` can be the change log of a store, from its first revision still kept. */
export function historyViolation(history: readonly WatchedChange[]): string | null {
  const versions = new Map<string, number>();
  for (const [position, change] of history.entries()) {
    const before = history[position - 1];
    const name = `${change.namespace} ${change.key}`;
    const version = versions.get(name);
    versions.set(name, change.version);
    if (version !== undefined && change.version !== version + 1) {
      return `version ${change.version} of ${name} follows ${version}`;
    }
    if (before === undefined) continue;
    if (change.seq !== before.seq + 1) return `change ${change.seq} follows ${before.seq}`;
    const step = change.revision - before.revision;
    if (step !== 0 && step !== 1) return `revision ${change.revision} follows ${before.revision}`;
  }
  return null;
}

function untrue(told: WatchedChange, known: WatchedChange | undefined): string | null {
  if (known === undefined) return "never happened";
  const fields = ["revision", "namespace", "key", "op", "value", "version"] as const;
  const wrong = fields.find((field) => told[field] !== known[field]);
  return wrong === undefined ? null : `has ${wrong} ${told[wrong]}, not ${known[wrong]}`;
}

function gap(
  missing: WatchedChange | undefined,
  told: WatchedChange | undefined,
  before: WatchedChange | undefined,
  fromRevision: number,
): string {
  if (missing === undefined) return `true: change ${told?.seq} is none of this watcher's`;
  const what = `change ${missing.seq} of revision ${missing.revision} was not told`;
  if (before?.revision === missing.revision) return `atomic: ${what}, the one before it was`;
  if (before === undefined) return `resumable: ${what} after ${fromRevision}`;
  return `complete: ${what}`;
}

function valueBefore(history: readonly WatchedChange[], { seq, namespace, key }: WatchedChange) {
  const earlier = history.findLast(
    (one) => one.seq < seq && one.namespace === namespace && one.key === key,
  );
  return earlier?.value ?? null;
}
