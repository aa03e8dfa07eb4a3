/**
 * Owns the operations both interfaces offer: read as freshly as asked, propose writes, answer with JSON
 * text. Refuses to own: HTTP (server.ts), sockets (ws.ts), what a request looks like (parse.ts), who the
 * members are (cluster-api.ts).
 */
import type { KvStore, StoredEntry } from "../shared/store.ts";
import { LIMITS } from "../shared/types.ts";
import {
  type DeleteCommand,
  encodeCommand,
  type SetCommand,
  type WriteCommand,
} from "./command.ts";
import type { ApplyResult } from "./fsm.ts";
import type { Freshness } from "./parse.ts";
import type { RaftDriver } from "./raft/driver.ts";
import { inForce, memberOf } from "./raft/membership.ts";
import type { NodeId } from "./raft/types.ts";
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

/** How long a read waits for a revision this member has not seen. */
const CATCH_UP_MS = 2_000;
const CATCH_UP_STEP_MS = 5;

export class KvApi {
  readonly clusterId: string;
  readonly #driver: RaftDriver<ApplyResult>;
  readonly #store: KvStore;
  readonly #addressOf: (id: NodeId) => string | null;

  constructor(
    clusterId: string,
    driver: RaftDriver<ApplyResult>,
    store: KvStore,
    addressOf: (id: NodeId) => string | null,
  ) {
    this.clusterId = clusterId;
    this.#driver = driver;
    this.#store = store;
    this.#addressOf = addressOf;
  }

  /** Whether writes find a leader: this member, caught up with its own term, or one it follows. */
  get ready(): boolean {
    const { role, leaderId } = this.#driver.state;
    if (this.#driver.failed || leaderId === null || !this.#isMember()) return false;
    return role.kind !== "leader" || this.#store.position.appliedIndex >= role.termStartIndex;
  }

  /** Runs `read` once the state is as fresh as asked; at once when nothing was asked. */
  fresh(freshness: Freshness, read: () => string): string | Promise<string> {
    const { linearizable, minRevision } = freshness;
    if (!linearizable && minRevision <= this.revision) return read();
    return this.#whenFresh(freshness, read);
  }

  get(namespace: string, key: string): string {
    const entry = this.#read(namespace, key);
    if (entry === null) throw notFound(namespace, key);
    return entryText(entry);
  }

  /** Null in the place of a key that does not exist. */
  getMany(keys: readonly { readonly namespace: string; readonly key: string }[]): string {
    const items = keys.map(({ namespace, key }) => {
      const entry = this.#read(namespace, key);
      return entry === null ? "null" : entryText(entry);
    });
    return `{"items":[${items.join(",")}],"revision":${this.revision}}`;
  }

  list({ namespace, prefix, limit, cursor }: ListQuery): string {
    this.#assertReadable();
    const page = { itemsMax: limit ?? LIMITS.pageItemsDefault, bytesMax: LIMITS.pageBytesMax };
    const { items, more } = this.#store.list(namespace, prefix, cursor, page);
    const nextCursor = more ? (items.at(-1)?.key ?? null) : null;
    return listText(items, this.revision, nextCursor);
  }

  changes({ since, limit, namespace }: ChangesQuery): string {
    this.assertRetained(since);
    const page = { itemsMax: limit ?? LIMITS.pageItemsDefault, bytesMax: LIMITS.pageBytesMax };
    const { items, through } = this.#store.changesAfter(since, namespace, page);
    const cluster = JSON.stringify(this.clusterId);
    return `{"items":[${items.map(changeText).join(",")}],"revision":${this.revision},"nextSince":${through},"clusterId":${cluster}}`;
  }

  /**
   * Throws `compacted` unless every change after `revision` can still be told (C4). A revision ahead of
   * this member is waited for, unless it alone decides: then nobody can have seen it (pitfall 36).
   */
  assertRetained(revision: number): void {
    this.#assertReadable();
    const { revision: current, compactedRevision } = this.#store.position;
    const ahead = revision > current && this.#driver.leadsAlone();
    if (revision >= compactedRevision && !ahead) return;
    const why = ahead
      ? `Revision ${revision} is ahead of this cluster (${current}): it belongs to another history.`
      : `Changes up to revision ${compactedRevision} are compacted.`;
    const details = { revision: current, compactedThrough: compactedRevision };
    throw new Refusal(
      "compacted",
      `${why} List again and go on from the list's revision.`,
      details,
    );
  }

  get revision(): number {
    return this.#store.position.revision;
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

  /** The refusal that names the leader, or says that there is none. */
  noLeader(): Refusal {
    const { leaderId, nodeId } = this.#driver.state;
    const leader = leaderId === null || leaderId === nodeId ? null : this.#addressOf(leaderId);
    if (leader === null) {
      const message = "No leader is known yet; nothing was done, retry shortly.";
      return new Refusal("no_leader", message, { leader });
    }
    return new Refusal("not_leader", `The leader is at ${leader}; nothing was done.`, { leader });
  }

  async #whenFresh({ linearizable, minRevision }: Freshness, read: () => string): Promise<string> {
    if (linearizable && !(await this.#driver.confirmRead())) throw this.noLeader();
    for (let waitedMs = 0; this.revision < minRevision; waitedMs += CATCH_UP_STEP_MS) {
      if (waitedMs >= CATCH_UP_MS) {
        const why = `This member is at revision ${this.revision}, behind ${minRevision}; retry, or ask another.`;
        throw new Refusal("behind", why, { revision: this.revision });
      }
      await Bun.sleep(CATCH_UP_STEP_MS);
    }
    return read();
  }

  async #write(command: WriteCommand): Promise<Committed> {
    const outcome = await this.#driver.propose(encodeCommand(command));
    switch (outcome.kind) {
      case "applied":
        return committed(outcome.result);
      case "not_leader":
        throw this.noLeader();
      case "unknown":
        throw new Refusal(
          "outcome_unknown",
          "Leadership was lost before this write was decided: it may or may not happen. Ask again under the same Idempotency-Key.",
        );
      case "overloaded":
        throw new Refusal("overloaded", "Too many writes are waiting; nothing was written, retry.");
      case "stopping":
        throw new Refusal("stopping", "This node is stopping; nothing was written, retry.");
    }
  }

  #read(namespace: string, key: string): StoredEntry | null {
    this.#assertReadable();
    const row = this.#store.row(namespace, key);
    const { timeMs } = this.#store.position;
    return row === null || (row.expiresAt !== null && row.expiresAt <= timeMs) ? null : row;
  }

  /** A member answers from what it has applied. One that is not a member yet has nothing to say. */
  #assertReadable(): void {
    if (this.#driver.failed || !this.#isMember()) throw this.noLeader();
  }

  #isMember(): boolean {
    const { memberships, nodeId } = this.#driver.state;
    return memberOf(inForce(memberships), nodeId) !== undefined;
  }
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
