/** Owns virtual time: what is to happen when, in order of time and then of scheduling. */

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A binary heap, so that a run of a hundred thousand events is not a hundred thousand sorts. */
export class Timeline {
  nowMs = 0;
  readonly #heap: Event[] = [];
  #order = 0;

  after(delayMs: number, run: () => void): void {
    this.#push({ atMs: this.nowMs + delayMs, order: this.#order, run });
    this.#order += 1;
  }

  /** Runs everything due up to `endMs`, with `then` after each. */
  runUntil(endMs: number, then: () => void): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#pop();
      this.nowMs = next.atMs;
      next.run();
      then();
    }
    this.nowMs = endMs;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    heap.push(event);
    let at = heap.length - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!earlier(heap, at, parent)) return;
      swap(heap, at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    let at = 0;
    for (;;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && earlier(heap, left, least)) least = left;
      if (right < heap.length && earlier(heap, right, least)) least = right;
      if (least === at) return;
      swap(heap, at, least);
      at = least;
    }
  }
}

function earlier(heap: readonly Event[], a: number, b: number): boolean {
  const [one, two] = [heap[a], heap[b]];
  if (one === undefined || two === undefined) return false;
  return one.atMs < two.atMs || (one.atMs === two.atMs && one.order < two.order);
}

function swap(heap: Event[], a: number, b: number): void {
  const [one, two] = [heap[a], heap[b]];
  if (one === undefined || two === undefined) return;
  heap[a] = two;
  heap[b] = one;
}
