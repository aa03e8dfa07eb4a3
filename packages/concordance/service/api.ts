/**
 * Owns the operations both interfaces offer, over whichever engine keeps the data: read as freshly as asked,
 * write, answer with JSON text. Refuses to own: HTTP (server.ts), sockets (ws.ts), what a request looks like
 * (parse.ts), how data is kept and agreed on (engine.ts), who the members are (cluster-api.ts).
 */
import { setImmediate as immediate } from "node:timers/promises";
import type { StoredChange, StoredEntry } from "../shared/store.ts";
import {
  auditRootOf,
  covers,
  isCredentials,
  KEYS_NAMESPACE,
  LIMITS,
  type Quota,
} from "../shared/types.ts";
import type { Cipher } from "./cipher.ts";
import type { DeleteCommand, SetCommand, WriteOperation } from "./command.ts";
import { auditEntryOf, auditKeyOf, auditSeqOf, Disclosure } from "./disclosure.ts";
import { type ChangeFeed, type Engine, type EntryName, type Now, whenThere } from "./engine.ts";
import type { ApplyResult } from "./fsm.ts";
import { type Caller, mayChange, mayReach, mayRead, mayWrite } from "./keys.ts";
import { LongPoll } from "./long-poll.ts";
import type { Freshness } from "./parse.ts";
import { Refusal } from "./refusal.ts";
import { batchText, changeText, entryText, listText, setText } from "./render.ts";
import type { OverQuota } from "./tally.ts";

type Committed = Extract<ApplyResult, { kind: "committed" }>;
export interface ListQuery {
  readonly namespace: string;
  readonly prefix: string;
  readonly limit: number | null;
  readonly cursor: string | null;
}
export interface ChangesQuery {
  readonly since: number;
  readonly limit: number | null;
  readonly namespace: string | null;
  /** How long to wait for a first change when there is none yet. */
  readonly waitMs: number;
}
/** Who writes, under which name, and the id under which a retry is recognised. */
export interface Author {
  readonly caller: Caller;
  readonly actor: string;
  readonly requestId: string | undefined;
}
export interface WatchQuery {
  readonly namespace: string;
  readonly prefix: string;
  readonly fromRevision: number | null;
  /** Begin with what is there, told as of one revision. */
  readonly initial: boolean;
}
export interface WatchStart {
  readonly fromRevision: number;
  /** JSON text of the entries there are, or null when they were not asked for. */
  readonly items: string | null;
}
export interface ApiOptions {
  readonly cipher: Cipher;
  /** What each tenant may hold. */
  readonly quota: Quota;
  readonly valueBytesMax: number;
}

export class KvApi {
  readonly #engine: Engine;
  readonly #options: ApiOptions;
  readonly #disclosure: Disclosure;
  readonly #polls = new LongPoll();
  /** Changes as readers see them. */
  readonly feed: ChangeFeed;

  constructor(engine: Engine, options: ApiOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#disclosure = new Disclosure(options.cipher);
    this.feed = this.#disclosure.feed(engine.feed);
  }

  get clusterId(): string {
    return this.#engine.clusterId;
  }

  /** What keeps this process from serving; empty when nothing does. */
  get missing(): readonly string[] {
    return this.#engine.missing;
  }
  /** Requests that wait for a change. */
  get waiting(): number {
    return this.#polls.waiting;
  }

