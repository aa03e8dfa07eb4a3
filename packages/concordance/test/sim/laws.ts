/**
 * Owns what must hold in a simulated cluster after every step, judged from outside with the knowledge of
 * everything that ever happened (C1, C2, C3, C5). A broken law ends the run and names itself.
 */
import { assert } from "../../service/raft/assert.ts";
import { currentVoters, inForce, memberOf, membershipAt } from "../../service/raft/membership.ts";
import { majority } from "../../service/raft/quorum.ts";
import type { LogEntry, NodeId } from "../../service/raft/types.ts";
import type { StoredChange } from "../../shared/store.ts";
import { type SimMessage, type SimNode, STATE_HASH_EVERY } from "./node.ts";

/** An entry as everybody must apply it. */
interface Committed {
  readonly term: number;
  readonly kind: string;
  readonly payload: string;
  readonly timeMs: number;
  readonly result: string;
  /** When the first member applied it, of true time. */
  readonly atMs: number;
  /** A term no earlier than the one it was committed in. */
  readonly byTerm: number;
}

export class Laws {
  readonly #leaders = new Map<number, NodeId>();
  readonly #committed: Committed[] = [];
  readonly #votes = new Map<string, NodeId>();
  readonly #stateHashes = new Map<number, number>();
  readonly #changes: StoredChange[] = [];
  statesCompared = 0;

  get committed(): readonly Committed[] {
    return this.#committed;
  }
  /** Every change there ever was, as first applied. */
  get changes(): readonly StoredChange[] {
    return this.#changes;
  }

  /** A member applied an entry: it must be the one that everybody applies there, with the same effect. */
  applied(
    node: SimNode,
    entry: LogEntry,
    effect: { readonly result: string; readonly changes: readonly StoredChange[] },
    world: { readonly nodes: Iterable<SimNode>; readonly nowMs: number },
  ): void {
    const { id } = node;
    const known = this.#committed[entry.index - 1];
    if (known !== undefined) {
      const same = known.term === entry.term && known.payload === entry.payload;
      assert(same, `C3: ${id} applied another entry ${entry.index}`);
      assert(known.result === effect.result, `C3: ${id} answers ${entry.index} differently`);
    } else this.#appliedFirst(id, entry, effect, world);
    if (entry.index % STATE_HASH_EVERY === 0) this.#compareState(node, entry.index);
  }

  /** A message leaves a member: what it promises must be on the synced disk by then. */
  sent(message: SimMessage, sender: SimNode): void {
    const { hardState } = sender.synced;
    const spoken = message.type === "vote_request" && message.preVote ? 0 : message.term;
    const asked = message.type === "vote_reply" && message.preVote;
    assert(asked || hardState.term >= spoken, "C2: a term is on disk before it is spoken of");
    if (message.type === "vote_reply" && !message.preVote && message.granted) {
      const key = `${message.from}:${message.term}`;
      const before = this.#votes.get(key) ?? message.to;
      assert(before === message.to, `C2: ${message.from} voted twice in term ${message.term}`);
      this.#votes.set(key, message.to);
      const kept = hardState.term === message.term && hardState.votedFor === message.to;
      assert(kept, "C2: a vote is on disk before it is told");
    }
    if (message.type === "append_reply" && message.success) {
      const { term } = message;
      const own = sender.syncedTerm(message.matchIndex);
      assert(
        own !== null,
        `C1: ${message.from} confirmed ${message.matchIndex} of term ${term} before its sync`,
      );
    }
  }

  check(nodes: Iterable<SimNode>): void {
    for (const node of nodes) {
      const { state, id } = node;
      if (state.role.kind !== "leader") continue;
      const known = this.#leaders.get(state.term);
      assert(known === undefined || known === id, `C2: ${known} and ${id} both lead ${state.term}`);
      if (known === undefined) this.#assertComplete(node);
      this.#leaders.set(state.term, id);
      const open = state.memberships.filter(({ index }) => index > state.commitIndex);
      const { termStartIndex } = state.role;
      const own = open.filter(({ index }) => index >= termStartIndex);
      assert(own.length === 0 || open.length === 1, "one uncommitted membership change at a time");
      const agreed = membershipAt(state.memberships, state.commitIndex);
      const belongs = memberOf(agreed, id) !== undefined || agreed.members.length === 0;
      assert(belongs, `a removed leader stops: ${id} leads ${state.term}`);
    }
  }

  #appliedFirst(
    id: NodeId,
    entry: LogEntry,
    { result, changes }: { readonly result: string; readonly changes: readonly StoredChange[] },
    { nodes, nowMs }: { readonly nodes: Iterable<SimNode>; readonly nowMs: number },
  ): void {
    assert(entry.index === this.#committed.length + 1, `C3: ${id} applied ${entry.index} early`);
    const before = this.#committed.at(-1)?.timeMs ?? 0;
    assert(entry.timeMs >= before, "C5: replicated time ran back");
    const all = [...nodes];
    const byTerm = Math.max(...all.map(({ state }) => state.term));
    this.#assertOnMajority(entry, all);
    const { term, kind, payload, timeMs } = entry;
    this.#committed.push({ term, kind, payload, timeMs, result, atMs: nowMs, byTerm });
    this.#changes.push(...changes);
  }

  #compareState(node: SimNode, index: number): void {
    const hash = node.stateHash();
    const known = this.#stateHashes.get(index) ?? hash;
    assert(known === hash, `C3: the state of ${node.id} differs at ${index}`);
    if (this.#stateHashes.has(index)) this.statesCompared += 1;
    this.#stateHashes.set(index, hash);
  }

  /** §5.4.3: who leads a later term has everything that was committed before. */
  #assertComplete({ id, state }: SimNode): void {
    for (let index = state.log.baseIndex + 1; index <= this.#committed.length; index += 1) {
      const entry = this.#committed[index - 1];
      if (entry === undefined || entry.byTerm >= state.term) continue;
      const span = state.log.spans.findLast(({ firstIndex }) => firstIndex <= index);
      const held = index <= state.log.lastIndex && span?.term === entry.term;
      assert(held, `leader completeness (§5.4.3): ${id} leads ${state.term} without ${index}`);
    }
  }

  /** C1: the first to apply an entry may do so only when a majority has it on its synced disk. */
  #assertOnMajority(entry: LogEntry, nodes: readonly SimNode[]): void {
    const holders = new Set(nodes.filter((node) => holds(node, entry)).map(({ id }) => id));
    const enough = nodes.some(({ state }) => {
      const voters = currentVoters(state);
      const votes = voters.filter((voter) => holders.has(voter)).length;
      return inForce(state.memberships).members.length > 0 && votes >= majority(voters.length || 1);
    });
    assert(enough, `C1: ${entry.index} was committed on ${[...holders].join(" ")} only`);
  }
}

function holds(node: SimNode, entry: LogEntry): boolean {
  const term = node.syncedTerm(entry.index);
  return term === entry.term || (term !== null && entry.index <= node.synced.base.index);
}
