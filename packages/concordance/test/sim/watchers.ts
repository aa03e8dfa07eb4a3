/**
 * Owns the watchers of a simulated cluster: each holds one connection to some member, reads at its own pace,
 * and after any loss resumes elsewhere, as shared/watch-client.ts does. What each connection brought is kept
 * for the watch checker, and so is what the watcher made of them all.
 */
import type { NodeId } from "../../service/raft/types.ts";
import type { Sink } from "../../service/watch.ts";
import type { ClientWorld } from "./clients.ts";
import type { SimNode } from "./node.ts";
import type { Stretch, WatchedChange } from "./watch-checker.ts";

interface Recording {
  readonly fromRevision: number;
  readonly changes: WatchedChange[];
}

const ANSWER_MS = 100;

export class SimWatcher {
  readonly namespace: string;
  /** What each connection brought. */
  readonly connections: Recording[] = [];
  /** What the watcher was told, from each list on. */
  readonly told: Recording[];
  readonly #world: ClientWorld;
  #revision = 0;
  #lastSeq: number | null = null;
  #connection: Connection | null = null;

  constructor(world: ClientWorld, namespace: string) {
    this.#world = world;
    this.namespace = namespace;
    this.told = [{ fromRevision: 0, changes: [] }];
    this.#soon();
  }

  /** Everything up to `throughRevision` should have arrived by now. */
  stretches(throughRevision: number): readonly Stretch[] {
    const cut = this.connections.map((one) => ({ ...one, throughRevision: null }));
    // What came before a list, the list made up for.
    const lists = this.told.map((one, position) => ({
      ...one,
      throughRevision: position === this.told.length - 1 ? throughRevision : null,
    }));
    return [...cut, ...lists];
  }

  /** The connection breaks. */
  cut(): void {
    this.#connection?.close();
  }

  #soon(): void {
    const { luck } = this.#world;
    this.#world.after(luck.between(5, 60), () => this.#connect());
  }

  /** A member that does not answer, such as one that is paused, is left for another. */
  #connect(): void {
    const world = this.#world;
    const node = world.luck.pick([...world.nodes.values()]);
    let waiting = true;
    if (node !== undefined) {
      world.at(node.id, () => {
        if (waiting) this.#subscribe(node);
        waiting = false;
      });
    }
    world.after(ANSWER_MS, () => {
      if (waiting) this.#soon();
      waiting = false;
    });
  }

  /** One revision earlier when the last one may be incomplete; what is told again is dropped by `seq`. */
  #subscribe(node: SimNode): void {
    const fromRevision = this.#lastSeq === null ? this.#revision : this.#revision - 1;
    const recording: Recording = { fromRevision, changes: [] };
    const connection = new Connection(this.#world, node.id, {
      received: (change) => {
        recording.changes.push(change);
        this.#deliver(change);
      },
      closed: () => {
        if (this.#connection !== connection) return;
        this.#connection = null;
        this.#soon();
      },
    });
    this.#connection = connection;
    this.connections.push(recording);
    const watch = node.watch(connection, this.namespace, fromRevision);
    if (watch === "compacted") this.#listAgain(node);
    else if (watch === "refused") connection.close();
    else connection.drained = watch.drained;
  }

  /** A member that is behind what was told already cannot say what is there now. */
  #listAgain(node: SimNode): void {
    this.#connection = null;
    const { revision } = node.store.position;
    if (revision >= this.#revision) {
      this.#revision = revision;
      this.#lastSeq = null;
      this.told.push({ fromRevision: revision, changes: [] });
    }
    this.#soon();
  }

  #deliver(change: WatchedChange): void {
    if (this.#lastSeq !== null && change.seq <= this.#lastSeq) return;
    this.#revision = change.revision;
    this.#lastSeq = change.seq;
    this.told.at(-1)?.changes.push(change);
  }
}

interface Ends {
  readonly received: (change: WatchedChange) => void;
  readonly closed: () => void;
}

/** A socket in virtual time: in order, with a buffer that fills while its reader takes nothing. */
class Connection implements Sink {
  readonly #world: ClientWorld;
  readonly #nodeId: NodeId;
  readonly #ends: Ends;
  drained: () => void = () => undefined;
  #buffered = 0;
  #arrivesMs = 0;
  #closed = false;

  constructor(world: ClientWorld, nodeId: NodeId, ends: Ends) {
    this.#world = world;
    this.#nodeId = nodeId;
    this.#ends = ends;
  }

  send(text: string): number {
    if (this.#closed) return 0;
    const { luck, nowMs, trouble } = this.#world;
    const pauseMs = luck.chance(0.02 * trouble) ? luck.between(50, 500) : 0;
    this.#buffered += text.length;
    // A little later than the frame before, whatever floating point makes of the sum.
    this.#arrivesMs = Math.max(this.#arrivesMs + 0.01, nowMs + luck.between(0.1, 2)) + pauseMs;
    this.#world.after(this.#arrivesMs - nowMs, () => this.#arrive(text));
    return text.length;
  }

  getBufferedAmount(): number {
    return this.#buffered;
  }

  /** What was on its way is lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#world.after(1, this.#ends.closed);
  }

  #arrive(text: string): void {
    if (this.#closed) return;
    this.#buffered -= text.length;
    this.#ends.received(changeOf(text));
    if (this.#buffered > 0) return;
    this.#world.at(this.#nodeId, () => {
      if (!this.#closed) this.drained();
    });
  }
}

function changeOf(text: string): WatchedChange {
  const { params } = JSON.parse(text) as { params: WatchedChange };
  const { seq, revision, namespace, key, op, version } = params;
  const value = op === "delete" ? null : JSON.stringify(params.value);
  return { seq, revision, namespace, key, op, value, version };
}
