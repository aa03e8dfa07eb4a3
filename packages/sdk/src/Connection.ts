/**
 * Owns one logical connection over many sockets: greeting, sign-in, heartbeat, reconnecting.
 * Refuses to own what is said over it (`DiminuendoClient.ts`) and what is replayed (`JoinedSessions.ts`).
 *
 * K1 at most one socket is current; a frame or close of an older one changes nothing.
 * K2 after `disconnect()`, and after a close that asks for no reconnect, no timer is left.
 */
import { type Deferred, deferred } from "./deferred.ts";
import { GatewayError } from "./errors.ts";
import { decodeFrame, type Frame } from "./frames.ts";
import type { Identity } from "./protocol.ts";
import { afterClose, retryDelayMs } from "./reconnect-policy.ts";
import { listenTo, SOCKET_OPEN, type SocketConstructor, type SocketLike } from "./socket.ts";

export type ConnectionStatus =
  | { readonly state: "idle" }
  | { readonly state: "connecting" }
  | { readonly state: "connected"; readonly identity: Identity }
  | {
      readonly state: "reconnecting";
      readonly attempt: number;
      readonly retryInMs: number;
      readonly reason: string;
    }
  | {
      readonly state: "closed";
      readonly code: GatewayError["code"];
      readonly reason: string;
    };

export interface ConnectionOptions {
  readonly url: string;
  readonly token: () => string | undefined;
  readonly autoReconnect: boolean;
  readonly reconnectDelayMs: number;
  readonly pingIntervalMs: number;
  readonly connectTimeoutMs: number;
  readonly WebSocket: SocketConstructor;
  readonly random: () => number;
}

export interface ConnectionListener {
  /** Signed in, the first time or again: everything joined must be joined, everything open be re-sent. */
  readonly onReady: () => void;
  readonly onFrame: (frame: Frame) => void;
  /** The socket is gone; more may follow. */
  readonly onLost: () => void;
  readonly onStatus: (status: ConnectionStatus) => void;
}

/** Our own close: the socket went silent, or cannot be trusted to be complete. */
const CLOSE_ABANDONED = 4900;

/** Refusals of a sign-in that say nothing about the token. */
const PASSING: ReadonlySet<GatewayError["code"]> = new Set([
  "UpstreamUnavailable",
  "AUTH_RATE_LIMITED",
  "InternalError",
]);

/** Each client comes back at a moment of its own. */
const pauseOf = (told: { reconnectAfterMs: number; jitterMs: number }, random: number): number =>
  told.reconnectAfterMs + Math.round(told.jitterMs * random);

