/** Owns letting only so many do something at once, the others in the order they came. No clock, no storage. */

export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // The slot goes from hand to hand, so nobody who comes later gets in between.
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

/** `count` slots for each key; a key that nobody uses is forgotten. */
export class KeyedSlots {
  readonly #count: number;
  readonly #keys = new Map<string, { readonly slots: Slots; users: number }>();

  constructor(count: number) {
    this.#count = count;
  }

  get size(): number {
    return this.#keys.size;
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#keys.get(key) ?? { slots: new Slots(this.#count), users: 0 };
    this.#keys.set(key, entry);
    entry.users += 1;
    try {
      return await entry.slots.run(work);
    } finally {
      entry.users -= 1;
      if (entry.users === 0) this.#keys.delete(key);
    }
  }
}
