/**
 * Owns counting, inside apply, what each tenant holds, and recording who changed what (without values, by
 * tenant, bounded). Part of the transaction of the changes themselves. Deterministic (C5).
 * Refuses to own: rows (shared/ledger.ts), what a write does (fsm.ts).
 */
import { AUDIT, type AuditLimits, type Usage } from "../shared/ledger.ts";
import type { Held, KvStore, StoredChange } from "../shared/store.ts";
import { type Quota, rootOf } from "../shared/types.ts";
import type { WriteOperation } from "./command.ts";

export interface OverQuota {
  readonly root: string;
  readonly what: "keys" | "bytes";
  readonly used: number;
  readonly max: number;
}
interface Name {
  readonly namespace: string;
  readonly key: string;
}
interface Growth {
  readonly keys: number;
  readonly bytes: number;
}
type Draft = { -readonly [F in keyof Usage]: Usage[F] };

const NOTHING: Growth = { keys: 0, bytes: 0 };

export class Tally {
  readonly #store: KvStore;
  readonly #audit: AuditLimits;
  /** What this apply has counted and not yet saved. */
  readonly #drafts = new Map<string, Draft>();

  constructor(store: KvStore, audit: AuditLimits = AUDIT) {
    this.#store = store;
    this.#audit = audit;
  }

  /** What keeps these operations from being done; null when nothing does. Shrinking is always allowed. */
  over(
    quota: Quota,
    operations: readonly WriteOperation[],
    held: readonly (Held | null)[],
  ): OverQuota | null {
    if (this.#isFarFrom(quota, operations)) return null;
    const growth = new Map<string, Growth>();
    for (const [position, operation] of operations.entries()) {
      const root = rootOf(operation.namespace);
      const { keys, bytes } = growth.get(root) ?? NOTHING;
      const one = held[position] ?? null;
      const before = one === null ? 0 : nameBytes(operation) + one.valueBytes;
      const isSet = operation.op === "set";
      const value = isSet ? Buffer.byteLength(operation.valueJson) : 0;
      const after = isSet ? nameBytes(operation) + value : 0;
      const count = Number(isSet) - Number(one !== null);
      growth.set(root, { keys: keys + count, bytes: bytes + after - before });
    }
    for (const [root, { keys, bytes }] of growth) {
      const usage = this.#of(root);
      const { keysMax, bytesMax } = quota;
      if (keys > 0 && usage.keys + keys > keysMax) {
        return { root, what: "keys", used: usage.keys, max: keysMax };
      }
      if (bytes > 0 && usage.bytes + bytes > bytesMax) {
        return { root, what: "bytes", used: usage.bytes, max: bytesMax };
      }
    }
    return null;
  }

  /** Whether none of it could exceed anything, were all of it new and each character of three bytes. */
  #isFarFrom({ keysMax, bytesMax }: Quota, operations: readonly WriteOperation[]): boolean {
    let chars = 0;
    for (const operation of operations) {
      chars += operation.namespace.length + operation.key.length;
      if (operation.op === "set") chars += operation.valueJson.length;
    }
    return operations.every(({ namespace }) => {
      const { keys, bytes } = this.#of(rootOf(namespace));
      return keys + operations.length <= keysMax && bytes + 3 * chars <= bytesMax;
    });
  }

  replaced(name: Name, before: Held | null, after: Held): void {
    const bytes = before === null ? nameBytes(name) : -before.valueBytes;
    const growth = { keys: before === null ? 1 : 0, bytes: bytes + after.valueBytes };
    this.#add(rootOf(name.namespace), growth);
  }

  removed(name: Name, held: Held): void {
    this.#add(rootOf(name.namespace), { keys: -1, bytes: -nameBytes(name) - held.valueBytes });
  }

  /** Records who did it, atomically with the change. */
  changed(change: StoredChange, credential: string): void {
    const { seq, revision, at, actor, op, namespace, key, version } = change;
    const root = rootOf(namespace);
    const what = { op, namespace, key, version };
    this.#store.ledger.record({ root, seq, revision, at, actor, credential, ...what });
    const usage = this.#of(root);
    const { rowsMax, slack } = this.#audit;
    usage.audited += 1;
    if (usage.audited % slack === 0) usage.auditMarks = [...usage.auditMarks, seq];
    if (usage.audited < rowsMax + slack) return;
    const [floor, ...later] = usage.auditMarks;
    if (floor === undefined) return;
    this.#store.ledger.forget(root, floor);
    usage.audited -= slack;
    usage.auditFloor = floor;
    usage.auditMarks = later;
  }

  /** Forgets what an apply that failed had counted. */
  reset(): void {
    this.#drafts.clear();
  }

  /** Writes what was counted; call at the end of each apply, within its transaction. */
  save(): void {
    for (const [root, usage] of this.#drafts) this.#store.ledger.saveUsage(root, usage);
    this.#drafts.clear();
  }

  #add(root: string, { keys, bytes }: Growth): void {
    const usage = this.#of(root);
    usage.keys += keys;
    usage.bytes += bytes;
  }

  #of(root: string): Draft {
    const known = this.#drafts.get(root);
    if (known !== undefined) return known;
    const usage = { ...this.#store.ledger.usage(root) };
    this.#drafts.set(root, usage);
    return usage;
  }
}

function nameBytes({ namespace, key }: Name): number {
  return Buffer.byteLength(namespace) + Buffer.byteLength(key);
}
