/**
 * Owns one simulated member: the pure core, a disk, the real state machine, its watchers, and doing what
 * `Ready` says in the order the driver does. While its disk works it hears nothing, as the driver does.
 */
import { encodeCommand } from "../../service/command.ts";
import type { ApplyResult } from "../../service/fsm.ts";
import { assert } from "../../service/raft/assert.ts";
import { isOutOfTouch } from "../../service/raft/election.ts";
import { termAt } from "../../service/raft/log-shape.ts";
import { type Change, inForce, memberOf, membershipAt } from "../../service/raft/membership.ts";
import * as core from "../../service/raft/node.ts";
import { Pending } from "../../service/raft/pending.ts";
import { ReadQueue } from "../../service/raft/read-queue.ts";
import {
  type Incoming,
  type LogEntry,
  type Moment,
  type NodeId,
  type Outgoing,
  type RaftState,
  type SnapshotFacts,
  type Step,
  TIMING,
} from "../../service/raft/types.ts";
import { latestOf, type Sink, Watcher, type WatchLimits } from "../../service/watch.ts";
import type { KvStore, StoredChange } from "../../shared/store.ts";
import { compactedTo, type Disk, entriesOf, restored, termOn, written } from "./disk.ts";
import { type Image, SimMachine } from "./machine.ts";

/** A snapshot on its way; the state travels beside the message. */
export type SimMessage = Incoming & { readonly image?: Image };
/** What became of a proposal: "refused" is certain, "unknown" is not. */
export type Outcome = ApplyResult | "unknown" | "refused";

/** What one member does to the world around it. */
export interface Surroundings {
  moment(id: NodeId): Moment;
  send(message: SimMessage): void;
  /** Calls `done` when the disk has written; never, if the member crashes before, or because it cannot. */
  sync(id: NodeId, done: () => void): void;
  /** Calls back when the member has done everything else that is due; never, if it is down then. */
  soon(id: NodeId, piece: () => void): void;
  applied(node: SimNode, entry: LogEntry, result: string, changes: readonly StoredChange[]): void;
}

/** Whole states are compared at these indexes. */
export const STATE_HASH_EVERY = 20;
const COMPACT_ENTRIES = 40;
const TAIL_ENTRIES = 4;
const COPY_KEPT_MS = 300;
/** Per tick, that the state's file is written; a killed process loses what came after. */
const FLUSH_CHANCE = 0.1;
/** Small, so that readers that pause are waited for, and cut. */
const WATCH: WatchLimits = { bufferedBytesMax: 2_000, backlogChangesMax: 40 };
const SWEEP_KEYS_MAX = 8;

export class SimNode {
  readonly id: NodeId;
  readonly #world: Surroundings;
  /** As written; a crash may leave only what is synced. */
  #written: Disk;
  #synced: Disk;
  #state: RaftState;
  #machine: SimMachine;
  #busy = false;
  #inbox: (() => void)[] = [];
  #pending = new Pending<Outcome>();
  #reads = new ReadQueue();
  #watchers = new Set<{ readonly watcher: Watcher; readonly sink: Sink }>();
  #changes: readonly StoredChange[] = [];
  #copy: { readonly facts: SnapshotFacts; readonly image: Image; usedMs: number } | null = null;
  /** The state's file as last written, synced or not; null when that was at its last checkpoint. */
  #flushed: Image | null = null;
  #sweeping = false;
  #life = 0;

  constructor(id: NodeId, disk: Disk, world: Surroundings) {
    this.id = id;
    this.#world = world;
    this.#written = disk;
    this.#synced = disk;
    this.#machine = this.#opened(disk.image);
    this.#state = core.restart(id, restored(disk), 0, this.#moment());
  }

  get state(): RaftState {
    return this.#state;
  }
  get synced(): Disk {
    return this.#synced;
  }
  get store(): KvStore {
    return this.#machine.store;
  }
  /** Whether a sync is under way: a good moment for misfortune. */
  get isWriting(): boolean {
    return this.#busy;
  }

  stateHash(): number {
    return this.#machine.hash();
  }

