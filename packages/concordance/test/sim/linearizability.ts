/**
 * Owns judging a recorded history of one key: is there an order of the operations, each within the time
 * between its call and its answer, that a single versioned register could have gone through? An operation
 * without an answer may have happened at any time after its call, or never. Pure.
 *
 * Finding such an order is hard in general, and easy here: versions count up one by one, so everything that
 * was told of a version is pinned between two writes, and what remains is to give each version a time and
 * the versions nobody told of a write. Both have one best choice, so no order is ever tried and taken back.
 * The dumb twin that does try them all is wing-gong.ts.
 */

/** The condition of a write did not hold: the version the key had instead, 0 for no key. */
export interface Conflict {
  readonly actual: number;
}
export type Operation = {
  readonly calledMs: number;
  /** Infinity when no answer came. */
  readonly answeredMs: number;
} & (Read | Write);
interface Read {
  readonly kind: "read";
  /** "" and 0 before the first write; of a key that was deleted, what stands for the deletion. */
  readonly value: string;
  readonly version: number;
}
interface Write {
  readonly kind: "write";
  /** Written by no other operation of the history, so that who reads it knows whose it is. */
  readonly value: string;
  readonly cas: number | null;
  /** The version made, the conflict met, or null when nobody knows. */
  readonly answer: number | Conflict | null;
}
type Writing = Operation & Write;

/** Null when the history is linearizable, else what contradicts every order. */
export function violationOf(history: readonly Operation[]): string | null {
  try {
    const versions = new Versions(history.filter(says));
    versions.assertOrder();
    versions.assertGapsFilled();
    return null;
  } catch (error) {
    if (error instanceof Violation) return error.message;
    throw error;
  }
}

class Violation extends Error {}

/** A read without an answer says nothing. */
function says(operation: Operation): boolean {
  return operation.kind === "write" || operation.answeredMs < Infinity;
}

/** What is known of the moment a version came to be. */
interface Birth {
  value: string | null;
  write: Writing | null;
  notBeforeMs: number;
  notAfterMs: number;
}

class Versions {
  /** At `version - 1`; as many as anybody told of. */
  readonly #births: Birth[] = [];
  readonly #unknown: Writing[] = [];
  readonly #byValue = new Map<string, Writing>();
  /** Values that some version is known to have. */
  readonly #seen = new Set<string>();
  /** Version → no later version before this moment. */
  readonly #followedMs = new Map<number, number>();

