/**
 * Owns what this process has seen of the change stream: a blocking read that follows it, whole revisions
 * handed on as they complete, and how far it came. Older changes are read by script (engine.ts).
 */
import type { StoredChange } from "../../shared/store.ts";
import type { FeedPosition } from "../engine.ts";
import type { Link } from "./link.ts";
import { CHANGES_KEY } from "./lua.ts";
import { changeOf } from "./records.ts";

/** The entry seen last, as the server holds it: proof of which history was told. Empty before the first. */
export interface Seen {
  readonly id: string;
  readonly record: string;
}
type Entry = readonly [id: string, fields: readonly [name: string, record: string]];

/** Shorter than the silence after which a link counts as lost. */
const BLOCK_MS = 1_000;
const PAGE_ENTRIES = 512;
/** The greatest second half of an entry id: after it comes the next revision. */
const LAST = "18446744073709551615";

export class Tail {
  #position: FeedPosition;
  #seen: Seen;
  readonly #publish: (changes: readonly StoredChange[]) => void;

  /** `publish` hears of whole revisions in order; of nothing when some were missed, to be read back. */
  constructor(
    position: FeedPosition,
    seen: Seen,
    publish: (changes: readonly StoredChange[]) => void,
  ) {
    this.#position = position;
    this.#seen = seen;
    this.#publish = publish;
  }

  get position(): FeedPosition {
    return this.#position;
  }
  get seen(): Seen {
    return this.#seen;
  }

  /** Follows the stream until the link is lost, which throws. */
  async follow(link: Link): Promise<never> {
    let after = `${this.#position.revision}-${LAST}`;
    let pending: StoredChange[] = [];
    for (;;) {
      let complete = 0;
      for (const [id, [, record]] of await readAfter(link, after)) {
        const { isLast, ...change } = changeOf(id, record);
        pending.push(change);
        after = id;
        if (!isLast) continue;
        complete = pending.length;
        this.#seen = { id, record };
      }
      // A page may end within a revision; the server has the rest of it already.
      if (complete > 0) this.#handOn(pending.slice(0, complete));
      pending = pending.slice(complete);
    }
  }

  #handOn(changes: readonly StoredChange[]): void {
    const [first, last] = [changes[0], changes.at(-1)];
    if (first === undefined || last === undefined) return;
    // Revisions have no holes: the server forgot what lies in one before this process had read it.
    const isWhole = first.revision === this.#position.revision + 1;
    const compactedRevision = isWhole ? this.#position.compactedRevision : first.revision - 1;
    this.#position = { revision: last.revision, seq: last.seq, compactedRevision };
    this.#publish(isWhole ? changes : []);
  }
}

async function readAfter(link: Link, after: string): Promise<readonly Entry[]> {
  const how = ["COUNT", String(PAGE_ENTRIES), "BLOCK", String(BLOCK_MS)];
  const answer = await link.send("XREAD", ...how, "STREAMS", CHANGES_KEY, after);
  const streams = (answer ?? {}) as Readonly<Record<string, readonly Entry[]>>;
  return streams[CHANGES_KEY] ?? [];
}
