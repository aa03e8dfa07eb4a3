/**
 * Owns which watchers a change concerns. Changes are handed to those that watch within the same tenant; all
 * others are not touched, however many there are, and need not read the history to learn that nothing in it was
 * theirs. Refuses to own: delivery to one of them (watch.ts), sockets (ws.ts).
 */
import type { StoredChange } from "../shared/store.ts";
import { rootOf } from "../shared/types.ts";
import type { Latest, Watcher } from "./watch.ts";

/** Roots whose last change is remembered; beyond, all are forgotten at once, and watchers read back. */
const ROOTS_MAX = 100_000;

export class Audience {
  /** Root → who watches within it, and how many namespaces of it. */
  readonly #watchers = new Map<string, Map<Watcher, number>>();
  /** Root → revision of its last change handed on here. */
  readonly #lastChange = new Map<string, number>();
  /** Of a root that is not in the map, nothing changed after this. */
  #knownFrom: number;

  constructor(revision: number) {
    this.#knownFrom = revision;
  }

  /** No change of the root lies between this revision and what was handed on last. */
  lastChangeOf(root: string): number {
    return this.#lastChange.get(root) ?? this.#knownFrom;
  }

  join(watcher: Watcher, namespace: string): void {
    const root = rootOf(namespace);
    const those = this.#watchers.get(root) ?? new Map<Watcher, number>();
    those.set(watcher, (those.get(watcher) ?? 0) + 1);
    this.#watchers.set(root, those);
  }

  leave(watcher: Watcher, namespace: string): void {
    const root = rootOf(namespace);
    const those = this.#watchers.get(root);
    const count = (those?.get(watcher) ?? 0) - 1;
    if (count > 0) those?.set(watcher, count);
    else those?.delete(watcher);
    if (those?.size === 0) this.#watchers.delete(root);
  }

  /** To everyone whom one of the changes may concern. */
  tell(changes: readonly StoredChange[], latest: Latest): void {
    const touched = new Map(changes.map((one) => [rootOf(one.namespace), one.revision]));
    const told = new Set<Watcher>();
    for (const root of touched.keys()) {
      for (const watcher of this.#watchers.get(root)?.keys() ?? []) told.add(watcher);
    }
    for (const watcher of told) watcher.pump(latest);
    // Only now: whoever was told needed to know what came before.
    for (const [root, revision] of touched) this.#lastChange.set(root, revision);
    if (this.#lastChange.size > ROOTS_MAX) this.forget(changes.at(-1)?.revision ?? this.#knownFrom);
  }

  /** The state was replaced: what changed in between is known to the history alone. */
  forget(revision: number): void {
    this.#lastChange.clear();
    this.#knownFrom = revision;
  }
}