  constructor(history: readonly Operation[]) {
    for (const one of history) if (one.kind === "write") this.#remember(one);
    for (const one of history) {
      if (one.kind === "read") this.#read(one);
      else if (one.answer === null) this.#unknown.push(one);
      else if (typeof one.answer === "number") this.#made(one, one.answer);
      else this.#conflicted(one, one.answer);
    }
    for (const [offset, birth] of this.#births.entries()) this.#attribute(birth, offset + 1);
  }

  /** Each version as early as it can be; none may come after its last chance. */
  assertOrder(): void {
    let nowMs = -Infinity;
    for (const [offset, { notBeforeMs, notAfterMs }] of this.#births.entries()) {
      nowMs = Math.max(nowMs, notBeforeMs);
      if (nowMs <= notAfterMs) continue;
      throw new Violation(`version ${offset + 1} was there by ${notAfterMs}, yet not at ${nowMs}`);
    }
  }

  /**
   * Versions nobody told of are those of unknown writes, each used once. A write on condition fits one
   * version only; of the rest the earliest call serves first, since later versions leave more time.
   */
  assertGapsFilled(): void {
    const free = this.#unknown.filter(({ value }) => !this.#seen.has(value));
    const fitting = free.filter(({ cas }) => cas !== null);
    const plain = free.filter(({ cas }) => cas === null);
    plain.sort((a, b) => a.calledMs - b.calledMs);
    const lastChances = this.#lastChancesMs();
    for (const [offset, birth] of this.#births.entries()) {
      if (birth.write !== null) continue;
      const lastMs = lastChances[offset] ?? Infinity;
      if (fitting.some(({ cas, calledMs }) => cas === offset && calledMs <= lastMs)) continue;
      const taken = plain.shift();
      if (taken !== undefined && taken.calledMs <= lastMs) continue;
      throw new Violation(`nobody can have written version ${offset + 1} by ${lastMs}`);
    }
  }

  /** A version is born no later than any that follows. */
  #lastChancesMs(): readonly number[] {
    let lastMs = Infinity;
    const reversed = this.#births.toReversed().map(({ notAfterMs }) => {
      lastMs = Math.min(lastMs, notAfterMs);
      return lastMs;
    });
    return reversed.toReversed();
  }

  #remember(write: Writing): void {
    const known = this.#byValue.get(write.value);
    if (known !== undefined) throw new Error(`the history writes ${write.value} twice`);
    this.#byValue.set(write.value, write);
  }

  #made(write: Writing, version: number): void {
    const birth = this.#birth(version);
    if (birth.write !== null) {
      throw new Violation(`${birth.write.value} and ${write.value} both made version ${version}`);
    }
    assertCondition(write, version);
    birth.write = write;
    this.#sayValue(birth, write.value, version);
    this.#bound(birth, write);
  }

  #read(read: Operation & Read): void {
    const { value, version } = read;
    if (version === 0 && value !== "") throw new Violation(`${value} was read before any write`);
    if (version > 0) this.#sayValue(this.#birth(version), value, version);
    this.#observed(read, version);
  }

  #conflicted(write: Writing, { actual }: Conflict): void {
    if (write.cas === null || write.cas === actual) {
      throw new Violation(`${write.value} conflicts with version ${actual}, which it allows`);
    }
    this.#observed(write, actual);
  }

  /** The key had this version at some time within the operation. */
  #observed({ calledMs, answeredMs }: Operation, version: number): void {
    if (version > 0) {
      const birth = this.#birth(version);
      birth.notAfterMs = Math.min(birth.notAfterMs, answeredMs);
    }
    this.#followedMs.set(version, Math.max(this.#followedMs.get(version) ?? -Infinity, calledMs));
  }

  /** Finds the unknown write behind a value that was read, and closes the bounds of its version. */
  #attribute(birth: Birth, version: number): void {
    if (birth.write === null && birth.value !== null) {
      const write = this.#byValue.get(birth.value);
      if (write === undefined) throw new Violation(`nobody wrote ${birth.value}`);
      if (write.answer !== null) {
        throw new Violation(`${birth.value} was read as version ${version}, not as answered`);
      }
      if (this.#seen.has(birth.value)) throw new Violation(`${birth.value} was written twice`);
      assertCondition(write, version);
      birth.write = write;
      this.#bound(birth, write);
    }
    if (birth.value !== null) this.#seen.add(birth.value);
    const followedMs = this.#followedMs.get(version - 1) ?? -Infinity;
    birth.notBeforeMs = Math.max(birth.notBeforeMs, followedMs);
  }

  #sayValue(birth: Birth, value: string, version: number): void {
    if (birth.value !== null && birth.value !== value) {
      throw new Violation(`version ${version} is ${birth.value} and ${value}`);
    }
    birth.value = value;
  }

  #bound(birth: Birth, { calledMs, answeredMs }: Operation): void {
    birth.notBeforeMs = Math.max(birth.notBeforeMs, calledMs);
    birth.notAfterMs = Math.min(birth.notAfterMs, answeredMs);
  }

  #birth(version: number): Birth {
    if (!Number.isInteger(version) || version < 1) throw new Violation(`no version ${version}`);
    while (this.#births.length < version) {
      const open = { notBeforeMs: -Infinity, notAfterMs: Infinity };
      this.#births.push({ value: null, write: null, ...open });
    }
    return this.#births[version - 1] as Birth;
  }
}

function assertCondition({ value, cas }: Writing, version: number): void {
  if (cas === null || cas === version - 1) return;
  throw new Violation(`${value} made version ${version} on condition of ${cas}`);
}
