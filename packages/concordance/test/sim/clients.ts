/**
 * Owns the clients of a simulated cluster: what they ask for, that they ask again under the same id while
 * they do not know, and what they remember of it. Refuses to own: what to think of it (judgement.ts).
 */
import { encodeCommand, type WriteOperation } from "../../service/command.ts";
import type { ApplyResult } from "../../service/fsm.ts";
import type { NodeId } from "../../service/raft/types.ts";
import type { SimNode } from "./node.ts";
import type { Luck } from "./random.ts";

export const NAMESPACE = "tenant:a/settings";
/** Of these the versions are judged. Nothing is ever deleted at the first. */
export const KEYS = ["x", "y"] as const;
/** These have times to live. */
export const MORTAL_KEYS = ["lease-1", "lease-2"] as const;

interface Timed {
  readonly calledMs: number;
  /** Infinity when no answer came. */
  readonly answeredMs: number;
}
export interface WriteSeen extends Timed {
  /** Also the actor and the value, so that everything it did can be told from what others did. */
  readonly id: string;
  readonly operations: readonly WriteOperation[];
  readonly answer: ApplyResult | null;
  /** It went out more than once: a conflict may then be told again long after it was met. */
  readonly repeated: boolean;
}
export interface ReadSeen extends Timed {
  readonly linearizable: boolean;
  readonly revision: number;
  readonly timeMs: number;
  /** Key → version and value as JSON text; null where there is no key. */
  readonly found: ReadonlyMap<string, { readonly version: number; readonly value: string } | null>;
}

export interface ClientWorld {
  readonly luck: Luck;
  readonly nowMs: number;
  /** 0 = a perfect network. */
  readonly trouble: number;
  readonly nodes: ReadonlyMap<NodeId, SimNode>;
  after(delayMs: number, run: () => void): void;
  leader(): SimNode | undefined;
  /** Runs at a member that is up; a paused one does it later. False when it is down. */
  at(id: NodeId, run: () => void): boolean;
}

const ATTEMPTS = 6;

export class Clients {
  readonly reads: ReadSeen[] = [];
  readonly writes = new Map<string, WriteSeen>();
  operations = 0;
  acknowledged = 0;
  readonly #world: ClientWorld;
  #names = 0;

  constructor(world: ClientWorld, count: number) {
    this.#world = world;
    for (let client = 0; client < count; client += 1) this.#later();
  }

  #later(): void {
    const { luck } = this.#world;
    this.#world.after(luck.between(5, 60), () => {
      this.operations += 1;
      if (luck.chance(0.4)) this.#read(luck.chance(0.8));
      else this.#write();
      this.#later();
    });
  }

  #anyNode(): SimNode | undefined {
    return this.#world.luck.pick([...this.#world.nodes.values()]);
  }

  /** Often somebody who believes to lead, right or wrong: there a stale read would come from. */
  #anyLeader(): SimNode | undefined {
    const { luck, nodes } = this.#world;
    const leaders = [...nodes.values()].filter(({ state }) => state.role.kind === "leader");
    return luck.chance(0.7) ? luck.pick(leaders) : undefined;
  }

  #read(linearizable: boolean): void {
    const world = this.#world;
    const node = this.#anyLeader() ?? this.#anyNode();
    if (node === undefined) return;
    const calledMs = world.nowMs;
    const look = () => {
      const { revision, timeMs } = node.store.position;
      const found = new Map([...KEYS, ...MORTAL_KEYS].map((key) => [key, liveAt(node, key)]));
      const times = { calledMs, answeredMs: world.nowMs };
      this.reads.push({ ...times, linearizable, revision, timeMs, found });
    };
    world.at(node.id, () => {
      if (!linearizable) look();
      else node.confirmRead((served) => (served ? look() : undefined));
    });
  }

  #write(): void {
    const world = this.#world;
    this.#names += 1;
    const id = `w${this.#names}`;
    const operations = this.#operations(id);
    const payload = encodeCommand({ type: "write", actor: id, operations, requestId: id });
    const calledMs = world.nowMs;
    const facts = { id, operations, calledMs };
    let sent = 0;
    let done = false;
    const unknown = { answeredMs: Infinity, answer: null };
    const attempt = (left: number) => {
      const again = () => {
        if (left > 0) world.after(world.luck.between(10, 80), () => attempt(left - 1));
      };
      const node = world.leader() ?? this.#anyNode();
      const up =
        node !== undefined &&
        world.at(node.id, () => {
          // From here on it may be in a log.
          sent += 1;
          const repeated = sent > 1;
          if (!done) this.writes.set(id, { ...facts, ...unknown, repeated });
          node.propose(payload, (answer) => {
            if (done) return;
            if (answer === "unknown") return again();
            if (answer === "refused") {
              sent -= 1;
              if (sent === 0) this.writes.delete(id);
              return again();
            }
            done = true;
            this.acknowledged += 1;
            this.writes.set(id, { ...facts, answeredMs: world.nowMs, answer, repeated });
          });
        });
      if (!up) again();
    };
    attempt(ATTEMPTS);
  }

  #operations(id: string): readonly WriteOperation[] {
    const { luck } = this.#world;
    const dice = luck.next();
    const key = luck.pick(KEYS) ?? "x";
    if (dice < 0.12) {
      const mortal = luck.pick(MORTAL_KEYS) ?? "lease-1";
      if (luck.chance(0.1)) return [{ op: "delete", namespace: NAMESPACE, key: mortal, cas: null }];
      const ttlMs = luck.chance(0.9) ? Math.round(luck.between(60, 400)) : null;
      return [set(mortal, id, null, ttlMs)];
    }
    if (dice < 0.2)
      return [{ op: "delete", namespace: NAMESPACE, key: "y", cas: this.#guess("y") }];
    if (dice < 0.35) return KEYS.map((each) => set(each, id, this.#guess(each), null));
    return [set(key, id, this.#guess(key), null)];
  }

  /** Mostly no condition; else what some member knows, or a bit off. */
  #guess(key: string): number | null {
    const { luck } = this.#world;
    if (!luck.chance(0.3)) return null;
    const node = this.#world.leader() ?? this.#anyNode();
    const version = node === undefined ? 0 : (liveAt(node, key)?.version ?? 0);
    return luck.chance(0.2) ? Math.max(0, version - 1) : version;
  }
}

function set(key: string, id: string, cas: number | null, ttlMs: number | null): WriteOperation {
  const valueJson = JSON.stringify(id);
  return { op: "set", namespace: NAMESPACE, key, valueJson, cas, expiresAt: null, ttlMs };
}

/** As the API reads it: an expired row is not there, by the time of the state. */
function liveAt({ store }: SimNode, key: string) {
  const row = store.row(NAMESPACE, key);
  const due = row?.expiresAt ?? Infinity;
  return row === null || due <= store.position.timeMs ? null : row;
}
