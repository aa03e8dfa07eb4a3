/**
 * Owns the engine on our own Raft: reads from the applied state, as freshly as asked, and writes proposed to
 * the log. Refuses to own: the rules of consensus (raft/) and of commands (fsm.ts), how answers look (api.ts).
 */
import type { KvStore, PageLimits, StoredEntry } from "../shared/store.ts";
import { type Command, encodeCommand, type WriteCommand } from "./command.ts";
import type { Engine, EntryName, Now, Resealing } from "./engine.ts";
import type { ApplyResult } from "./fsm.ts";
import type { Freshness } from "./parse.ts";
import type { RaftDriver } from "./raft/driver.ts";
import { inForce, memberOf } from "./raft/membership.ts";
import type { NodeId } from "./raft/types.ts";
import { notRetained, Refusal } from "./refusal.ts";

/** How long a read waits for a revision this member has not seen. */
const CATCH_UP_MS = 2_000;
const CATCH_UP_STEP_MS = 5;

export class RaftEngine implements Engine {
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

  /** Writes find a leader when it is this member, caught up with its own term, or one it follows. */
  get missing(): readonly string[] {
    const { role, leaderId } = this.#driver.state;
    if (this.#driver.failed || leaderId === null || !this.#isMember()) return ["leader"];
    const serves =
      role.kind !== "leader" || this.#store.position.appliedIndex >= role.termStartIndex;
    return serves ? [] : ["leader"];
  }

  get feed(): KvStore {
    return this.#store;
  }

  fresh(freshness: Freshness): void | Promise<void> {
    const { linearizable, minRevision } = freshness;
    if (!linearizable && minRevision <= this.#revision) return;
    return this.#whenFresh(freshness);
  }

  get(namespace: string, key: string): StoredEntry | null {
    this.#assertReadable();
    const row = this.#store.row(namespace, key);
    const { timeMs } = this.#store.position;
    return row === null || (row.expiresAt !== null && row.expiresAt <= timeMs) ? null : row;
  }

  getMany(names: readonly EntryName[]) {
    const items = names.map(({ namespace, key }) => this.get(namespace, key));
    return { items, revision: this.#revision };
  }

  list(namespace: string, prefix: string, afterKey: string | null, limits: PageLimits) {
    this.#assertReadable();
    const { items, more } = this.#store.list(namespace, prefix, afterKey, limits);
    return { items, more, revision: this.#revision };
  }

  listUnder(namespace: string, prefix: string, limits: PageLimits) {
    this.#assertReadable();
    const { items, more } = this.#store.listUnder(namespace, prefix, limits);
    return { items, more, revision: this.#revision };
  }

  audit(root: string, afterSeq: number, rowsMax: number) {
    this.#assertReadable();
    const rows = this.#store.ledger.history(root, afterSeq, rowsMax);
    return { rows, revision: this.#revision };
  }

  changes(revision: number, namespace: string | null, limits: PageLimits) {
    return this.#whenRetained(revision, () => {
      const { items, through } = this.#store.changesAfter(revision, namespace, limits);
      return { items, through, revision: this.#revision };
    });
  }

  watchFrom(fromRevision: number | null): Now<number> {
    const from = fromRevision ?? this.#revision;
    return this.#whenRetained(from, () => from);
  }

  get resealing(): Resealing {
    return {
      sealedOtherwise: (keyId, rowsMax) => this.#store.sealedOtherwise(keyId, rowsMax),
      countSealedOtherwise: (keyId) => this.#store.countSealedOtherwise(keyId),
      reseal: async (command) => void (await this.#propose(command)),
    };
  }

  write(command: WriteCommand): Promise<ApplyResult> {
    return this.#propose(command);
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

  async #propose(command: Command): Promise<ApplyResult> {
    const outcome = await this.#driver.propose(encodeCommand(command));
    switch (outcome.kind) {
      case "applied":
        return outcome.result;
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

  get #revision(): number {
    return this.#store.position.revision;
  }

  async #whenFresh({ linearizable, minRevision }: Freshness): Promise<void> {
    if (linearizable && !(await this.#driver.confirmRead())) throw this.noLeader();
    for (let waitedMs = 0; this.#revision < minRevision; waitedMs += CATCH_UP_STEP_MS) {
      if (waitedMs >= CATCH_UP_MS) {
        const why = `This member is at revision ${this.#revision}, behind ${minRevision}; retry, or ask another.`;
        throw new Refusal("behind", why, { revision: this.#revision });
      }
      await Bun.sleep(CATCH_UP_STEP_MS);
    }
  }

  /**
   * Reads once it is certain that nothing after `revision` is lost. Nobody can have seen a revision ahead of
   * a leader that was confirmed after the question came: its cursor is of another history. A member that
   * does not lead waits for it instead (pitfall 36).
   */
  #whenRetained<T>(revision: number, read: () => T): Now<T> {
    this.#assertReadable();
    const { revision: current, compactedRevision } = this.#store.position;
    if (revision < compactedRevision) throw notRetained(revision, current, compactedRevision);
    if (revision <= current) return read();
    if (this.#driver.leadsAlone()) throw notRetained(revision, current, compactedRevision);
    if (this.#driver.state.role.kind !== "leader") return read();
    return this.#driver.confirmRead().then((isLeader) => {
      const { position } = this.#store;
      if (!isLeader || revision <= position.revision) return read();
      throw notRetained(revision, position.revision, position.compactedRevision);
    });
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