  /** Runs `read` once the state is as fresh as asked; at once when nothing was asked. */
  fresh(caller: Caller, freshness: Freshness, read: () => Now<string>): Now<string> {
    const wait = this.#engine.fresh(freshness);
    if (wait === undefined) return read();
    return wait.then(() => this.#assertKeyLives(caller)).then(read);
  }

  get(caller: Caller, namespace: string, key: string): Now<string> {
    return whenThere(this.#read(caller, namespace, key), (entry) => {
      if (entry === null) throw notFound(namespace, key);
      return entryText(this.#disclosure.entry(entry));
    });
  }

  /** Null in the place of a key that does not exist. */
  getMany(caller: Caller, names: readonly EntryName[]): Now<string> {
    for (const { namespace } of names) mayRead(caller, namespace);
    if (names.some(({ namespace }) => auditRootOf(namespace) !== null)) {
      throw new Refusal("invalid_request", "The audit history is read by list or by single keys.");
    }
    return whenThere(this.#engine.getMany(names), ({ items, revision }) => {
      const texts = items.map((entry) =>
        entry === null ? "null" : entryText(this.#disclosure.entry(entry)),
      );
      return `{"items":[${texts.join(",")}],"revision":${revision}}`;
    });
  }

  list(caller: Caller, query: ListQuery): Now<string> {
    const { namespace, prefix, limit, cursor } = query;
    mayRead(caller, namespace);
    const root = auditRootOf(namespace);
    if (root !== null) return this.#history(root, query);
    const page = this.#engine.list(namespace, prefix, cursor, pageOf(limit));
    return whenThere(page, ({ items, more, revision }) => {
      const open = items.map((entry) => this.#disclosure.entry(entry));
      return listText(open, revision, more ? (items.at(-1)?.key ?? null) : null);
    });
  }

  /** A tenant key that names no namespace is told of its own. */
  changes(caller: Caller, query: ChangesQuery): Now<string> {
    const namespace = query.namespace ?? caller.scope?.namespace ?? null;
    if (namespace !== null) mayReach(caller, namespace);
    const { waitMs } = query;
    if (waitMs > 0) return this.#changesWithin(caller, { ...query, namespace });
    return whenThere(this.#changePage({ ...query, namespace }), ({ text }) => text);
  }

  /** Where a watch begins. Throws `compacted`. */
  watchFrom(caller: Caller, query: WatchQuery): Now<WatchStart> {
    const { namespace, prefix, fromRevision, initial } = query;
    mayRead(caller, namespace);
    if (auditRootOf(namespace) !== null) {
      throw new Refusal("invalid_request", "Watch the tenant itself; its audit history is listed.");
    }
    if (initial && fromRevision !== null) {
      throw new Refusal("invalid_request", "Send fromRevision or initial, not both.");
    }
    if (initial) return whenThere(this.#whatIsThere(namespace, prefix), (start) => start);
    const from = this.#engine.watchFrom(fromRevision);
    return whenThere(from, (revision) => ({ fromRevision: revision, items: null }));
  }

  /** Call with the changes of each apply; answers them as readers see them. */
  published(changes: readonly StoredChange[]): readonly StoredChange[] {
    this.#polls.publish(changes);
    return this.#disclosure.changes(changes);
  }

  /** Answers what waits; nothing waits after this. */
  endWaits(): void {
    this.#polls.end();
  }

  async set(author: Author, command: SetCommand): Promise<string> {
    const { results } = await this.#write(author, [command]);
    const [result] = results;
    if (result?.op !== "set") throw new Error("a set answers with the entry it made");
    return setText(this.#disclosure.entry(result.entry));
  }

  async delete(author: Author, command: DeleteCommand): Promise<string> {
    const { revision, results } = await this.#write(author, [command]);
    const { namespace, key } = command;
    const [result] = results;
    if (result?.op !== "delete" || !result.deleted) throw notFound(namespace, key);
    return JSON.stringify({ ok: true, namespace, key, version: result.version, revision });
  }

  async batch(author: Author, operations: readonly WriteOperation[]): Promise<string> {
    const { results, ...done } = await this.#write(author, operations);
    const open = results.map((one) =>
      one.op === "set" ? { ...one, entry: this.#disclosure.entry(one.entry) } : one,
    );
    return batchText({ ...done, results: open });
  }

  /** What came while a request waited may have been the end of its key (pitfall 39). */
  #assertKeyLives({ scope }: Caller): Now<void> {
    if (scope === null) return;
    return whenThere(this.#engine.get(KEYS_NAMESPACE, scope.keyId), (entry) => {
      if (entry === null) throw keyRefused();
    });
  }

  /** Everything that can be refused without asking is refused before the engine hears of it. */
  async #write(author: Author, operations: readonly WriteOperation[]): Promise<Committed> {
    const { caller, actor, requestId } = author;
    mayWrite(caller);
    for (const { namespace } of operations) mayChange(caller, namespace);
    const keyId = caller.scope?.keyId;
    const named = requestId === undefined ? {} : { requestId: scopedId(requestId, keyId) };
    return committed(
      await this.#engine.write({
        type: "write",
        actor,
        operations: operations.map((operation) => this.#sealed(operation)),
        ...named,
        ...(keyId === undefined ? {} : { keyId }),
        quota: this.#options.quota,
      }),
    );
  }

  /** C6: a credential is ciphertext from here on. */
  #sealed(operation: WriteOperation): WriteOperation {
    if (operation.op !== "set") return operation;
    const { valueBytesMax, cipher } = this.#options;
    if (Buffer.byteLength(operation.valueJson) > valueBytesMax) throw valueTooLarge(valueBytesMax);
    if (!isCredentials(operation.namespace)) return operation;
    const { text, digest } = cipher.seal(operation, operation.valueJson);
    return { ...operation, valueJson: text, digest };
  }

  #read(caller: Caller, namespace: string, key: string): Now<StoredEntry | null> {
    mayRead(caller, namespace);
    const root = auditRootOf(namespace);
    if (root === null) return this.#engine.get(namespace, key);
    const seq = auditSeqOf(key);
    if (seq === null || seq < 1) return null;
    return whenThere(this.#engine.audit(root, seq - 1, 1), ({ rows: [row] }) =>
      row?.seq === seq ? auditEntryOf(row) : null,
    );
  }

