/** Owns many measured values at little cost: a growing array of numbers, summed up as quantiles. */

export interface Quantiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export class Samples {
  #values = new Float64Array(65_536);
  #count = 0;

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(this.#count * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count] = value;
    this.#count += 1;
  }

  clear(): void {
    this.#count = 0;
  }

  /** By nearest rank: each is a value that was measured; zeroes when there is none. */
  quantiles(): Quantiles {
    const sorted = this.#values.slice(0, this.#count).sort();
    const at = (share: number) => sorted[Math.max(1, Math.ceil(share * this.#count)) - 1] ?? 0;
    return { count: this.#count, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
  }
}
