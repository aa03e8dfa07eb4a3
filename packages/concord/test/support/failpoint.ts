/**
 * Owns a failpoint in every transaction of Concord: the n-th statement is carried out, and then fails all the same.
 * Counted are statements of transactions that touch Concord's tables, from the first one that does, and their COMMIT:
 * there the caller is told of a failure although everything is durable.
 */
import pg from "pg";

export class Injected extends Error {
  constructor(statement: string) {
    super(`injected after: ${statement.slice(0, 120)}`);
    this.name = "Injected";
  }
}

export interface Failpoint {
  /** Fails after the `at`-th statement from now on, once; 0 only counts. */
  arm(at: number): void;
  /** Statements since it was armed. */
  readonly seen: readonly string[];
  readonly hasFired: boolean;
  remove(): void;
}

type Query = (this: object, ...args: unknown[]) => unknown;

export function installFailpoint(): Failpoint {
  const state = { at: 0, seen: [] as string[], hasFired: false };
  /** Clients with an open transaction, and whether it touched Concord's tables. */
  const open = new WeakMap<object, boolean>();
  const original = pg.Client.prototype.query as unknown as Query;

  function isCounted(client: object, text: string): boolean {
    if (/^\s*BEGIN/i.test(text)) open.set(client, false);
    const touched = open.get(client);
    if (touched === undefined) return false;
    if (/^\s*ROLLBACK/i.test(text)) {
      open.delete(client);
      return false;
    }
    if (/^\s*COMMIT/i.test(text)) open.delete(client);
    else if (!touched && /\bconcord"?\./i.test(text)) open.set(client, true);
    return touched || open.get(client) === true;
  }

  function failing(this: object, ...args: unknown[]): unknown {
    const [first] = args;
    const text = typeof first === "string" ? first : (first as { text?: unknown } | null)?.text;
    if (typeof text !== "string" || !isCounted(this, text)) return original.apply(this, args);
    state.seen.push(text);
    const isHere = state.at > 0 && state.seen.length === state.at && !state.hasFired;
    if (!isHere) return original.apply(this, args);
    state.hasFired = true;
    const callback = args.at(-1);
    if (typeof callback === "function") {
      const broken = () => (callback as (error: unknown) => void)(new Injected(text));
      return original.apply(this, [...args.slice(0, -1), broken]);
    }
    return (original.apply(this, args) as Promise<unknown>).then(() => {
      throw new Injected(text);
    });
  }
  pg.Client.prototype.query = failing as unknown as typeof pg.Client.prototype.query;

  return {
    arm: (at) => {
      state.at = at;
      state.seen = [];
      state.hasFired = false;
    },
    get seen() {
      return state.seen;
    },
    get hasFired() {
      return state.hasFired;
    },
    remove: () => {
      pg.Client.prototype.query = original as unknown as typeof pg.Client.prototype.query;
    },
  };
}
