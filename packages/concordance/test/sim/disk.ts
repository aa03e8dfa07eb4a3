/**
 * Owns what one simulated member has on disk, as values: writing makes a new disk, and a crash chooses which
 * of them is left. That SQLite keeps a transaction whole is tested on real files (raft/log-damage.test.ts).
 */
import { assert } from "../../service/raft/assert.ts";
import { emptyLog, withTerms } from "../../service/raft/log-shape.ts";
import { decodeMembership, type Membership } from "../../service/raft/membership.ts";
import type { Restored } from "../../service/raft/node.ts";
import type { HardState, LogEntry, Ready, SnapshotFacts } from "../../service/raft/types.ts";
import type { Image } from "./machine.ts";

export interface Disk {
  readonly hardState: HardState;
  /** What stands for everything before `entries`. */
  readonly base: SnapshotFacts;
  readonly entries: readonly LogEntry[];
  /** The state as last checkpointed: at the base or after it. */
  readonly image: Image | null;
}

export function freshDisk(membership: Membership): Disk {
  const base = { index: 0, lastTerm: 0, timeMs: 0, membership };
  return { hardState: { term: 0, votedFor: null, commitIndex: 0 }, base, entries: [], image: null };
}

/** The disk after one transaction. `received` is the state that an installed snapshot came with. */
export function written(disk: Disk, ready: Ready, received: Image | null): Disk {
  const { hardState, append, install } = ready;
  let next = disk;
  if (install !== null) {
    assert(received !== null, "a snapshot comes with its state");
    const { snapshot: base, keepLog } = install;
    const entries = keepLog ? disk.entries.filter((one) => one.index > base.index) : [];
    next = { ...disk, base, entries, image: received };
  }
  const first = append[0];
  if (first !== undefined) {
    const kept = next.entries.slice(0, first.index - next.base.index - 1);
    next = { ...next, entries: [...kept, ...append] };
  }
  return { ...next, hardState: hardState ?? next.hardState };
}

/** The disk after the log let go of everything up to `base`, which `image` stands for. */
export function compactedTo(disk: Disk, base: SnapshotFacts, image: Image): Disk {
  const entries = disk.entries.filter((entry) => entry.index > base.index);
  return { ...disk, base, entries, image };
}

/** Entries `from … through`, which are there. */
export function entriesOf(disk: Disk, from: number, through: number): readonly LogEntry[] {
  const { index } = disk.base;
  assert(from > index && through <= index + disk.entries.length, "the log holds what is asked for");
  return disk.entries.slice(from - index - 1, through - index);
}

/** The term of an entry; 0 for what was compacted, null for what is not there. */
export function termOn({ base, entries }: Disk, index: number): number | null {
  if (index <= base.index) return index === base.index ? base.lastTerm : 0;
  return entries[index - base.index - 1]?.term ?? null;
}

export function restored({ hardState, base, entries }: Disk): Restored {
  const empty = emptyLog(base.index, base.lastTerm);
  const terms = entries.map((entry) => entry.term);
  const log = entries.length === 0 ? empty : withTerms(empty, base.index + 1, terms);
  const later = entries
    .filter(({ kind }) => kind === "config")
    .map(({ index, payload }) => ({ index, membership: decodeMembership(payload) }));
  const memberships = [{ index: base.index, membership: base.membership }, ...later];
  return { hardState, log, lastTimeMs: entries.at(-1)?.timeMs ?? base.timeMs, memberships };
}
