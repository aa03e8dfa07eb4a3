/**
 * Owns one simulated member: the pure core, a disk that loses what was not synced, a machine, and doing
 * what `Ready` says in the order the driver does. While its disk works it hears nothing, as the driver does.
 */
import { assert } from "../../service/raft/assert.ts";
import { emptyLog, termAt, withTerms } from "../../service/raft/log-shape.ts";
import {
  decodeMembership,
  type Membership,
  type MembershipAt,
  membershipAt,
} from "../../service/raft/membership.ts";
import * as core from "../../service/raft/node.ts";
import { judgeRead, type ReadTicket } from "../../service/raft/reads.ts";
import type {
  HardState,
  Incoming,
  LogEntry,
  Moment,
  NodeId,
  Outgoing,
  RaftState,
  SnapshotOffer,
  Step,
} from "../../service/raft/types.ts";
import { SimMachine, type WriteAnswer } from "./machine.ts";

export type Core = typeof core & { readonly judgeRead: typeof judgeRead };
export const REAL_CORE: Core = { ...core, judgeRead };

export interface Disk {
  readonly hardState: HardState;
  /** What stands for everything before `entries`, with the state itself. */
  readonly base: {
    readonly index: number;
    readonly term: number;
    readonly timeMs: number;
    readonly membership: Membership;
    readonly machine: SimMachine;
  };
  readonly entries: readonly LogEntry[];
}
/** A snapshot on its way; the state travels beside the message. */
export type SimMessage = Incoming & { readonly machine?: SimMachine };

/** What a member does to the world around it. */
export interface Surroundings {
  readonly core: Core;
  moment(id: NodeId): Moment;
  send(message: SimMessage): void;
  /** Calls `done` when the disk has written; never, if the member crashes before. */
  sync(id: NodeId, done: () => void): void;
  applied(id: NodeId, entry: LogEntry, hash: number): void;
}
interface PendingWrite {
  readonly key: string;
  readonly answer: (answer: WriteAnswer | "unknown") => void;
}
interface PendingRead {
  readonly ticket: ReadTicket;
  readonly answer: (served: boolean) => void;
}

const COMPACT_ENTRIES = 40;
const TAIL_ENTRIES = 10;

export function freshDisk(membership: Membership): Disk {
  const base = { index: 0, term: 0, timeMs: 0, membership, machine: new SimMachine() };
  return { hardState: { term: 0, votedFor: null, commitIndex: 0 }, base, entries: [] };
}

export class SimNode {
  readonly id: NodeId;
  readonly #world: Surroundings;
  /** As written; a crash leaves only what is synced. */
  #written: Disk;
  #synced: Disk;
  #state: RaftState;
  #machine: SimMachine;
  #busy = false;
  #inbox: (() => void)[] = [];
  #writes: PendingWrite[] = [];
  #reads: PendingRead[] = [];
  #life = 0;

  constructor(id: NodeId, disk: Disk, world: Surroundings) {
    this.id = id;
    this.#world = world;
    this.#written = disk;
    this.#synced = disk;
    this.#machine = new SimMachine(disk.base.machine);
    this.#state = this.#restored();
  }

  get state(): RaftState {
    return this.#state;
  }
  get synced(): Disk {
    return this.#synced;
  }
  get machine(): SimMachine {
    return this.#machine;
  }

  /** The term of an entry on the synced disk; null when it is not there. */
  syncedTerm(index: number): number | null {
    const { base, entries } = this.#synced;
    if (index <= base.index) return index === base.index ? base.term : 0;
    return entries[index - base.index - 1]?.term ?? null;
  }