  #history(root: string, { prefix, limit, cursor }: ListQuery): Now<string> {
    const after = cursor === null ? 0 : auditSeqOf(cursor);
    if (prefix !== "" || after === null) {
      throw new Refusal("invalid_request", "The audit history takes limit and its own cursor.");
    }
    const rowsMax = limit ?? LIMITS.pageItemsDefault;
    return whenThere(this.#engine.audit(root, after, rowsMax + 1), ({ rows, revision }) => {
      const shown = rows.slice(0, rowsMax);
      const last = rows.length > rowsMax ? (shown.at(-1)?.seq ?? null) : null;
      return listText(shown.map(auditEntryOf), revision, last === null ? null : auditKeyOf(last));
    });
  }

  #whatIsThere(namespace: string, prefix: string): Now<WatchStart> {
    const limits = { itemsMax: LIMITS.initialItemsMax, bytesMax: LIMITS.pageBytesMax };
    const there = this.#engine.listUnder(namespace, prefix, limits);
    return whenThere(there, ({ items, more, revision }) => {
      if (more) throw tooMuchToBegin();
      const shown = items.filter((entry) => !covers(KEYS_NAMESPACE, entry.namespace));
      const texts = shown.map((entry) => entryText(this.#disclosure.entry(entry)));
      return { fromRevision: revision, items: `[${texts.join(",")}]` };
    });
  }

  #changePage({ since, limit, namespace }: ChangesQuery) {
    const page = this.#engine.changes(since, namespace, pageOf(limit));
    return whenThere(page, ({ items, through, revision }) => {
      const shown = this.#disclosure.changes(items).map(changeText).join(",");
      const cluster = JSON.stringify(this.clusterId);
      const text = `{"items":[${shown}],"revision":${revision},"nextSince":${through},"clusterId":${cluster}}`;
      return { text, count: items.length, through, isLast: through >= revision };
    });
  }

  async #changesWithin(caller: Caller, query: ChangesQuery): Promise<string> {
    const endMs = performance.now() + query.waitMs;
    for (let { since } = query; ; ) {
      const { mark } = this.#polls;
      const page = await this.#changePage({ ...query, since });
      const leftMs = endMs - performance.now();
      if (page.count > 0 || leftMs <= 0 || this.#polls.ended) return page.text;
      since = page.through;
      // So many changes of others are looked at at a time: there is more to look at already, after what else is due.
      if (!page.isLast) {
        await immediate();
        continue;
      }
      await this.#polls.next(query.namespace, mark, leftMs);
      await this.#assertKeyLives(caller);
    }
  }
}

/** Request ids of one tenant say nothing about those of another. */
function scopedId(requestId: string, keyId: string | undefined): string {
  return keyId === undefined ? requestId : `${keyId}/${requestId}`;
}

function valueTooLarge(valueBytesMax: number): Refusal {
  const why = `value is larger than ${valueBytesMax} bytes of JSON; store a reference instead.`;
  return new Refusal("value_too_large", why, { valueBytesMax });
}

function tooMuchToBegin(): Refusal {
  const { initialItemsMax, pageBytesMax } = LIMITS;
  const why = `There is more than an initial list holds (${initialItemsMax} entries, ${pageBytesMax} bytes).`;
  const what = "List in pages, then subscribe with fromRevision set to the first page's revision.";
  return new Refusal("request_too_large", `${why} ${what}`);
}

function pageOf(limit: number | null) {
  return { itemsMax: limit ?? LIMITS.pageItemsDefault, bytesMax: LIMITS.pageBytesMax };
}

function committed(result: ApplyResult): Committed {
  if (result.kind === "committed") return result;
  if (result.kind === "request_reused") {
    const message = "This Idempotency-Key was already used for another write; nothing was written.";
    throw new Refusal("request_reused", message);
  }
  if (result.kind === "key_refused") throw keyRefused();
  if (result.kind === "quota_exceeded") throw overQuota(result);
  const { namespace, key, expected, actual, operation } = result;
  const found = actual === 0 ? "the key does not exist" : `the version is ${actual}`;
  const message = `${namespace} ${key}: expected version ${expected}, but ${found}. Nothing was written; read it and try again.`;
  throw new Refusal("cas_conflict", message, { namespace, key, expected, actual, operation });
}

function keyRefused(): Refusal {
  return new Refusal("unauthorized", "This key was revoked meanwhile, or does not allow this.");
}

function overQuota({ root, what, used, max }: OverQuota): Refusal {
  const message = `${root} holds ${used} ${what} of at most ${max}, and this would add more; nothing was written. Delete what is not needed, or raise --tenant-${what}-max.`;
  return new Refusal("quota_exceeded", message, { tenant: root, what, used, max });
}

function notFound(namespace: string, key: string): Refusal {
  return new Refusal("not_found", `There is no key ${key} in ${namespace}.`);
}
