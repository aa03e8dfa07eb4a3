/**
 * Owns a whole cluster in virtual time: a network that loses, delays, repeats and reorders, disks that take
 * their time, fill up and rot, clocks that drift and jump. One seed makes one run, down to the last message.
 * Refuses to own: when which misfortune strikes (misfortune.ts), what clients do (clients.ts).
 */
import { decodeCommand } from "../../service/command.ts";
import { assert } from "../../service/raft/assert.ts";
import {
  foundedBy,
  inForce,
  memberOf,
  membershipAt,
  NOBODY,
  votersOf,
} from "../../service/raft/membership.ts";
import { majority } from "../../service/raft/quorum.ts";
import { type LogEntry, type Moment, type NodeId, nodeId } from "../../service/raft/types.ts";
import type { StoredChange } from "../../shared/store.ts";
import { Clients } from "./clients.ts";
import { freshDisk } from "./disk.ts";
import { Laws } from "./laws.ts";
import { type SimMessage, SimNode, type Surroundings } from "./node.ts";
import { Luck } from "./random.ts";
import { Timeline } from "./timeline.ts";
import { SimWatcher } from "./watchers.ts";

interface Clock {
  /** How fast it runs; true time is 1. */
  readonly rate: number;
  /** Wall time beside it, in milliseconds: it jumps. */
  skewMs: number;
}

const TICK_MS = 20;
const CLIENTS = 3;
/** How many voters a cluster begins with. */
const FOUNDERS = [3, 3, 3, 1, 5] as const;
const FIRST_WALL_MS = 1_000_000;
/** By then a leader with a slow disk has looked at what it was asked for. */
const REMOVAL_MS = 1_500;
export const CLOCK_DRIFT = 0.02;

export class World implements Surroundings {
  readonly luck: Luck;
  readonly laws = new Laws();
  readonly nodes = new Map<NodeId, SimNode>();
  readonly clients: Clients;
  readonly watchers: readonly SimWatcher[];
  /** 0 = a perfect network and disk. */
  trouble = 1;
  /** Whether clocks may jump in this run; where they only drift, true time can be judged by. */
  readonly mayJump: boolean;
  /** Of everything that was sent, in order: equal for equal seeds. */
  digest = 0;
  /** `key version` → when it falls due, and revision → when it was first applied. */
  readonly dueMs = new Map<string, number>();
  readonly trueMs = new Map<number, number>();
  readonly #timeline = new Timeline();
  readonly #down = new Set<NodeId>();
  readonly #paused = new Map<NodeId, (() => void)[]>();
  readonly #blocked = new Set<string>();
  readonly #clocks = new Map<NodeId, Clock>();
  readonly #fullDisks = new Set<NodeId>();
  readonly #slowDisks = new Set<NodeId>();
  /** Its disk is damaged: the start is refused, and only another member can take its place. */
  #rotten: NodeId | null = null;
  /** Asked to be removed; a slow disk may take it up much later. */
  readonly #leaving = new Set<NodeId>();
  /** When somebody was last asked to remove a member. */
  #removalMs = -Infinity;
  #names = 0;

