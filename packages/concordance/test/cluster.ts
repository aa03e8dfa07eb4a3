/**
 * Owns running the pure core of several members in memory: a disk each, one network, whatever time and luck
 * a test hands in. It performs `Ready` the way the driver does, so that traces and simulation test the
 * core and nothing else.
 */
import { assert } from "../service/raft/assert.ts";
import { EMPTY_LOG, withTerms } from "../service/raft/log-shape.ts";
import { foundedBy } from "../service/raft/membership.ts";
import { persisted, propose, restart, step, tick } from "../service/raft/node.ts";
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
    const memberships = [{ index: 0, membership: foundedBy(this.#voters, "test") }];
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
