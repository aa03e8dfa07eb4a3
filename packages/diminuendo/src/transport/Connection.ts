/**
 * Owns one client's socket: who it is, what it listens to, and that what waits to be sent stays bounded
 * (invariant D5). A reader that leaves more than 1 MiB waiting is closed with 4008; it comes back with
 * `afterSeq` and misses nothing. Refuses to own: what messages mean.
 */
import type { Actor } from "@concert/service-kit/identity";
import type { ServerWebSocket } from "bun";
import * as Effect from "effect/Effect";
import {
  CLOSE_CODES,
  type ConfigFrame,
  encodeServerFrame,
  type ServerEvent,
} from "../protocol/index.ts";
import type { Cause, Reader } from "./Reader.ts";
import { RateWindow } from "./rate-window.ts";

/** What may wait for one reader before it counts as slow. */
export const WAITING_BYTES_MAX = 1_048_576;
const CLOSING_GRACE_MS = 5_000;

export interface SocketData {
  connection: Connection | null;
  readonly clientId: string;
  /** Where it comes from, for counting failures to sign in. */
  readonly address: string;
}
export type Socket = ServerWebSocket<SocketData>;

export class Connection implements Reader, Cause {
  readonly clientId: string;
  readonly rate: RateWindow;
  readonly address: string;
  /** Null until authenticated. */
  actor: Actor | null = null;
  /** Epoch ms when the sign-in runs out; null when it does not. */
  expiresAt: number | null = null;
  /** Whether the client has been told that it will. */
  isWarned = false;
  /** Messages that are being answered. */
  inFlight = 0;
  /** A sign-in under way: what came after it waits to know who is speaking. */
  signingIn: Promise<void> | null = null;
  /** The part of an interval into which its heartbeat falls. */
  beatPart = 0;
  /** Heartbeats that passed without anybody authenticating. */
  beatsAsNobody = 0;
  #socket: Socket;
  #closed = false;
  #onDrain: (() => void)[] = [];
  readonly #onSlow: () => void;

  constructor(socket: Socket, messagesMax: number, onSlow: () => void) {
    this.rate = new RateWindow(messagesMax);
    this.#socket = socket;
    this.#onSlow = onSlow;
    this.clientId = socket.data.clientId;
    this.address = socket.data.address;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether the socket is open and nobody else has signed in on it: ask after every wait, before subscribing. */
  isStill({ tenant, user }: Actor): boolean {
    return !this.#closed && this.actor?.tenant === tenant && this.actor.user === user;
  }

  /** Somebody, or the same person anew, until `expiresAt`. */
  becomes(actor: Actor, expiresAt: number | null = this.expiresAt): void {
    this.actor = actor;
    this.expiresAt = expiresAt;
    this.isWarned = false;
  }

  /** Whoever signs in now has done so when this is over. */
  get untilSignedIn(): Effect.Effect<void> {
    const { signingIn } = this;
    return signingIn === null ? Effect.void : Effect.promise(() => signingIn);
  }

  get waitingBytes(): number {
    return this.#socket.getBufferedAmount();
  }

  send(frame: ServerEvent | ConfigFrame): void {
    this.sendText(encodeServerFrame(frame));
  }

  sendText(text: string): void {
    if (!this.#closed && !this.closeIfSlow()) this.#socket.send(text);
  }

  /** True if the reader was too slow and is now being closed. */
  closeIfSlow(): boolean {
    if (this.#closed || this.waitingBytes <= WAITING_BYTES_MAX) return this.#closed;
    this.#onSlow();
    this.close(CLOSE_CODES.slowReader, "slow reader: reconnect with afterSeq");
    return true;
  }

  subscribe(topic: string): void {
    if (!this.#closed) this.#socket.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    if (!this.#closed) this.#socket.unsubscribe(topic);
  }

  unsubscribeAll(): void {
    if (!this.#closed) for (const topic of this.#socket.subscriptions) this.unsubscribe(topic);
  }

  /** To every other socket subscribed to `topic`. */
  publishToOthers(topic: string, text: string): void {
    if (!this.#closed) this.#socket.publish(topic, text);
  }

  /** Resolves once little enough waits, or the socket is closed. */
  async drainedBelow(bytes: number): Promise<void> {
    while (!this.#closed && this.waitingBytes > bytes) {
      await new Promise<void>((resolve) => this.#onDrain.push(resolve));
    }
  }

  /** Called by the server when the socket has taken what waited. */
  drained(): void {
    const waiting = this.#onDrain;
    this.#onDrain = [];
    for (const resolve of waiting) resolve();
  }

  close(code: number, reason: string): void {
    if (this.#closed) return;
    this.unsubscribeAll();
    this.closed();
    this.#socket.close(code, reason);
    // A reader that takes nothing never takes the closing frame either.
    setTimeout(() => this.#socket.terminate(), CLOSING_GRACE_MS).unref();
  }

  /** The socket is gone, or as good as gone. */
  closed(): void {
    this.#closed = true;
    this.drained();
  }
}