  constructor(seed: number) {
    this.luck = new Luck(seed);
    this.mayJump = this.luck.chance(0.5);
    const ids = Array.from({ length: this.luck.pick(FOUNDERS) ?? 3 }, () => this.#newName());
    for (const id of ids) this.#boot(new SimNode(id, freshDisk(foundedBy(ids, "sim")), this));
    this.clients = new Clients(this, CLIENTS);
    const namespaces = ["tenant:a", "tenant:a/settings", "tenant:b"];
    this.watchers = namespaces.map((namespace) => new SimWatcher(this, namespace));
  }

  get nowMs(): number {
    return this.#timeline.nowMs;
  }

  runUntil(endMs: number): void {
    this.#timeline.runUntil(endMs, () => this.laws.check(this.nodes.values()));
  }

  after(delayMs: number, run: () => void): void {
    this.#timeline.after(delayMs, run);
  }

  moment(id: NodeId): Moment {
    const { rate, skewMs } = this.#clocks.get(id) ?? { rate: 1, skewMs: 0 };
    const monotonicMs = this.nowMs * rate;
    return { monotonicMs, wallMs: FIRST_WALL_MS + monotonicMs + skewMs, random: this.luck.next() };
  }

  send(message: SimMessage): void {
    const sender = this.nodes.get(message.from);
    if (sender !== undefined) this.laws.sent(message, sender);
    const { image, ...text } = message;
    this.digest = Bun.hash.crc32(`${this.nowMs} ${JSON.stringify(text)}`, this.digest);
    const copies = this.luck.chance(0.03 * this.trouble) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      if (this.luck.chance(0.05 * this.trouble)) continue;
      const slow = this.luck.chance(0.05 * this.trouble) ? this.luck.between(0, 400) : 0;
      const bulk = image === undefined ? 0 : 20;
      this.after(this.luck.between(0.2, 3) + slow + bulk, () => this.#arrive(message));
    }
  }

  sync(id: NodeId, done: () => void): void {
    if (this.#fullDisks.has(id)) {
      // A disk that refuses ends the process; what it holds is for the next start to see (pitfall 3).
      this.after(0.1, () => this.crash(id, "process"));
      return;
    }
    const odds = this.#slowDisks.has(id) ? 0.5 : 0.02;
    const slow = this.luck.chance(odds * this.trouble) ? this.luck.between(0, 250) : 0;
    this.after(this.luck.between(0.1, 1.5) + slow, done);
  }

  applied(node: SimNode, entry: LogEntry, result: string, changes: readonly StoredChange[]): void {
    if (this.laws.committed.length < entry.index) this.#remember(entry, changes);
    this.laws.applied(
      node,
      entry,
      { result, changes },
      { nodes: this.nodes.values(), nowMs: this.nowMs },
    );
  }

  // What can go wrong, and the way back.

  crash(id: NodeId, cut: "power" | "process"): void {
    if (this.#down.has(id)) return;
    this.#down.add(id);
    this.#paused.delete(id);
    this.nodes.get(id)?.crash(cut, this.luck.chance(0.3));
  }

  /** A disk that is full or damaged refuses the start. */
  restart(id: NodeId): void {
    if (this.#fullDisks.has(id) || this.#rotten === id || !this.nodes.has(id)) return;
    if (this.#down.delete(id)) this.nodes.get(id)?.restart();
  }

  pause(id: NodeId): void {
    if (!this.#paused.has(id)) this.#paused.set(id, []);
  }

  resume(id: NodeId): void {
    const missed = this.#paused.get(id) ?? [];
    this.#paused.delete(id);
    // Which socket or timer a process looks at first when it wakes up is anybody's guess.
    const order = this.luck.chance(0.5) ? missed : this.luck.shuffled(missed);
    for (const run of order) this.at(id, run);
  }

  /** One direction only: what `from` sends does not reach `to`. */
  block(from: NodeId, to: NodeId): void {
    this.#blocked.add(`${from}>${to}`);
  }

  /** From all others and in both directions, or no longer. */
  isolate(id: NodeId, isApart: boolean): void {
    for (const other of this.nodes.keys()) {
      for (const way of [`${id}>${other}`, `${other}>${id}`]) {
        if (isApart) this.#blocked.add(way);
        else this.#blocked.delete(way);
      }
    }
  }

  heal(): void {
    this.#blocked.clear();
  }

  skew(id: NodeId, ms: number): void {
    const clock = this.#clocks.get(id);
    if (clock !== undefined) clock.skewMs = ms;
  }

  fillDisk(id: NodeId): void {
    this.#fullDisks.add(id);
  }

  freeDisk(id: NodeId): void {
    this.#fullDisks.delete(id);
    this.restart(id);
  }

  slowDisk(id: NodeId, isSlow: boolean): void {
    if (isSlow) this.#slowDisks.add(id);
    else this.#slowDisks.delete(id);
  }

  /** A bit flips below what was committed. One at a time, and only where a majority can spare it. */
  rot(id: NodeId): void {
    const leaving = this.nowMs - this.#removalMs < REMOVAL_MS;
    if (this.#rotten !== null || leaving || !this.#canSpare(id)) return;
    this.#rotten = id;
    this.crash(id, "process");
    this.#replace(id);
  }

  /** A new member with an empty disk asks the leader to be added. */
  join(): void {
    const id = this.#newName();
    this.#boot(new SimNode(id, freshDisk(NOBODY), this));
    const member = { nodeId: id, address: null, incarnation: "sim" };
    this.leader()?.change({ kind: "add_learner", member });
  }

  /** A vote that a dead member cannot give is one the others must not lose as well. */
  remove(id: NodeId): void {
    if (this.#rotten !== null) return;
    this.#leaving.add(id);
    this.leader()?.change({ kind: "remove", nodeId: id });
  }

  leader(): SimNode | undefined {
    return [...this.nodes.values()]
      .filter(({ id, state }) => !this.#down.has(id) && state.role.kind === "leader")
      .toSorted((a, b) => b.state.term - a.state.term)[0];
  }

  /** Members by the leader's account; everyone when nobody leads. */
  members(): readonly NodeId[] {
    const leader = this.leader();
    if (leader === undefined) return [...this.nodes.keys()];
    return inForce(leader.state.memberships).members.map(({ nodeId: id }) => id);
  }

  calm(): void {
    this.trouble = 0;
    this.heal();
    this.#fullDisks.clear();
    this.#slowDisks.clear();
    for (const id of this.nodes.keys()) {
      this.resume(id);
      this.restart(id);
    }
  }

  close(): void {
    for (const node of this.nodes.values()) node.close();
  }

  /** Runs at a member that is up; a paused one does it later. False when it is down. */
  at(id: NodeId, run: () => void): boolean {
    if (this.#down.has(id)) return false;
    const missed = this.#paused.get(id);
    if (missed !== undefined) missed.push(run);
    else run();
    return true;
  }

  soon(id: NodeId, piece: () => void): void {
    this.after(0.05, () => this.at(id, piece));
  }

  /** Whether every member in force has applied the same. */
  converged(): boolean {
    const leader = this.leader();
    if (leader === undefined) return false;
    const { appliedIndex } = leader.store.position;
    const { members } = inForce(leader.state.memberships);
    return members.every(({ nodeId: id }) => {
      const node = this.nodes.get(id);
      const knows =
        node !== undefined && memberOf(inForce(node.state.memberships), id) !== undefined;
      return knows && appliedIndex - node.store.position.appliedIndex <= 3;
    });
  }

  #newName(): NodeId {
    this.#names += 1;
    return nodeId(`n${this.#names}`);
  }

  #boot(node: SimNode): void {
    const rate = 1 + this.luck.between(-CLOCK_DRIFT, CLOCK_DRIFT);
    this.#clocks.set(node.id, { rate, skewMs: 0 });
    this.nodes.set(node.id, node);
    const tick = () => {
      this.at(node.id, () => node.tick());
      this.after(TICK_MS, tick);
    };
    this.after(this.luck.between(0, TICK_MS), tick);
  }

  #arrive(message: SimMessage): void {
    if (this.#blocked.has(`${message.from}>${message.to}`)) return;
    const node = this.nodes.get(message.to);
    if (node === undefined || !this.#isWelcome(node, message.from)) return;
    // Installing a state is when a crash hurts most.
    if (message.image !== undefined && this.luck.chance(0.2 * this.trouble)) {
      this.after(this.luck.between(0, 2), () => this.crash(message.to, "process"));
      this.after(this.luck.between(20, 300), () => this.restart(message.to));
    }
    this.at(message.to, () => node.deliver(message));
  }

  /** The transport refuses removed names, as the real one does. */
  #isWelcome({ state }: SimNode, from: NodeId): boolean {
    return !membershipAt(state.memberships, state.commitIndex).removed.includes(from);
  }

  /** By everybody's account of who votes, those that are left can still decide. */
  #canSpare(id: NodeId): boolean {
    return [...this.nodes.values()].every(({ state }) => {
      return state.memberships.every(({ membership }) => {
        const voters = votersOf(membership).filter((voter) => !this.#leaving.has(voter));
        const left = voters.filter((voter) => voter !== id).length;
        return voters.length === 0 || (voters.length >= 3 && left >= majority(voters.length));
      });
    });
  }

  /** What the operator does: remove the name, and let a new member join under a new one. */
  #replace(id: NodeId): void {
    this.after(this.luck.between(100, 300), () => {
      const leader = this.leader();
      const agreed = leader && membershipAt(leader.state.memberships, leader.state.commitIndex);
      if (agreed !== undefined && memberOf(agreed, id) === undefined) {
        this.#bury(id);
        this.#rotten = null;
        this.join();
        return;
      }
      leader?.change({ kind: "remove", nodeId: id });
      this.#replace(id);
    });
  }

  #bury(id: NodeId): void {
    this.nodes.get(id)?.close();
    this.nodes.delete(id);
  }

  #remember({ kind, payload }: LogEntry, changes: readonly StoredChange[]): void {
    const [first] = changes;
    if (kind !== "command" || first === undefined) return;
    this.trueMs.set(first.revision, this.nowMs);
    const command = decodeCommand(payload);
    if (command.type !== "write") return;
    for (const operation of command.operations) {
      if (operation.op !== "set" || operation.ttlMs === null) continue;
      const change = changes.find(({ key }) => key === operation.key);
      assert(change !== undefined, "a set is a change");
      this.dueMs.set(`${change.key} ${change.version}`, change.at + operation.ttlMs);
    }
  }
}