  tick(): void {
    this.#event(() => {
      const moment = this.#moment();
      this.#perform(core.tick(this.#state, moment));
      this.#pending.expire(moment.monotonicMs - TIMING.proposalTimeoutMs, "unknown");
      if (isOutOfTouch(this.#state, moment)) this.#dropWatchers("no leader is known here");
    });
    this.#event(() => {
      const learner = core.promotable(this.#state);
      if (learner !== null) this.#change({ kind: "promote", nodeId: learner });
    });
    this.#event(() => {
      if (this.#moment().random < FLUSH_CHANCE) this.#flushed = this.#machine.image();
    });
    this.#event(() => this.#sweepExpired());
    this.#event(() => this.#compactWhenDue());
  }

  deliver(message: SimMessage): void {
    this.#event(() => {
      const stepped = core.step(this.#state, message, this.#moment());
      this.#perform(stepped, message.image ?? null);
    });
  }

  change(change: Change): void {
    this.#event(() => this.#change(change));
  }

  transfer(to: NodeId): void {
    this.#event(() => {
      const begun = core.transferTo(this.#state, to, this.#moment());
      if (begun !== null) this.#perform(begun);
    });
  }

  propose(payload: string, answer: (outcome: Outcome) => void): void {
    this.#event(() => {
      const moment = this.#moment();
      const proposed = core.propose(this.#state, [payload], moment);
      const entry = proposed?.ready.append[0];
      if (proposed === null || entry === undefined) return answer("refused");
      this.#pending.add(entry, moment.monotonicMs, answer);
      this.#perform(proposed);
    });
  }

  /** Answers true once local state holds everything that was acknowledged before the call. */
  confirmRead(answer: (served: boolean) => void): void {
    this.#event(() => {
      if (core.leadsAlone(this.#state, this.#machine.index)) return answer(true);
      this.#reads.add(answer);
      const begun = core.beginRead(this.#state, this.#moment());
      this.#reads.begin(begun?.ticket ?? null);
      if (begun !== null) this.#perform(begun.step);
    });
  }

  /** Begins to tell changes to `sink`, unless what was asked for is compacted, or this is not the place. */
  watch(
    sink: Sink,
    namespace: string,
    fromRevision: number,
  ): "compacted" | "refused" | { readonly drained: () => void } {
    const isMember = memberOf(inForce(this.#state.memberships), this.id) !== undefined;
    if (!isMember || isOutOfTouch(this.#state, this.#moment())) return "refused";
    const { revision, compactedRevision } = this.store.position;
    const alone = core.leadsAlone(this.#state, this.#machine.index);
    assert(!alone || fromRevision <= revision, "C1: someone was told more than the one voter has");
    if (fromRevision < compactedRevision) return "compacted";
    const watcher = new Watcher(sink, this.store, WATCH, {
      lastChangeOf: () => Infinity,
      inTurn: (piece) => this.#world.soon(this.id, piece),
    });
    watcher.subscribe(namespace, fromRevision);
    this.#watchers.add({ watcher, sink });
    watcher.pump(null);
    return { drained: () => watcher.pump(null) };
  }

  /** Memory is gone. A power cut takes with it what was not synced; a killed process may have written it. */
  crash(cut: "power" | "process", flushed: boolean): void {
    this.#life += 1;
    this.#busy = false;
    this.#inbox = [];
    if (flushed) this.#synced = this.#written;
    this.#written = this.#synced;
    const image = cut === "process" ? (this.#flushed ?? this.#synced.image) : this.#synced.image;
    this.#machine.close();
    this.#machine = this.#opened(image);
    this.#copy = null;
    this.#flushed = image;
    this.#sweeping = false;
    this.#dropWatchers("the process ended");
    this.#pending.expire(Infinity, "unknown");
    this.#reads.abandon();
  }

  restart(): void {
    const { base } = this.#synced;
    // The bytes of a snapshot are swapped in at the start when a crash came between.
    if (this.#machine.index < base.index) {
      this.#machine.close();
      this.#machine = this.#opened(this.#synced.image);
    }
    assert(this.#machine.index >= base.index, "the state continues the log");
    const applied = this.#machine.index;
    this.#state = core.restart(this.id, restored(this.#synced), applied, this.#moment());
    this.#applyThrough(this.#state.commitIndex);
  }

  close(): void {
    this.#machine.close();
  }

  #opened(image: Image | null): SimMachine {
    const machine = new SimMachine(image);
    machine.onChanges((changes) => {
      this.#changes = changes;
    });
    return machine;
  }

  #dropWatchers(why: string): void {
    for (const { watcher, sink } of this.#watchers) {
      watcher.stop();
      sink.close(1001, why);
    }
    this.#watchers.clear();
  }

  #event(work: () => void): void {
    if (this.#busy) this.#inbox.push(work);
    else work();
  }

  #moment(): Moment {
    return this.#world.moment(this.id);
  }

  #change(change: Change): void {
    const proposed = core.proposeChange(this.#state, change, this.#moment());
    if (typeof proposed !== "string") this.#perform(proposed);
  }

  #perform({ state, ready }: Step, received: Image | null = null): void {
    const led = this.#state.role.kind === "leader";
    this.#state = state;
    const durable = this.#synced.hardState.term === state.term;
    const mayLead = ({ type }: Outgoing) => durable && type === "append_request";
    this.#written = written(this.#written, ready, received);
    for (const message of ready.messages) if (mayLead(message)) this.#send(message);
    const late = ready.messages.filter((message) => !mayLead(message));
    const finish = () => {
      this.#synced = this.#written;
      if (ready.install !== null && received !== null) this.#install(received);
      for (const message of late) this.#send(message);
      if (ready.committedThrough !== null) this.#applyThrough(ready.committedThrough);
      if (led && this.#state.role.kind !== "leader") this.#pending.expire(Infinity, "unknown");
      const last = ready.append.at(-1);
      if (last !== undefined) {
        this.#perform(core.persisted(this.#state, last.index, last.term, this.#moment()));
      }
      this.#reads.settle(this.#state, this.#machine.index);
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

  #send(message: Outgoing): void {
    if (message.type === "snapshot_offer") {
      const copy = this.#currentCopy();
      if (copy !== null) this.#world.send({ ...message, snapshot: copy.facts, image: copy.image });
    } else if (message.type === "append_request") {
      const { prevIndex, throughIndex } = message;
      const entries = entriesOf(this.#written, prevIndex + 1, throughIndex);
      this.#world.send({ ...message, entries });
    } else this.#world.send(message);
  }

  /** A copy is used again as long as the log continues it, as service/snapshots.ts does. */
  #currentCopy() {
    const { baseIndex } = this.#state.log;
    const usedMs = this.#moment().monotonicMs;
    if (this.#copy !== null && this.#copy.facts.index >= baseIndex) {
      this.#copy.usedMs = usedMs;
      return this.#copy;
    }
    const facts = this.#factsAt(this.#machine.index, this.store.position.timeMs);
    this.#copy = facts === null ? null : { facts, image: this.#machine.image(), usedMs };
    return this.#copy;
  }

  /** Entries above this serve a follower that takes the present copy (pitfall 25). */
  #heldIndex(): number {
    if (this.#copy === null) return Infinity;
    const usedMs = this.#moment().monotonicMs - this.#copy.usedMs;
    return usedMs < COPY_KEPT_MS ? this.#copy.facts.index : Infinity;
  }

  #factsAt(index: number, timeMs: number): SnapshotFacts | null {
    const lastTerm = termAt(this.#state.log, index);
    if (lastTerm === null) return null;
    return { index, lastTerm, timeMs, membership: membershipAt(this.#state.memberships, index) };
  }

  #install(image: Image): void {
    this.#machine.replace(image);
    this.#flushed = null;
    for (const { watcher } of this.#watchers) watcher.pump(null);
  }

  #applyThrough(index: number): void {
    while (this.#machine.index < index) {
      const next = this.#machine.index + 1;
      // In batches that end where states are compared.
      const through = Math.min(index, Math.ceil(next / STATE_HASH_EVERY) * STATE_HASH_EVERY);
      this.#apply(entriesOf(this.#written, next, through));
    }
  }

  #apply(entries: readonly LogEntry[]): void {
    this.#changes = [];
    const results = this.#machine.apply(entries);
    const changes = this.#changes;
    let told = 0;
    for (const [offset, entry] of entries.entries()) {
      const result = results[offset] ?? null;
      const through = result?.kind === "committed" ? result.revision : 0;
      const first = told;
      while ((changes[told]?.revision ?? Infinity) <= through) told += 1;
      const own = changes.slice(first, told);
      this.#world.applied(this, entry, JSON.stringify(result), own);
      if (result !== null) this.#pending.settle(entry, result);
    }
    if (changes.length === 0) return;
    const latest = latestOf(changes);
    for (const { watcher } of this.#watchers) watcher.pump(latest);
  }

  /** As service/expiry.ts: the leader notices by its wall clock, the command decides. */
  #sweepExpired(): void {
    const { role, commitIndex } = this.#state;
    if (role.kind !== "leader" || commitIndex < role.termStartIndex || this.#sweeping) return;
    const due = this.store.expiredBy(this.#moment().wallMs, SWEEP_KEYS_MAX);
    if (due.length === 0) return;
    this.#sweeping = true;
    const keys = due.map(({ namespace, key, version }) => ({ namespace, key, version }));
    this.propose(encodeCommand({ type: "expire", keys }), () => {
      this.#sweeping = false;
    });
  }

  /** The state is synced first, then the log lets go of what it stands for, in one synced step. */
  #compactWhenDue(): void {
    const { base } = this.#written;
    const applied = this.#machine.index;
    if (applied - base.index < COMPACT_ENTRIES) return;
    const through = Math.min(applied - TAIL_ENTRIES, this.#heldIndex());
    if (through <= base.index) return;
    const facts = this.#factsAt(
      through,
      entriesOf(this.#written, through, through)[0]?.timeMs ?? 0,
    );
    assert(facts !== null, "what is applied and not compacted is in the log");
    this.#written = compactedTo(this.#written, facts, this.#machine.image());
    this.#flushed = null;
    this.#synced = this.#written;
    this.#state = core.compactThrough(this.#state, through);
  }

  /** The term of an entry on the synced disk; null when it is not there. */
  syncedTerm(index: number): number | null {
    return termOn(this.#synced, index);
  }
}
