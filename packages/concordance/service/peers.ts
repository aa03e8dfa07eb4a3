/**
 * Owns the connections between members, on the port that serves everyone: each member dials every other
 * and sends on what it dialled. Frames are handled in order as they arrive; what a slow peer does not take
 * is dropped beyond a bound, since Raft repeats itself. Refuses to own: what messages mean (raft/).
 */
import type { ServerWebSocket } from "bun";
import type { Logger } from "./logger.ts";
import {
  type Greeting,
  greetingHeaders,
  MessageWriter,
  messageOf,
  PEER_CLOSE,
  PEER_PROTOCOL,
  type WireMessage,
} from "./peer-wire.ts";
import type { Identity } from "./raft/log.ts";
import { type Membership, memberOf } from "./raft/membership.ts";
import type { Incoming, NodeId } from "./raft/types.ts";
import type { Transport } from "./transport.ts";

export interface PeerSession {
  readonly kind: "peer";
  readonly greeting: Greeting;
}
type Socket = ServerWebSocket<PeerSession>;

export interface PeerOptions {
  readonly identity: Identity;
  readonly apiKey: string;
  readonly transport: Transport;
  /** `host:port` of this member; known once it listens. */
  readonly address: () => string;
  readonly membership: () => Membership;
  /** As committed: a removal that may still be taken back must not shut out the true leader. */
  readonly agreed: () => Membership;
  readonly receive: (message: WireMessage) => void;
  /** A connection to or from this peer broke. */
  readonly lost: (peer: NodeId) => void;
  /** A member said where it is. */
  readonly learned: (peer: NodeId, address: string) => void;
  readonly log: Logger;
}
interface Link {
  readonly address: string;
  socket: WebSocket | null;
  failures: number;
  dialDueMs: number;
}

/** Handed to a socket and not yet taken by its peer. */
const BUFFERED_BYTES_MAX = 8 * 1_048_576;
const RECONCILE_MS = 20;
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 1_000;
/** Being told that one is not welcome is no reason to ask every second. */
const REFUSED_RETRY_MS = 10_000;
const REFUSALS: ReadonlySet<number> = new Set([
  PEER_CLOSE.removed,
  PEER_CLOSE.stranger,
  PEER_CLOSE.otherProtocol,
]);

export class Peers {
  readonly #options: PeerOptions;
  readonly #links = new Map<NodeId, Link>();
  readonly #inbound = new Map<NodeId, Socket>();
  readonly #told = new Map<NodeId, string>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #dropped = 0;
  readonly #writer = new MessageWriter();

  constructor(options: PeerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#reconcile();
    this.#timer = setInterval(() => this.#reconcile(), RECONCILE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const { socket } of this.#links.values()) socket?.close();
    for (const socket of this.#inbound.values()) socket.close();
    this.#links.clear();
  }

  /** Messages not sent because there was no connection, or a full one. */
  get dropped(): number {
    return this.#dropped;
  }

  send(message: Incoming | WireMessage): void {
    const socket = this.#links.get(message.to)?.socket;
    const open = socket?.readyState === WebSocket.OPEN;
    if (!socket || !open || socket.bufferedAmount > BUFFERED_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    socket.send(this.#writer.textOf(message));
  }

  /** Where a member can be reached: what it said last, or what the membership says. */
  addressOf(id: NodeId): string | null {
    const { identity, address, membership } = this.#options;
    if (id === identity.nodeId) return address();
    return this.#told.get(id) ?? memberOf(membership(), id)?.address ?? null;
  }

  opened(socket: Socket): void {
    const { greeting } = socket.data;
    const refusal = this.#refusalOf(greeting);
    if (refusal !== null) {
      socket.close(refusal.code, refusal.reason);
      return;
    }
    const { nodeId, address } = greeting;
    const before = this.#inbound.get(nodeId);
    this.#inbound.set(nodeId, socket);
    before?.close();
    this.#told.set(nodeId, address);
    this.#options.learned(nodeId, address);
  }

  received(socket: Socket, frame: string | Buffer): void {
    const { nodeId } = socket.data.greeting;
    if (this.#inbound.get(nodeId) !== socket) return;
    try {
      const message = messageOf(String(frame), nodeId, this.#options.identity.nodeId);
      this.#options.receive(message);
    } catch (error) {
      this.#options.log.error("a peer sent a frame that cannot be read", { err: error, nodeId });
      socket.close(PEER_CLOSE.malformed, "not a message of this protocol");
    }
  }

  closed(socket: Socket): void {
    const { nodeId } = socket.data.greeting;
    if (this.#inbound.get(nodeId) !== socket) return;
    this.#inbound.delete(nodeId);
    this.#options.lost(nodeId);
  }

  /** A name alone proves nothing: the disk behind it must be the one the cluster knows (pitfalls 5, 29). */
  #refusalOf({ clusterId, nodeId, incarnation, protocol }: Greeting) {
    const { identity, agreed } = this.#options;
    const { stranger, removed, otherProtocol } = PEER_CLOSE;
    if (protocol !== PEER_PROTOCOL) {
      return { code: otherProtocol, reason: "run the same version on all members" };
    }
    if (clusterId !== identity.clusterId) {
      return { code: stranger, reason: "this is another cluster" };
    }
    if (agreed().removed.includes(nodeId)) {
      return {
        code: removed,
        reason: "this name was removed; join with a new name and an empty directory",
      };
    }
    const known = memberOf(agreed(), nodeId);
    if (known === undefined || known.incarnation === incarnation) return null;
    return {
      code: stranger,
      reason: "another disk holds this name; remove it, then join with a new name",
    };
  }

  #reconcile(): void {
    const { identity, membership } = this.#options;
    const wanted = new Map<NodeId, string>();
    // Who dials a newcomer must be answered before the newcomer has heard who the members are.
    const ids = [...membership().members.map(({ nodeId }) => nodeId), ...this.#inbound.keys()];
    for (const nodeId of ids) {
      const address = this.addressOf(nodeId);
      if (nodeId !== identity.nodeId && address !== null) wanted.set(nodeId, address);
    }
    for (const [id, link] of this.#links) {
      if (wanted.get(id) === link.address) continue;
      this.#links.delete(id);
      link.socket?.close();
    }
    for (const [id, address] of wanted) {
      const link = this.#links.get(id) ?? { address, socket: null, failures: 0, dialDueMs: 0 };
      this.#links.set(id, link);
      if (link.socket === null && performance.now() >= link.dialDueMs) this.#dial(id, link);
    }
  }

  #dial(id: NodeId, link: Link): void {
    const { identity, apiKey, address, transport, log } = this.#options;
    const facts = { ...identity, address: address(), protocol: PEER_PROTOCOL };
    const greeting = greetingHeaders(facts);
    const headers = { authorization: `Bearer ${apiKey}`, ...greeting };
    const socket = new WebSocket(`${transport.ws}://${link.address}/raft`, {
      headers,
      ...transport.dial,
    });
    link.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
    };
    socket.onclose = ({ code, reason }) => {
      if (link.socket !== socket) return;
      link.socket = null;
      const refused = REFUSALS.has(code);
      link.failures = opened && !refused ? 0 : link.failures + 1;
      const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(link.failures, 10));
      link.dialDueMs = performance.now() + (refused ? REFUSED_RETRY_MS : waitMs);
      if (refused) log.error("a member of the cluster refuses this one", { peer: id, reason });
      if (opened) this.#options.lost(id);
    };
  }
}
