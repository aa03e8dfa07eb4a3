/**
 * Owns the operations both interfaces offer, over whichever engine keeps the data: read as freshly as asked,
 * write, answer with JSON text. Refuses to own: HTTP (server.ts), sockets (ws.ts), what a request looks like
 * (parse.ts), how data is kept and agreed on (engine.ts), who the members are (cluster-api.ts).
 */
import { LIMITS } from "../shared/types.ts";
import type { DeleteCommand, SetCommand, WriteCommand } from "./command.ts";
import { type Engine, type EntryName, type Now, whenThere } from "./engine.ts";
import type { ApplyResult } from "./fsm.ts";
import type { Freshness } from "./parse.ts";
import { Refusal } from "./refusal.ts";
import { batchText, changeText, entryText, listText, setText } from "./render.ts";

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
}
/** Who writes, and the id under which a retry is recognised. */
export interface Author {
  readonly actor: string;
  readonly requestId: string | undefined;
}

export class KvApi {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get clusterId(): string {
    return this.#engine.clusterId;
  }

  /** What keeps this process from serving; empty when nothing does. */
  get missing(): readonly string[] {
    return this.#engine.missing;
  }

  /** Runs `read` once the state is as fresh as asked; at once when nothing was asked. */
  fresh(freshness: Freshness, read: () => Now<string>): Now<string> {
    const wait = this.#engine.fresh(freshness);
    return wait === undefined ? read() : wait.then(read);
  }

  get(namespace: string, key: string): Now<string> {
    return whenThere(this.#engine.get(namespace, key), (entry) => {
      if (entry === null) throw notFound(namespace, key);
      return entryText(entry);
    });
  }

  /** Null in the place of a key that does not exist. */
  getMany(names: readonly EntryName[]): Now<string> {
    return whenThere(this.#engine.getMany(names), ({ items, revision }) => {
      const texts = items.map((entry) => (entry === null ? "null" : entryText(entry)));
      return `{"items":[${texts.join(",")}],"revision":${revision}}`;
    });
  }

  list({ namespace, prefix, limit, cursor }: ListQuery): Now<string> {
    const page = this.#engine.list(namespace, prefix, cursor, pageOf(limit));
    return whenThere(page, ({ items, more, revision }) =>
      listText(items, revision, more ? (items.at(-1)?.key ?? null) : null),
    );
  }

  changes({ since, limit, namespace }: ChangesQuery): Now<string> {
    const page = this.#engine.changes(since, namespace, pageOf(limit));
    return whenThere(page, ({ items, through, revision }) => {
      const cluster = JSON.stringify(this.clusterId);
      return `{"items":[${items.map(changeText).join(",")}],"revision":${revision},"nextSince":${through},"clusterId":${cluster}}`;
    });
  }

  /** Where a watch begins: at `fromRevision`, or now when null. Throws `compacted`. */
  watchFrom(fromRevision: number | null): Now<number> {
    return this.#engine.watchFrom(fromRevision);
  }

  async set(author: Author, command: SetCommand): Promise<string> {
    const { results } = await this.#write(writeOf(author, [command]));
    const [result] = results;
    if (result?.op !== "set") throw new Error("a set answers with the entry it made");
    return setText(result.entry);
  }

  async delete(author: Author, command: DeleteCommand): Promise<string> {
    const { revision, results } = await this.#write(writeOf(author, [command]));
    const { namespace, key } = command;
    const [result] = results;
    if (result?.op !== "delete" || !result.deleted) throw notFound(namespace, key);
    return JSON.stringify({ ok: true, namespace, key, version: result.version, revision });
  }

  async batch({ actor, operations }: WriteCommand, requestId: string | undefined): Promise<string> {
    return batchText(await this.#write(writeOf({ actor, requestId }, operations)));
  }

  async #write(command: WriteCommand): Promise<Committed> {
    return committed(await this.#engine.write(command));
  }
}

function pageOf(limit: number | null) {
  return { itemsMax: limit ?? LIMITS.pageItemsDefault, bytesMax: LIMITS.pageBytesMax };
}

function writeOf(
  { actor, requestId }: Author,
  operations: WriteCommand["operations"],
): WriteCommand {
  const named = requestId === undefined ? {} : { requestId };
  return { type: "write", actor, operations, ...named };
}

function committed(result: ApplyResult): Committed {
  if (result.kind === "committed") return result;
  if (result.kind === "request_reused") {
    const message = "This Idempotency-Key was already used for another write; nothing was written.";
    throw new Refusal("request_reused", message);
  }
  const { namespace, key, expected, actual, operation } = result;
  const found = actual === 0 ? "the key does not exist" : `the version is ${actual}`;
  const message = `${namespace} ${key}: expected version ${expected}, but ${found}. Nothing was written; read it and try again.`;
  throw new Refusal("cas_conflict", message, { namespace, key, expected, actual, operation });
}

function notFound(namespace: string, key: string): Refusal {
  return new Refusal("not_found", `There is no key ${key} in ${namespace}.`);
}
