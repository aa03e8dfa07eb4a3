/**
 * Owns judging a recorded history of one register: is there an order of the operations, each within the
 * time between its call and its answer, that a single register could have gone through? An operation
 * without an answer may have happened at any time after its call, or never. Pure. After Wing and Gong,
 * with Lowe's memory of configurations already tried.
 */

export type Operation = {
  readonly calledMs: number;
  /** Infinity when no answer came. */
  readonly answeredMs: number;
} & (
  | { readonly kind: "read"; readonly value: string; readonly version: number }
  | {
      readonly kind: "write";
      readonly value: string;
      readonly cas: number | null;
      /** The version made, "conflict", or null when unknown. */
      readonly answer: number | "conflict" | null;
    }
);

interface State {
  readonly value: string;
  readonly version: number;
}

/** Null when the history is linearizable, else the moment by which no order is left. */
export function violationOf(history: readonly Operation[]): number | null {
  // A read without an answer says nothing.
  const known = history.filter((one) => one.kind === "write" || one.answeredMs < Infinity);
  const seen = new Set(known.flatMap((one) => (one.kind === "read" ? [one.value] : [])));
  // Values nobody read are all alike, which keeps the number of configurations small.
  const operations = known
    .map((one) => (seen.has(one.value) ? one : { ...one, value: UNSEEN }))
    .toSorted((a, b) => a.calledMs - b.calledMs);
  return new Search(operations).run();
}

const UNSEEN = "?";

class Search {
  readonly #operations: readonly Operation[];
  readonly #done: boolean[];
  readonly #tried = new Set<string>();
  #furthestMs = 0;

  constructor(operations: readonly Operation[]) {
    this.#operations = operations;
    this.#done = operations.map(() => false);
  }

  run(): number | null {
    return this.#from(0, { value: "", version: 0 }) ? null : this.#furthestMs;
  }

  /** `first`: everything before it is done. */
  #from(first: number, state: State): boolean {
    while (this.#done[first] === true) first += 1;
    const { boundMs, open, candidates } = this.#open(first);
    if (boundMs === Infinity) return true;
    this.#furthestMs = Math.max(this.#furthestMs, boundMs);
    const key = `${open.join()}|${state.value}|${state.version}`;
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    return candidates.some((position) => {
      const operation = this.#operations[position];
      const next = operation === undefined ? null : after(state, operation);
      if (next === null) return false;
      this.#done[position] = true;
      if (this.#from(first, next)) return true;
      this.#done[position] = false;
      return false;
    });
  }

  /** What may come next: called before the earliest answer that is still owed. */
  #open(first: number) {
    let boundMs = Infinity;
    const open: number[] = [];
    for (let position = first; position < this.#operations.length; position += 1) {
      const operation = this.#operations[position];
      if (operation === undefined || operation.calledMs > boundMs) break;
      if (this.#done[position] === true) continue;
      open.push(position);
      boundMs = Math.min(boundMs, operation.answeredMs);
    }
    const called = (position: number) => this.#operations[position]?.calledMs ?? 0;
    const answered = (position: number) => this.#operations[position]?.answeredMs ?? 0;
    const candidates = open
      .filter((position) => called(position) <= boundMs)
      .toSorted((a, b) => answered(a) - answered(b));
    return { boundMs, open: candidates, candidates: this.#withoutTwins(candidates) };
  }

  /** Unknown, unseen writes under one condition differ in nothing: trying the first tries them all. */
  #withoutTwins(candidates: readonly number[]): readonly number[] {
    const conditions = new Set<number | null>();
    return candidates.filter((position) => {
      const operation = this.#operations[position];
      if (operation?.kind !== "write" || operation.answer !== null) return true;
      if (operation.value !== UNSEEN) return true;
      if (conditions.has(operation.cas)) return false;
      conditions.add(operation.cas);
      return true;
    });
  }
}

/** The register after `operation`, or null when it cannot have happened here with its answer. */
function after(state: State, operation: Operation): State | null {
  if (operation.kind === "read") {
    const same = operation.value === state.value && operation.version === state.version;
    return same ? state : null;
  }
  const { cas, answer, value } = operation;
  const holds = cas === null || cas === state.version;
  if (answer === "conflict") return holds ? null : state;
  // An unknown write that would change nothing may as well never have happened: one order less to try.
  if (!holds) return null;
  const version = state.version + 1;
  return answer === null || answer === version ? { value, version } : null;
}