type Timer = ReturnType<typeof setTimeout>;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  #status: ConnectionStatus = { state: "idle" };
  #socket: SocketLike | undefined;
  #attempt = 0;
  #pauseMsMin = 0;
  #retryTimer: Timer | undefined;
  #pingTimer: Timer | undefined;
  #heardSincePing = true;
  #opening: Deferred<Identity> | undefined;
  #openingTimer: Timer | undefined;
  #lastReason = "no answer yet";

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Resolves once signed in. Rejects on refusal, or after `connectTimeoutMs` with the last reason. */
  connect(): Promise<Identity> {
    if (this.#status.state === "connected") return Promise.resolve(this.#status.identity);
    if (this.#opening !== undefined) return this.#opening.promise;
    this.#opening = deferred<Identity>();
    const { promise } = this.#opening;
    this.#openingTimer = setTimeout(
      () => this.#end(new GatewayError("Timeout", this.#timeoutText())),
      this.#options.connectTimeoutMs,
    );
    this.#attempt = 0;
    this.#open();
    return promise;
  }

  /** Ends for good: no socket, no timer, no reconnect. */
  disconnect(): void {
    this.#end(new GatewayError("Disconnected", "The client was disconnected."), { state: "idle" });
  }

  /** Drops the socket and reconnects, so that replay makes the sessions whole again. */
  abandon(reason: string): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#detach();
    socket.close(CLOSE_ABANDONED, reason.slice(0, 100));
    this.#lost(CLOSE_ABANDONED, reason);
  }

  /** Whether the text went to a signed-in socket. */
  send(text: string): boolean {
    if (this.#status.state !== "connected" || this.#socket?.readyState !== SOCKET_OPEN)
      return false;
    this.#socket.send(text);
    return true;
  }

  #open(): void {
    clearTimeout(this.#retryTimer);
    if (this.#status.state !== "reconnecting") this.#setStatus({ state: "connecting" });
    let socket: SocketLike;
    try {
      socket = new this.#options.WebSocket(this.#options.url);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#end(new GatewayError("Disconnected", `Cannot open ${this.#options.url}: ${why}`));
      return;
    }
    this.#socket = socket;
    listenTo(socket, {
      onmessage: ({ data }) => {
        if (socket === this.#socket) this.#hear(socket, data);
      },
      onclose: ({ code, reason }) => {
        if (socket !== this.#socket) return;
        this.#detach();
        this.#lost(code, reason);
      },
    });
  }

  #hear(socket: SocketLike, data: unknown): void {
    this.#heardSincePing = true;
    const frame = decodeFrame(data);
    if (frame.kind !== "message") {
      this.#listener.onFrame(frame);
      return;
    }
    const { message } = frame;
    if (message.type === "welcome") this.#greet(socket, message.requiresAuth);
    else if (message.type === "authenticated") this.#signedIn(message.identity);
    else if (message.type === "error" && this.#status.state !== "connected") {
      this.#refused(new GatewayError(message.code, message.message), message.retryAfterMs ?? 0);
    } else {
      if (message.type === "server_shutdown") this.#pauseMsMin = message.reconnectAfterMs;
      if (message.type === "going_away")
        this.#pauseMsMin = pauseOf(message, this.#options.random());
      this.#listener.onFrame(frame);
    }
  }

  /** A refused sign-in is final, unless the gateway could not tell, or asks for patience. */
  #refused(error: GatewayError, retryAfterMs: number): void {
    if (!PASSING.has(error.code) || !this.#options.autoReconnect) {
      this.#end(error);
      return;
    }
    this.#pauseMsMin = retryAfterMs;
    this.abandon(error.message);
  }

  #greet(socket: SocketLike, requiresAuth: boolean): void {
    const token = this.#options.token();
    if (token !== undefined) socket.send(JSON.stringify({ type: "authenticate", token }));
    else if (requiresAuth) {
      this.#end(new GatewayError("TokenRequired", "This gateway needs a sign-in token."));
    }
  }

  #signedIn(identity: Identity): void {
    const again = this.#status.state === "connected";
    this.#attempt = 0;
    this.#pauseMsMin = 0;
    clearTimeout(this.#openingTimer);
    this.#setStatus({ state: "connected", identity });
    this.#opening?.resolve(identity);
    this.#opening = undefined;
    if (again) return; // Dev mode signs in by itself and then once more by our token.
    this.#schedulePing();
    this.#listener.onReady();
  }

  #lost(code: number, detail: string): void {
    const after = afterClose(code);
    this.#lastReason = detail === "" ? after.reason : detail;
    this.#listener.onLost();
    if (after.kind === "stop") {
      this.#end(new GatewayError("AUTH_FAILED", this.#lastReason));
    } else if (!this.#options.autoReconnect) {
      this.#end(new GatewayError("ConnectionLost", this.#lastReason));
    } else this.#retryLater(Math.max(after.pauseMsMin, this.#pauseMsMin));
  }

  #retryLater(pauseMsMin: number): void {
    this.#attempt += 1;
    this.#pauseMsMin = 0;
    const { reconnectDelayMs, random } = this.#options;
    const retryInMs = retryDelayMs(this.#attempt, reconnectDelayMs, pauseMsMin, random());
    this.#setStatus({
      state: "reconnecting",
      attempt: this.#attempt,
      retryInMs,
      reason: this.#lastReason,
    });
    this.#retryTimer = setTimeout(() => this.#open(), retryInMs);
  }

  /** A socket that has been silent for a whole interval after a ping is dead, whatever the system says. */
  #schedulePing(): void {
    clearTimeout(this.#pingTimer);
    const { pingIntervalMs } = this.#options;
    if (pingIntervalMs <= 0) return;
    this.#heardSincePing = true;
    const beat = () => {
      if (!this.#heardSincePing) return this.abandon("The gateway stopped answering.");
      this.#heardSincePing = false;
      this.send(JSON.stringify({ type: "ping" }));
      this.#pingTimer = setTimeout(beat, pingIntervalMs);
    };
    this.#pingTimer = setTimeout(beat, pingIntervalMs);
  }

  /** From here on the socket is not current, and what it says changes nothing (K1). */
  #detach(): void {
    clearTimeout(this.#pingTimer);
    this.#socket = undefined;
  }

  #end(error: GatewayError, status?: ConnectionStatus): void {
    const socket = this.#socket;
    if (socket !== undefined) {
      this.#detach();
      socket.close(1000);
      this.#listener.onLost();
    }
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#openingTimer);
    const opening = this.#opening;
    this.#opening = undefined;
    this.#setStatus(status ?? { state: "closed", code: error.code, reason: error.message });
    opening?.reject(error);
  }

  #timeoutText(): string {
    return `No sign-in at ${this.#options.url} within ${this.#options.connectTimeoutMs} ms: ${this.#lastReason}`;
  }

  #setStatus(status: ConnectionStatus): void {
    this.#status = status;
    this.#listener.onStatus(status);
  }
}