  tick(): void {
    this.#event(() => this.#perform(this.#world.core.tick(this.#state, this.#moment())));
    this.#event(() => {
      const learner = this.#world.core.promotable(this.#state);
      if (learner !== null) this.#change({ kind: "promote", nodeId: learner });
      this.#compactWhenDue();
    });
  }

  deliver(message: SimMessage): void {
    this.#event(() => {
      const stepped = this.#world.core.step(this.#state, message, this.#moment());
      this.#perform(stepped, message.machine ?? null);
    });
  }

  change(change: Parameters<Core["proposeChange"]>[1]): void {
    this.#event(() => this.#change(change));
  }

  transfer(to: NodeId): void {
    this.#event(() => {
      const begun = this.#world.core.transferTo(this.#state, to, this.#moment());
      if (begun !== null) this.#perform(begun);
    });
  }

  /** Answers "unknown" when it may still happen, null at once when it surely did not. */
  propose(payload: string, answer: (answer: WriteAnswer | "unknown" | null) => void): void {
    this.#event(() => {
      const proposed = this.#world.core.propose(this.#state, [payload], this.#moment());
      const entry = proposed?.ready.append[0];
      if (proposed === null || entry === undefined) return answer(null);
      this.#writes.push({ key: `${entry.term}:${entry.index}`, answer });
      this.#perform(proposed);
    });
  }

  read(answer: (served: boolean) => void): void {
    this.#event(() => {
      const begun = this.#world.core.beginRead(this.#state, this.#moment());
      if (begun === null) return answer(false);
      this.#reads.push({ ticket: begun.ticket, answer });
      this.#perform(begun.step);
    });
  }

  /** Memory is gone, and so is what was written but not synced. */
  crash(): void {
    this.#life += 1;
    this.#busy = false;
    this.#inbox = [];
    this.#written = this.#synced;
    for (const { answer } of this.#writes.splice(0)) answer("unknown");
    for (const { answer } of this.#reads.splice(0)) answer(false);
  }

  restart(): void {
    this.#machine = new SimMachine(this.#synced.base.machine);
    this.#state = this.#restored();
    this.#applyThrough(this.#state.commitIndex);
  }

  #event(work: () => void): void {
    if (this.#busy) this.#inbox.push(work);
    else work();
  }

  #moment(): Moment {
    return this.#world.moment(this.id);
  }

  #change(change: Parameters<Core["proposeChange"]>[1]): void {
    const proposed = this.#world.core.proposeChange(this.#state, change, this.#moment());
    if (typeof proposed !== "string") this.#perform(proposed);
  }

  #perform({ state, ready }: Step, received: SimMachine | null = null): void {
    const led = this.#state.role.kind === "leader";
    this.#state = state;
    const durable = this.#synced.hardState.term === state.term;
    const mayLead = ({ type }: Outgoing) => durable && type === "append_request";
    this.#write(ready, received);
    for (const message of ready.messages) if (mayLead(message)) this.#send(message);
    const late = ready.messages.filter((message) => !mayLead(message));
    const finish = () => {
      this.#synced = this.#written;
      if (ready.install !== null) this.#machine = new SimMachine(this.#written.base.machine);
      for (const message of late) this.#send(message);
      if (ready.committedThrough !== null) this.#applyThrough(ready.committedThrough);
      if (led && this.#state.role.kind !== "leader") this.#abandon();
      const last = ready.append.at(-1);
      if (last !== undefined) {
        this.#perform(
          this.#world.core.persisted(this.#state, last.index, last.term, this.#moment()),
        );
      }
      this.#judgeReads();
    };
    if (ready.hardState === null) finish();
    else this.#afterSync(finish);
  }

  #afterSync(finish: () => void): void {
    const life = this.#life;
    this.#busy = true;
    this.#world.sync(this.id, () => {
      if (life !== this.#life) return;
      this.#busy = false;
      finish();
      while (!this.#busy) {
        const next = this.#inbox.shift();
        if (next === undefined) return;
        next();
      }
    });
  }

  #write({ hardState, append, install }: Step["ready"], received: SimMachine | null): void {
    let disk = this.#written;
    if (install !== null) {
      const { index, lastTerm: term, timeMs, membership } = install.snapshot;
      assert(received !== null && received.index === index, "a snapshot comes with its state");
      const base = { index, term, timeMs, membership, machine: received };
      const entries = install.keepLog ? disk.entries.filter((one) => one.index > index) : [];
      disk = { ...disk, base, entries };
    }
    const first = append[0];
    if (first !== undefined) {
      const kept = disk.entries.slice(0, first.index - disk.base.index - 1);
      disk = { ...disk, entries: [...kept, ...append] };
    }
    this.#written = { ...disk, hardState: hardState ?? disk.hardState };
  }

  #send(message: Outgoing): void {
    if (message.type === "snapshot_offer") {
      const { index, timeMs } = this.#machine;
      const lastTerm = termAt(this.#state.log, index);
      if (lastTerm === null) return;
      const membership = membershipAt(this.#state.memberships, index);
      const snapshot: SnapshotOffer["snapshot"] = { index, lastTerm, timeMs, membership };
      this.#world.send({ ...message, snapshot, machine: new SimMachine(this.#machine) });
    } else if (message.type === "append_request") {
      const { base, entries } = this.#written;
      const sent = entries.slice(message.prevIndex - base.index, message.throughIndex - base.index);
      this.#world.send({ ...message, entries: sent });
    } else this.#world.send(message);
  }

  #applyThrough(index: number): void {
    const { base, entries } = this.#written;
    while (this.#machine.index < index) {
      const entry = entries[this.#machine.index - base.index];
      assert(entry !== undefined, "what is committed is in the log");
      const answer = this.#machine.apply(entry);
      this.#world.applied(this.id, entry, this.#machine.hash);
      const key = `${entry.term}:${entry.index}`;
      const waiting = this.#writes.findIndex((one) => one.key === key);
      if (waiting === -1) continue;
      const [write] = this.#writes.splice(waiting, 1);
      if (answer !== null) write?.answer(answer);
    }
  }

  #abandon(): void {
    for (const { answer } of this.#writes.splice(0)) answer("unknown");
  }

  #judgeReads(): void {
    const reads = this.#reads.splice(0);
    for (const read of reads) {
      const verdict = this.#world.core.judgeRead(this.#state, read.ticket, this.#machine.index);
      if (verdict === "waiting") this.#reads.push(read);
      else read.answer(verdict === "confirmed");
    }
  }

  /** The state is synced first, then the log lets go of what it stands for, in one synced step. */
  #compactWhenDue(): void {
    const { base } = this.#written;
    if (this.#machine.index - base.index < COMPACT_ENTRIES) return;
    const through = this.#machine.index - TAIL_ENTRIES;
    const term = termAt(this.#state.log, through);
    assert(term !== null, "what is applied and not compacted is in the log");
    const membership = membershipAt(this.#state.memberships, through);
    const machine = new SimMachine(base.machine);
    for (const entry of this.#written.entries) if (entry.index <= through) machine.apply(entry);
    const entries = this.#written.entries.filter((entry) => entry.index > through);
    const next = { index: through, term, timeMs: machine.timeMs, membership, machine };
    this.#written = { ...this.#written, base: next, entries };
    this.#synced = this.#written;
    this.#state = this.#world.core.compactThrough(this.#state, through);
  }

  #restored(): RaftState {
    const { hardState, base, entries } = this.#synced;
    const terms = entries.map((entry) => entry.term);
    const empty = emptyLog(base.index, base.term);
    const log = entries.length === 0 ? empty : withTerms(empty, base.index + 1, terms);
    const later: MembershipAt[] = entries
      .filter(({ kind }) => kind === "config")
      .map(({ index, payload }) => ({ index, membership: decodeMembership(payload) }));
    const memberships = [{ index: base.index, membership: base.membership }, ...later];
    const lastTimeMs = entries.at(-1)?.timeMs ?? base.timeMs;
    const restored = { hardState, log, lastTimeMs, memberships };
    return this.#world.core.restart(this.id, restored, this.#moment());
  }
}
