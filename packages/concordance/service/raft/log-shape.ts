/**
 * Owns what the pure core knows of a log: which term each index belongs to, as spans of equal term, above
 * the point where it was compacted. Payloads stay on disk (log.ts), so the core's memory grows with the
 * number of terms, not of writes.
 */
import { assert } from "./assert.ts";

export interface TermSpan {
  readonly term: number;
  readonly firstIndex: number;
}
export interface LogShape {
  /** The last entry that was compacted away, or 0 and 0: everything up to it is in the state. */
  readonly baseIndex: number;
  readonly baseTerm: number;
  readonly spans: readonly TermSpan[];
  readonly lastIndex: number;
}

export const EMPTY_LOG: LogShape = emptyLog(0, 0);

/** A log of which nothing is left but its base. */
export function emptyLog(baseIndex: number, baseTerm: number): LogShape {
  return { baseIndex, baseTerm, spans: [], lastIndex: baseIndex };
}

/** The term at `index`; null past the end, and for what was compacted before the base. */
export function termAt(log: LogShape, index: number): number | null {
  if (index === log.baseIndex) return log.baseTerm;
  if (index > log.lastIndex || index < log.baseIndex) return null;
  return spanAt(log, index).term;
}

export function lastTerm(log: LogShape): number {
  return log.spans.at(-1)?.term ?? log.baseTerm;
}

/** The first index of the term that holds `index`: one step back over a whole conflicting term. */
export function termStart(log: LogShape, index: number): number {
  return spanAt(log, index).firstIndex;
}

/** The shape after appending `terms[i]` at `firstIndex + i`, dropping whatever was there. */
export function withTerms(log: LogShape, firstIndex: number, terms: readonly number[]): LogShape {
  const inside = firstIndex > log.baseIndex && firstIndex <= log.lastIndex + 1;
  assert(inside, "a log has no holes");
  const spans = log.spans.filter((span) => span.firstIndex < firstIndex);
  terms.forEach((term, offset) => {
    const before = spans.at(-1)?.term ?? log.baseTerm;
    assert(term >= before, "terms never decrease along a log");
    if (term > before || spans.length === 0) spans.push({ term, firstIndex: firstIndex + offset });
  });
  return { ...log, spans, lastIndex: firstIndex - 1 + terms.length };
}

/** The shape without the entries up to `index`, which becomes the base. */
export function compacted(log: LogShape, index: number): LogShape {
  const baseTerm = termAt(log, index);
  assert(baseTerm !== null, "a log is compacted at an entry it holds");
  const kept = log.spans.filter((_, i) => (log.spans[i + 1]?.firstIndex ?? Infinity) > index + 1);
  const spans = kept.map(({ term, firstIndex }) => ({
    term,
    firstIndex: Math.max(firstIndex, index + 1),
  }));
  return {
    baseIndex: index,
    baseTerm,
    spans: index === log.lastIndex ? [] : spans,
    lastIndex: log.lastIndex,
  };
}

function spanAt(log: LogShape, index: number): TermSpan {
  assert(index > log.baseIndex && index <= log.lastIndex, "the index is inside the log");
  let low = 0;
  let high = log.spans.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((log.spans[middle]?.firstIndex ?? 0) <= index) low = middle;
    else high = middle - 1;
  }
  const span = log.spans[low];
  assert(span !== undefined, "a log with entries has spans");
  return span;
}
