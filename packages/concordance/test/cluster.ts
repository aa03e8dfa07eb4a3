/**
 * Owns running the pure core of several members in memory: a disk each, one network, whatever time and luck
 * a test hands in. It performs `Ready` the way the driver does, so that traces and simulation test the
 * core and nothing else.
 */
import { assert } from "../service/raft/assert.ts";
import { EMPTY_LOG, withTerms } from "../service/raft/log-shape.ts";
import {
  type Change,
  decodeMembership,
  foundedBy,
  type MembershipAt,
} from "../service/raft/membership.ts";
import {
  beginRead,
  type ChangeRefusal,
  persisted,
  propose,
  proposeChange,
  restart,
  step,
  tick,
  transferTo,
} from "../service/raft/node.ts";
import { judgeRead, type ReadTicket } from "../service/raft/reads.ts";
import type {
  HardState,
  Incoming,
  LogEntry,
  Moment,
  NodeId,
  Outgoing,
  RaftState,
  Ready,
  Step,
} from "../service/raft/types.ts";

interface Disk {
  readonly hardState: HardState;
  readonly entries: readonly LogEntry[];
}
export interface SimMember {
  state: RaftState;
  /** As written, in order; what a crash leaves of it is `synced`. */
  disk: Disk;
  synced: Disk;
  /** Applied so far, from the start of the log: the whole machine. */
  applied: LogEntry[];
}

export class Cluster {
  readonly members = new Map<NodeId, SimMember>();
  readonly network: Incoming[] = [];
  readonly #voters: readonly NodeId[];
  readonly #tickets = new Map<NodeId, ReadTicket>();
  /** Of the latest event: a disk that finishes has no time of its own. */
  #moment: Moment;

  constructor(voters: readonly NodeId[], moment: Moment) {
    this.#voters = voters;
    this.#moment = moment;
    for (const id of voters) {
      const hardState: HardState = { term: 0, votedFor: null, commitIndex: 0 };
      const memberships = [{ index: 0, membership: foundedBy(voters, "test") }];
      const restored = { hardState, log: EMPTY_LOG, lastTimeMs: 0, memberships };
      const state = restart(id, restored, 0, moment);
      const disk: Disk = { hardState, entries: [] };
      this.members.set(id, { state, disk, synced: disk, applied: [] });
    }
  }

  member(id: NodeId): SimMember {
    const member = this.members.get(id);
    assert(member !== undefined, `no member ${id}`);
    return member;
  }

  tick(id: NodeId, moment: Moment): Ready {
    this.#moment = moment;
    return this.#perform(id, tick(this.member(id).state, moment));
  }

  /** Null when the member does not lead. */
  propose(id: NodeId, payloads: readonly string[], moment: Moment): Ready | null {
    this.#moment = moment;
    const proposed = propose(this.member(id).state, payloads, moment);
    return proposed === null ? null : this.#perform(id, proposed);
  }

  change(id: NodeId, change: Change, moment: Moment): Ready | ChangeRefusal {
    this.#moment = moment;
    const proposed = proposeChange(this.member(id).state, change, moment);
    return typeof proposed === "string" ? proposed : this.#perform(id, proposed);
  }

  /** Null when the member does not lead, or `to` cannot. */
  transfer(id: NodeId, to: NodeId, moment: Moment): Ready | null {
    this.#moment = moment;
    const begun = transferTo(this.member(id).state, to, moment);
    return begun === null ? null : this.#perform(id, begun);
  }

  /** Asks for proof of leadership; null when the member does not lead. */
  read(id: NodeId, moment: Moment): Ready | null {
    this.#moment = moment;
    const begun = beginRead(this.member(id).state, moment);
    if (begun === null) return null;
    this.#tickets.set(id, begun.ticket);
    return this.#perform(id, begun.step);
  }

  /** What has become of the latest read that was asked for there. */
  verdict(id: NodeId) {
    const { state, applied } = this.member(id);
    const ticket = this.#tickets.get(id);
    assert(ticket !== undefined, `nobody reads at ${id}`);
    return judgeRead(state, ticket, applied.length);
  }

  deliver(message: Incoming, moment: Moment): Ready {
    this.#moment = moment;
    return this.#perform(message.to, step(this.member(message.to).state, message, moment));
  }

  /** The member's disk finished everything it was given. */
  synced(id: NodeId): Ready | null {
    const member = this.member(id);
    member.synced = member.disk;
    const last = member.disk.entries.at(-1);
    if (last === undefined) return null;
    return this.#perform(id, persisted(member.state, last.index, last.term, this.#moment));
  }

  /** Memory is gone, and so is what was written but not synced; the machine is rebuilt from the log. */
  crash(id: NodeId, moment: Moment): void {
    const member = this.member(id);
    member.disk = member.synced;
    const { hardState, entries } = member.disk;
    const terms = entries.map((entry) => entry.term);
    const log = entries.length === 0 ? EMPTY_LOG : withTerms(EMPTY_LOG, 1, terms);
    const changes: MembershipAt[] = entries
      .filter(({ kind }) => kind === "config")
      .map(({ index, payload }) => ({ index, membership: decodeMembership(payload) }));
    const memberships = [{ index: 0, membership: foundedBy(this.#voters, "test") }, ...changes];
    const restored = { hardState, log, lastTimeMs: entries.at(-1)?.timeMs ?? 0, memberships };
    member.state = restart(id, restored, 0, moment);
    member.applied = entries.slice(0, member.state.commitIndex);
  }

  #perform(id: NodeId, { state, ready }: Step): Ready {
    const member = this.member(id);
    member.state = state;
    const first = ready.append[0]?.index ?? member.disk.entries.length + 1;
    const entries = [...member.disk.entries.slice(0, first - 1), ...ready.append];
    member.disk = { hardState: ready.hardState ?? member.disk.hardState, entries };
    // Only a leader's own append may linger unsynced; everything else is synced before it is answered.
    if (state.role.kind !== "leader") member.synced = member.disk;
    for (const message of ready.messages) this.network.push(this.#filled(member, message));
    if (ready.committedThrough !== null) {
      member.applied = member.disk.entries.slice(0, ready.committedThrough);
    }
    return ready;
  }

  #filled(member: SimMember, message: Outgoing): Incoming {
    assert(message.type !== "snapshot_offer", "nothing is compacted here");
    if (message.type !== "append_request") return message;
    const entries = member.disk.entries.slice(message.prevIndex, message.throughIndex);
    return { ...message, entries };
  }
}
