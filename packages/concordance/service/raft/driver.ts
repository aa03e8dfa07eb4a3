/**
 * Owns doing what the core decided, in order: sync the log, send, apply, then answer. The only room here
 * that touches disk and timers. While a sync is under way the event loop serves everyone else, and what
 * happens to this member waits (test/sim/node.ts does the same). Group commit: proposals that arrive
 * while the disk is busy share the next sync. Refuses to own: Raft's rules (node.ts), what an entry means (the machine), sockets (peers.ts).
 */

import { Applier, assertTogether } from "./applier.ts";
import { assert } from "./assert.ts";
import { type CompactionLimits, Compactor } from "./compactor.ts";
import { suspectLeader } from "./election.ts";
import { EntryCache } from "./entry-cache.ts";
import { EventLine } from "./event-line.ts";
import type { Install, RaftLog } from "./log.ts";
import { type Change, currentVoters } from "./membership.ts";
import {
  beginRead,
  compactThrough,
  leadsAlone,
  persisted,
  promotable,
  propose,
  proposeChange,
  restart,
  step,
  tick,
  transferTo,
} from "./node.ts";
import { Pending } from "./pending.ts";
import type { ChangeOutcome, Machine, Outbox, Outcome } from "./ports.ts";
import { ProposalQueue } from "./proposal-queue.ts";
import { ReadQueue } from "./read-queue.ts";
import { Saver, type Unsaved } from "./saver.ts";
import {
  type Incoming,
  type LogEntry,
  type Moment,
  type NodeId,
  type Outgoing,
  type RaftState,
  type SnapshotOffer,
  type Step,
  TIMING,
} from "./types.ts";

export interface DriverOptions<R> {
  readonly nodeId: NodeId;
  readonly log: RaftLog;
  readonly machine: Machine<R>;
  readonly outbox: Outbox;
  readonly compaction: CompactionLimits;
  readonly now: () => Moment;
  /** A write failed or an invariant broke. Must end the process: memory and disk may disagree now. */
  readonly onFatal: (error: unknown) => void;
}
export interface DriverStats {
  readonly proposals: number;
  readonly syncs: number;
  readonly elections: number;
  readonly compactions: number;
  readonly installs: number;
  readonly longestStallMs: number;
}

const TICK_MS = 10;

export class RaftDriver<R> {
  readonly #options: DriverOptions<R>;
  readonly #pending = new Pending<Outcome<R> | ChangeOutcome>();
  readonly #cache: EntryCache;
  readonly #applier: Applier<R>;
  readonly #queue = new ProposalQueue<Outcome<R>>();
  readonly #reads = new ReadQueue();
  readonly #compactor: Compactor;
  readonly #saver: Saver;
  readonly #events: EventLine;
  #isTickWaiting = false;
  #flushing = false;
  #announcing = false;
  #phase: "running" | "stopping" | "failed" = "running";
  #state: RaftState;
  #timer: ReturnType<typeof setInterval> | undefined;
  #stats = { proposals: 0, elections: 0, compactions: 0, installs: 0 };

