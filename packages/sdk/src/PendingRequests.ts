/**
 * Owns requests that wait for their direct answer, across reconnects. Refuses to own sockets.
 *
 * R1 each request settles exactly once.  R2 after a lost connection a request is sent again only if doing so
 * is harmless: it reads, or it carries a key under which the gateway acts once.  R3 the clock runs only
 * while a request is on the wire: being offline is not the gateway's silence.
 */
import { type Deferred, deferred } from "./deferred.ts";
import { GatewayError } from "./errors.ts";

export interface Request {
  /** What the answer repeats. */
  readonly key: string;
  readonly text: string;
  readonly repeatable: boolean;
  readonly timeoutMs: number;
}

interface Pending extends Request {
  readonly answer: Deferred<unknown>;
  sentCount: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** A request that ends this many connections is itself the likely cause. */
const SENDS_MAX = 10;

export class PendingRequests {
  readonly #pending = new Map<string, Pending>();
  readonly #send: (text: string) => boolean;

  constructor(send: (text: string) => boolean) {
    this.#send = send;
  }

  /** Sends now, or as soon as there is a connection. Rejects with `RequestInFlight` on a key in use. */
  start(request: Request): Promise<unknown> {
    if (this.#pending.has(request.key)) {
      const error = new GatewayError("RequestInFlight", "The same answer is on its way already.");
      return Promise.reject(error);
    }
    const pending: Pending = { ...request, answer: deferred(), sentCount: 0, timer: undefined };
    this.#pending.set(request.key, pending);
    this.#transmit(pending);
    return pending.answer.promise;
  }

  /** Whether `key` was waiting. */
  resolve(key: string, value: unknown): boolean {
    return this.#take(key, ({ answer }) => answer.resolve(value));
  }

  /** Whether `key` was waiting. */
  reject(key: string, error: GatewayError): boolean {
    return this.#take(key, ({ answer }) => answer.reject(error));
  }

  /** The connection is gone: what may be repeated waits, the rest fails now. */
  connectionLost(): void {
    for (const pending of [...this.#pending.values()]) {
      clearTimeout(pending.timer);
      if (pending.sentCount === 0) continue;
      if (pending.repeatable && pending.sentCount < SENDS_MAX) continue;
      const text = "The connection was lost before the gateway answered; check what happened.";
      this.reject(pending.key, new GatewayError("ConnectionLost", text));
    }
  }

  /** There is a connection again: everything still waiting goes out, oldest first. */
  resend(): void {
    for (const pending of [...this.#pending.values()]) this.#transmit(pending);
  }

  rejectAll(error: GatewayError): void {
    for (const key of [...this.#pending.keys()]) this.reject(key, error);
  }

  #transmit(pending: Pending): void {
    if (!this.#send(pending.text)) return;
    pending.sentCount += 1;
    clearTimeout(pending.timer);
    pending.timer = setTimeout(() => {
      const text = `No answer within ${pending.timeoutMs} ms; whether it took effect is unknown.`;
      this.reject(pending.key, new GatewayError("Timeout", text));
    }, pending.timeoutMs);
  }

  #take(key: string, settle: (pending: Pending) => void): boolean {
    const pending = this.#pending.get(key);
    if (pending === undefined) return false;
    this.#pending.delete(key);
    clearTimeout(pending.timer);
    settle(pending);
    return true;
  }
}
