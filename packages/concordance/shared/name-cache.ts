/**
 * Owns a bounded map from the name of an entry to what is known of it; the oldest goes first. Refuses to own: when
 * what it holds has become untrue. By namespace and then by key: joining the two would make a text, and hash it, for
 * each question.
 */
export class NameCache<T> {
  readonly #max: number;
  readonly #spaces = new Map<string, Map<string, T>>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get(namespace: string, key: string): T | undefined {
    return this.#spaces.get(namespace)?.get(key);
  }

  set(namespace: string, key: string, value: T): void {
    if (this.replace(namespace, key, value)) return;
    if (this.#size >= this.#max) this.#forgetOldest();
    const space = this.#spaces.get(namespace) ?? new Map<string, T>();
    this.#spaces.set(namespace, space);
    space.set(key, value);
    this.#size += 1;
  }

  /** Says whether there was something to replace. */
  replace(namespace: string, key: string, value: T): boolean {
    const space = this.#spaces.get(namespace);
    if (space === undefined || !space.has(key)) return false;
    space.set(key, value);
    return true;
  }

  delete(namespace: string, key: string): void {
    const space = this.#spaces.get(namespace);
    if (space?.delete(key) !== true) return;
    this.#size -= 1;
    if (space.size === 0) this.#spaces.delete(namespace);
  }

  clear(): void {
    this.#spaces.clear();
    this.#size = 0;
  }

  /** Of the namespace that came first: near enough, and nothing has to be kept for it. */
  #forgetOldest(): void {
    for (const [namespace, space] of this.#spaces) {
      for (const key of space.keys()) {
        this.delete(namespace, key);
        return;
      }
    }
  }
}
