/** Owns the broadcast engine of gateways that share a process: the default of one gateway alone, which then hears itself. */
import type { Engine, Link } from "./engine.ts";

export class Hub {
  readonly #links = new Set<(text: string) => void>();
  readonly #ends = new Set<(reason: string) => void>();

  /** An engine on this hub. */
  engine(): Engine {
    return { name: "in-process", open: (heard) => Promise.resolve(this.#link(heard)) };
  }

  /** Breaks every link. */
  cut(reason: string): void {
    const ends = [...this.#ends];
    this.#links.clear();
    this.#ends.clear();
    for (const end of ends) end(reason);
  }

  #link(heard: (text: string) => void): Link {
    const { promise: lost, resolve } = Promise.withResolvers<string>();
    const hear = (text: string) => {
      // Later, as from another process: nobody hears in the middle of saying.
      queueMicrotask(() => {
        if (this.#links.has(hear)) heard(text);
      });
    };
    this.#links.add(hear);
    this.#ends.add(resolve);
    const close = () => {
      this.#links.delete(hear);
      this.#ends.delete(resolve);
      resolve("it was closed");
    };
    const publish = (text: string) => {
      if (this.#links.has(hear)) for (const link of this.#links) link(text);
    };
    return { lost, publish, close };
  }
}
