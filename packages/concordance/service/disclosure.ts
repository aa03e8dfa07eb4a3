/**
 * Owns turning what is stored into what readers see: sealed credentials opened, digests of access keys
 * withheld, and audit rows as entries. Whoever may read a namespace sees its values in the clear; agents need
 * the credentials they act with. Refuses to own: who may read (keys.ts), JSON text (render.ts).
 */
import type { AuditRow } from "../shared/ledger.ts";
import type { StoredChange, StoredEntry } from "../shared/store.ts";
import { covers, KEYS_NAMESPACE } from "../shared/types.ts";
import { type Cipher, isSealed } from "./cipher.ts";
import { type ChangeFeed, whenThere } from "./engine.ts";

const SEQ_DIGITS = 16;

export class Disclosure {
  readonly #cipher: Cipher;

  constructor(cipher: Cipher) {
    this.#cipher = cipher;
  }

  /** Throws `credentials_unavailable` when the value cannot be opened here. */
  entry(entry: StoredEntry): StoredEntry {
    return isSealed(entry.value)
      ? { ...entry, value: this.#cipher.open(entry, entry.value) }
      : entry;
  }

  /** Never throws: one value that cannot be opened must not keep all later changes from being told. */
  change(change: StoredChange): StoredChange {
    const { namespace, value } = change;
    if (value === null) return change;
    if (covers(KEYS_NAMESPACE, namespace)) return { ...change, value: null };
    if (!isSealed(value)) return change;
    try {
      return { ...change, value: this.#cipher.open(change, value) };
    } catch {
      return { ...change, value: null, unavailable: true };
    }
  }

  /** The same list when nothing in it is kept hidden. */
  changes(changes: readonly StoredChange[]): readonly StoredChange[] {
    return changes.some(isHidden) ? changes.map((one) => this.change(one)) : changes;
  }

  /** The feed as readers see it. */
  feed(feed: ChangeFeed): ChangeFeed {
    return {
      get position() {
        return feed.position;
      },
      changesAfter: (revision, namespace, limits) =>
        whenThere(feed.changesAfter(revision, namespace, limits), ({ items, through }) => ({
          items: this.changes(items),
          through,
        })),
    };
  }
}

function isHidden({ namespace, value }: StoredChange): boolean {
  return value !== null && (isSealed(value) || covers(KEYS_NAMESPACE, namespace));
}

/** A change as an entry of its tenant's `audit` namespace; its key is the change's number in the log. */
export function auditEntryOf(row: AuditRow): StoredEntry {
  const { root, seq, revision, at, ...what } = row;
  const { actor, credential, op, namespace, key, version } = what;
  const value = { at, actor, credential, op, namespace, key, version, revision, seq };
  return {
    namespace: `${root}/audit`,
    key: auditKeyOf(seq),
    value: JSON.stringify(value),
    version: 1,
    revision,
    updatedBy: actor,
    updatedAt: at,
    expiresAt: null,
  };
}

export function auditKeyOf(seq: number): string {
  return String(seq).padStart(SEQ_DIGITS, "0");
}

/** The number an audit key stands for; null when it is none. */
export function auditSeqOf(key: string): number | null {
  return key.length === SEQ_DIGITS && /^\d+$/.test(key) ? Number(key) : null;
}
