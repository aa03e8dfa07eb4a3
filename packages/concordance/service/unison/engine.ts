/**
 * Owns the engine over an existing Valkey or Redis server (Unison): every operation is one script there, so
 * processes beside each other need not know of one another, and this one keeps nothing. What such a server
 * cannot promise is said in DESIGN.md. Refuses to own: the connection (session.ts), the scripts (scripts.ts).
 */
import type { PageLimits, StoredEntry } from "../../shared/store.ts";
import type { WriteCommand } from "../command.ts";
import { auditKeyOf } from "../disclosure.ts";
import type { ChangeFeed, ChangesPage, Engine, EntryName } from "../engine.ts";
import type { ApplyResult } from "../fsm.ts";
import type { Freshness } from "../parse.ts";
import { notRetained, Refusal } from "../refusal.ts";
import { fingerprintOf } from "../requests.ts";
import { LinkLost } from "./link.ts";
import {
  auditOf,
  changeOf,
  entryOf,
  nameOf,
  outcomeOf,
  pairsOf,
  placeOf,
  writeArguments,
} from "./records.ts";
import { UnisonResealing } from "./resealing.ts";
import { CHANGES_AFTER, HISTORY, LIST, LIST_UNDER, READ, WRITE } from "./scripts.ts";
import type { Session } from "./session.ts";

const WRITES_WAITING_MAX = 10_000;
const NOTHING = { itemsMax: 0, bytesMax: 0 };

export class UnisonEngine implements Engine {
  readonly feed: ChangeFeed;
  readonly resealing: UnisonResealing;
  readonly #session: Session;
  #writing = 0;

  constructor(session: Session) {
    this.#session = session;
    this.resealing = new UnisonResealing((script, args) => this.#read(script, args));
    this.feed = {
      get position() {
        return session.position;
      },
      changesAfter: (revision, namespace, limits) => this.changes(revision, namespace, limits),
    };
  }

  /** Writes that the server has not answered. */
  get writesWaiting(): number {
    return this.#writing;
  }
  get clusterId(): string {
    return this.#session.history;
  }
  get missing(): readonly string[] {
    return this.#session.isConnected ? [] : ["store"];
  }

  /** One server answers everyone in turn, so every read is linearizable while that server lives. */
  fresh({ minRevision }: Freshness): void | Promise<void> {
    if (minRevision <= this.#session.position.revision) return;
    return this.getMany([]).then(({ revision }) => {
      if (revision >= minRevision) return;
      const why = `The data is at revision ${revision}, behind ${minRevision}; retry, or list again.`;
      throw new Refusal("behind", why, { revision });
    });
  }

  async get(namespace: string, key: string): Promise<StoredEntry | null> {
    const { items } = await this.getMany([{ namespace, key }]);
    return items[0] ?? null;
  }

  async getMany(names: readonly EntryName[]) {
    const answer = await this.#read(READ, names.map(nameOf));
    const [revision, ...rows] = answer as [number, ...(string | null)[]];
    const items = names.map((name, position) => {
      const row = rows[position] ?? null;
      return row === null ? null : entryOf(name, row);
    });
    return { items, revision };
  }

  async list(namespace: string, prefix: string, afterKey: string | null, limits: PageLimits) {
    const start = nameOf({ namespace, key: prefix });
    const later = afterKey !== null && isAfter(afterKey, prefix);
    const lowest = later ? `(${nameOf({ namespace, key: afterKey })}` : `[${start}`;
    const page = [String(limits.itemsMax), String(limits.bytesMax)];
    const answer = await this.#read(LIST, [lowest, start, ...page]);
    const [revision, more, found] = answer as [number, number, string[]];
    const items = pairsOf(found).map(([name, row]) =>
      entryOf({ namespace, key: name.slice(namespace.length + 1) }, row),
    );
    return { items, more: more === 1, revision };
  }

  async listUnder(namespace: string, prefix: string, { itemsMax, bytesMax }: PageLimits) {
    const page = [String(itemsMax), String(bytesMax)];
    const answer = await this.#read(LIST_UNDER, [namespace, prefix, ...page]);
    const [revision, more, found] = answer as [number, number, string[]];
    const items = pairsOf(found).map(([name, row]) => entryOf(placeOf(name), row));
    return { items, more: more === 1, revision };
  }

  async audit(root: string, afterSeq: number, rowsMax: number) {
    const answer = await this.#read(HISTORY, [root, auditKeyOf(afterSeq), String(rowsMax)]);
    const [revision, rows] = answer as [number, string[]];
    return { rows: rows.map(auditOf), revision };
  }

  async changes(
    since: number,
    namespace: string | null,
    { itemsMax, bytesMax }: PageLimits,
  ): Promise<ChangesPage & { readonly revision: number }> {
    const page = [String(itemsMax), String(bytesMax)];
    try {
      const answer = await this.#read(CHANGES_AFTER, [String(since), namespace ?? "", ...page]);
      const [revision, through, found] = answer as [number, number, string[]];
      const items = pairsOf(found).map(([id, record]) => {
        const { isLast: _, ...change } = changeOf(id, record);
        return change;
      });
      return { items, through, revision };
    } catch (error) {
      const floor = /^COMPACTED (\d+) (\d+)/.exec(error instanceof Error ? error.message : "");
      throw floor === null ? error : notRetained(since, Number(floor[1]), Number(floor[2]));
    }
  }

  async watchFrom(fromRevision: number | null): Promise<number> {
    if (fromRevision === null) return (await this.getMany([])).revision;
    await this.changes(fromRevision, null, NOTHING);
    return fromRevision;
  }

  async write(command: WriteCommand): Promise<ApplyResult> {
    if (this.#writing >= WRITES_WAITING_MAX) {
      throw new Refusal("overloaded", "Too many writes are waiting; nothing was written, retry.");
    }
    const fingerprint = command.requestId === undefined ? "" : fingerprintOf(command);
    this.#writing += 1;
    try {
      const answer = await this.#session.run(WRITE, writeArguments(command, fingerprint));
      return outcomeOf(String(answer), command);
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error;
      throw new Refusal(
        "outcome_unknown",
        "The server that keeps the data was lost before it answered: this write may or may not have happened. Ask again under the same Idempotency-Key.",
      );
    } finally {
      this.#writing -= 1;
    }
  }

  async #read(script: string, args: readonly string[]): Promise<unknown> {
    try {
      return await this.#session.run(script, args);
    } catch (error) {
      if (!(error instanceof LinkLost)) throw error;
      const message = "The server that keeps the data was lost before it answered; ask again.";
      throw new Refusal("store_unreachable", message);
    }
  }
}

/** In byte order, as keys are listed. */
function isAfter(key: string, other: string): boolean {
  return Buffer.compare(Buffer.from(key), Buffer.from(other)) > 0;
}