  /** Restores the member and applies what was committed. Throws when disk and state disagree. */
  constructor(options: DriverOptions<R>) {
    this.#options = options;
    const { nodeId, log, machine, now } = options;
    const restored = log.restore();
    assertTogether(machine.appliedIndex, restored.log);
    this.#cache = new EntryCache((from, through) => log.read(from, through));
    this.#applier = new Applier(machine, this.#cache, this.#pending);
    this.#state = restart(nodeId, restored, machine.appliedIndex, now());
    this.#saver = new Saver(log, this.#state.term, (finish) => this.#events.resume(finish));
    this.#events = new EventLine({
      saver: this.#saver,
      paid: (saved) => this.#countMine(saved),
      nowMs: () => now().monotonicMs,
      onFailure: (error) => this.#fail(error),
    });
    this.#compactor = this.#makeCompactor();
    this.#applier.through(this.#state.commitIndex);
  }

  #makeCompactor(): Compactor {
    const { log, machine, outbox, compaction } = this.#options;
    return new Compactor({
      ...{ log, machine, outbox, limits: compaction },
      state: () => this.#state,
      asEvent: (work) =>
        this.#events.add(() => {
          if (this.#phase === "running") work();
        }),
      compacted: (through) => {
        this.#state = compactThrough(this.#state, through);
        this.#stats.compactions += 1;
      },
    });
  }

  /** Starts the clock. A sole voter leads, with its no-op applied, before this returns. */
  start(): void {
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Resolves once the command is synced and applied here, was certainly not accepted, or is unknown. */
  propose(payload: string): Promise<Outcome<R>> {
    if (this.#phase !== "running") return Promise.resolve({ kind: "stopping" });
    return new Promise((resolve) => {
      if (this.#queue.add({ payload, resolve })) this.#scheduleFlush();
      else resolve({ kind: "overloaded" });
    });
  }

  /** Resolves true once local state holds all that was acknowledged before the call; false when unsure. */
  confirmRead(): Promise<boolean> {
    if (this.#phase !== "running") return Promise.resolve(false);
    if (leadsAlone(this.#state, this.#applier.index)) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#reads.add(resolve);
      this.#scheduleFlush();
    });
  }

  /** Resolves once the change is committed, or says why it cannot be. */
  change(change: Change): Promise<ChangeOutcome> {
    return new Promise((resolve) => {
      this.#events.add(() => {
        const moment = this.#options.now();
        const proposed = proposeChange(this.#state, change, moment);
        if (typeof proposed === "string") return resolve(proposed);
        const [entry] = proposed.ready.append;
        if (entry !== undefined) {
          this.#pending.add(entry, moment.monotonicMs, (answer) =>
            resolve(answer === "done" ? "done" : "unknown"),
          );
        }
        this.#perform(proposed);
      });
    });
  }

  /** Begins to hand leadership over; false when this member does not lead or `to` cannot take it. */
  transfer(to: NodeId): boolean {
    this.#events.settle();
    const begun = transferTo(this.#state, to, this.#options.now());
    if (begun !== null) this.#events.add(() => this.#perform(begun));
    return begun !== null;
  }

  /** A peer's message. Handled before the next one is looked at. */
  receive(message: Incoming, install: string | null = null): void {
    this.#events.add(() => this.#perform(step(this.#state, message, this.#options.now()), install));
  }

  /** A verified state lies in `file`; it is taken if this member still needs it. */
  receiveSnapshot(offer: SnapshotOffer, file: string): void {
    this.receive(offer, file);
  }

  /** The connection to a peer broke: if it was the leader, look for another sooner. */
  peerLost(peer: NodeId): void {
    this.#state = suspectLeader(this.#state, peer, this.#options.now());
  }

  get state(): RaftState {
    return this.#state;
  }
  get stats(): DriverStats {
    const { longestStallMs } = this.#events;
    return { ...this.#stats, syncs: this.#saver.syncs, longestStallMs };
  }
  get failed(): boolean {
    return this.#phase === "failed";
  }

  /** Whether local reads see every acknowledged write right now, without asking anyone. */
  leadsAlone(): boolean {
    return !this.failed && leadsAlone(this.#state, this.#applier.index);
  }

  /** Writes what is queued, answers it, and stops the clock. */
  stop(): void {
    if (this.#phase === "running") this.#phase = "stopping";
    clearInterval(this.#timer);
    this.#events.settle();
    while (this.#queue.size > 0 && this.#phase === "stopping") {
      this.#events.add(() => this.#flush());
      this.#events.settle();
    }
    this.#pending.expire(Infinity, { kind: "unknown" });
    this.#reads.abandon();
  }

  #tick(): void {
    if (this.#isTickWaiting) return;
    this.#isTickWaiting = true;
    this.#events.add(() => {
      this.#isTickWaiting = false;
      const moment = this.#options.now();
      this.#perform(tick(this.#state, moment));
      this.#pending.expire(moment.monotonicMs - TIMING.proposalTimeoutMs, { kind: "unknown" });
      const learner = promotable(this.#state);
      if (learner !== null) this.#tryChange({ kind: "promote", nodeId: learner }, moment);
      this.#applier.flushWhenDue(moment.monotonicMs);
      this.#compactor.whenDue();
    });
  }

  #tryChange(change: Change, moment: Moment): void {
    const proposed = proposeChange(this.#state, change, moment);
    if (typeof proposed !== "string") this.#perform(proposed);
  }

  /** From a macrotask: every handler of this turn has queued its proposal by then. */
  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() =>
      this.#events.add(() => {
        this.#flushing = false;
        this.#ask();
        if (this.#isRoundOpen()) return;
        this.#flush();
        if (this.#queue.size > 0) this.#scheduleFlush();
      }),
    );
  }

  /**
   * Whether a batch of this leader's is still undecided. The next one could not be sent before that is over,
   * so it goes on growing meanwhile, and everything in it shares one sync here and one at each follower.
   */
  #isRoundOpen(): boolean {
    const { role, commitIndex, log } = this.#state;
    return role.kind === "leader" && commitIndex < log.lastIndex;
  }

  /** One round for all readers that wait. */
  #ask(): void {
    if (!this.#reads.needsRound) return;
    const begun = beginRead(this.#state, this.#options.now());
    this.#reads.begin(begun?.ticket ?? null);
    if (begun !== null) this.#perform(begun.step);
  }

  #flush(): void {
    const batch = this.#queue.takeBatch();
    if (batch.length === 0) return;
    const payloads = batch.map((proposal) => proposal.payload);
    const moment = this.#options.now();
    const proposed = propose(this.#state, payloads, moment);
    if (proposed === null) {
      const { leaderId, nodeId } = this.#state;
      const other = leaderId === nodeId ? null : leaderId;
      for (const { resolve } of batch) resolve({ kind: "not_leader", leaderId: other });
      return;
    }
    this.#stats.proposals += batch.length;
    proposed.ready.append.forEach((entry, offset) => {
      const resolve = batch[offset]?.resolve;
      if (resolve === undefined) return;
      this.#pending.add(entry, moment.monotonicMs, (answer) => {
        if (typeof answer !== "string") resolve(answer);
      });
    });
    this.#perform(proposed);
  }

  /** Persist, send, apply. What follows the sync may be left to come after this returns. */
  #perform(step: Step, file: string | null = null): void {
    assert(!this.#saver.isBusy, "one step at a time");
    const { state, ready } = step;
    const led = this.#state.role.kind === "leader";
    if (state.term > this.#state.term) this.#stats.elections += 1;
    this.#state = state;
    this.#cache.append(ready.append);
    const { early, late } = this.#sorted(ready.messages);
    for (const message of early) this.#send(message);
    const install = installOf(ready.install, file);
    const { hardState, append, committedThrough } = ready;
    const isOwed = early.length > 0 && late.length === 0 && committedThrough === null;
    const finish = () => {
      if (install !== null) this.#install(install);
      for (const message of late) this.#send(message);
      if (committedThrough !== null) this.#applyThrough(committedThrough);
      // After applying: what this very step committed is known, such as the removal of this leader.
      if (led && this.#state.role.kind !== "leader") {
        this.#pending.expire(Infinity, { kind: "unknown" });
      }
      if (!isOwed) this.#countMine(append);
      this.#reads.settle(this.#state, this.#applier.index);
      this.#announceSoon();
      if (this.#queue.size > 0 && !this.#isRoundOpen()) this.#scheduleFlush();
    };
    if (hardState === null) finish();
    else if (!isOwed) this.#saver.save({ hardState, append }, install, finish);
    else {
      this.#owe({ hardState, append });
      finish();
    }
  }

  /** The next batch goes out first: its followers' disks work while this one is applied and answered. */
  #applyThrough(index: number): void {
    const isOnItsWay = this.#state.role.kind === "leader" && currentVoters(this.#state).length > 1;
    if (isOnItsWay && this.#queue.size > 0 && !this.#isRoundOpen()) this.#flush();
    this.#applier.through(index);
  }

  /** The answers to the batch before this one need not wait for the disk. */
  #owe(unsaved: Unsaved): void {
    this.#saver.owe(unsaved);
    setImmediate(() => this.#events.add(() => undefined));
  }

  /** A completed sync is itself an event that may commit more. */
  #countMine(saved: readonly LogEntry[]): void {
    const last = saved.at(-1);
    if (last === undefined) return;
    this.#perform(persisted(this.#state, last.index, last.term, this.#options.now()));
  }

  /** A commit is to be told sooner than the next tick comes. */
  #announceSoon(): void {
    const { role } = this.#state;
    if (role.kind !== "leader" || this.#announcing || this.#phase !== "running") return;
    if (role.announceDueMs === Infinity) return;
    this.#announcing = true;
    setTimeout(() => {
      this.#announcing = false;
      if (this.#phase !== "running") return;
      this.#events.add(() => this.#perform(tick(this.#state, this.#options.now())));
    }, TIMING.announceAfterMs);
  }

  /** A leader's appends may travel while its own disk works, once its term is on disk (§10.2.1). */
  #sorted(messages: readonly Outgoing[]) {
    const durable = this.#saver.savedTerm === this.#state.term;
    const mayLead = ({ type }: Outgoing) => durable && type === "append_request";
    return { early: messages.filter(mayLead), late: messages.filter((one) => !mayLead(one)) };
  }

  #send(message: Outgoing): void {
    const { outbox } = this.#options;
    if (message.type === "snapshot_offer") outbox.offerSnapshot(message);
    else if (message.type !== "append_request") outbox.send(message);
    else outbox.send({ ...message, entries: this.#cache.forMessage(message) });
  }

  #install(install: Install): void {
    this.#options.machine.install(install.file);
    this.#options.log.installed();
    if (!install.keepLog) this.#cache.clear();
    this.#compactor.stateReplaced();
    this.#stats.installs += 1;
  }

  #fail(error: unknown): void {
    this.#phase = "failed";
    clearInterval(this.#timer);
    this.#options.onFatal(error);
  }
}

function installOf(wanted: Step["ready"]["install"], file: string | null): Install | null {
  if (wanted === null) return null;
  if (file === null) throw new Error("a snapshot is stepped only with its file at hand");
  return { ...wanted, file };
}
