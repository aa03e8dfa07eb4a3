/**
 * Owns judging times to live: a key goes never early, never after it was renewed, and not much too late;
 * and nobody reads it past its time (C5, pitfall 32). Pure. Times are replicated time, as stamped into the
 * log, except where true time is named: only the two together show a clock that fools everybody alike.
 */

/** One change of a key that may have a time to live. */
export interface TtlChange {
  readonly key: string;
  readonly version: number;
  readonly revision: number;
  readonly kind: "set" | "delete" | "expiry";
  /** Replicated time of the change. */
  readonly atMs: number;
  /** Of a set that has one. */
  readonly expiresAtMs: number | null;
  /** True time: of a set, when it was asked for; of an expiry, when it was first applied anywhere. */
  readonly trueMs: number;
}
/** What somebody found, and as of when. */
export interface TtlRead {
  readonly key: string;
  readonly revision: number;
  /** Replicated time of the state that was read. */
  readonly timeMs: number;
  /** Null when there was no such key. */
  readonly version: number | null;
}
export interface TtlBounds {
  /** Replicated time at the end; keys due so much earlier must be gone. */
  readonly endMs: number;
  readonly lateMs: number;
  /** How far true time may lag behind the stamps; null when clocks jumped and say nothing. */
  readonly clockErrorMs: number | null;
}

/** Null when every key lived as long as it should, else what went wrong. */
export function ttlViolation(
  changes: readonly TtlChange[],
  reads: readonly TtlRead[],
  bounds: TtlBounds,
): string | null {
  const byKey = new Map<string, TtlChange[]>();
  for (const change of changes) byKey.set(change.key, [...(byKey.get(change.key) ?? []), change]);
  for (const history of byKey.values()) {
    const wrong = expiryViolation(history, bounds) ?? lateViolation(history.at(-1), bounds);
    if (wrong !== null) return wrong;
  }
  for (const read of reads) {
    const wrong = readViolation(byKey.get(read.key) ?? [], read);
    if (wrong !== null) return wrong;
  }
  return null;
}

function expiryViolation(
  history: readonly TtlChange[],
  { clockErrorMs }: TtlBounds,
): string | null {
  for (const [position, change] of history.entries()) {
    if (change.kind !== "expiry") continue;
    const what = `version ${change.version} of ${change.key}`;
    const before = history[position - 1];
    if (before?.kind !== "set") return `${what} is an expiry of nothing`;
    if (before.expiresAtMs === null) return `renewed: ${what} removed a key that was to stay`;
    if (change.atMs < before.expiresAtMs) {
      return `early: ${what} went at ${change.atMs}, due at ${before.expiresAtMs}`;
    }
    const ttlMs = before.expiresAtMs - before.atMs;
    const lived = change.trueMs - before.trueMs;
    if (clockErrorMs !== null && lived < ttlMs - clockErrorMs) {
      return `early: ${what} lived ${lived} ms of true time, not ${ttlMs}`;
    }
  }
  return null;
}

function lateViolation(last: TtlChange | undefined, { endMs, lateMs }: TtlBounds): string | null {
  if (last?.kind !== "set" || last.expiresAtMs === null) return null;
  if (last.expiresAtMs + lateMs >= endMs) return null;
  return `late: version ${last.version} of ${last.key} was due at ${last.expiresAtMs}, by ${endMs} it is still there`;
}

function readViolation(history: readonly TtlChange[], read: TtlRead): string | null {
  const current = history.findLast(({ revision }) => revision <= read.revision);
  const what = `${read.key} at revision ${read.revision}`;
  const due = current?.kind === "set" ? (current.expiresAtMs ?? Infinity) : -Infinity;
  const lives = due > read.timeMs;
  if (read.version === null) {
    return lives ? `early: ${what} was gone at ${read.timeMs}, due at ${due}` : null;
  }
  if (!lives) return `late: ${what} was read at ${read.timeMs}, due at ${due}`;
  if (read.version !== current?.version) return `${what} was read as version ${read.version}`;
  return null;
}
