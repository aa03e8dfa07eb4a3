/**
 * Owns the gateway as a program sees it: calls that answer, sessions that miss nothing, a connection that
 * mends itself. Wires `Connection`, `PendingRequests`, `JoinedSessions` and `ConfigChannel`; the protocol is
 * docs/protocol.md.
 */
import { AutomationCalls } from "./AutomationCalls.ts";
import { ConfigChannel } from "./ConfigChannel.ts";
import { Connection, type ConnectionStatus } from "./Connection.ts";
import { GatewayError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import { GatewayCalls } from "./GatewayCalls.ts";
import { JoinedSessions } from "./JoinedSessions.ts";
import { Listeners } from "./Listeners.ts";
import { PendingRequests } from "./PendingRequests.ts";
import {
  type Answered,
  type Automation,
  type AutomationRun,
  type ClientMessage,
  type Decision,
  type Identity,
  OUTBOUND_BYTES_MAX,
  type ServerMessage,
  type ServerMessageOf,
  type SessionEvent,
  type SessionMeta,
  type StateSnapshot,
} from "./protocol.ts";
import { type SocketConstructor, socketConstructor } from "./socket.ts";

/** To an approval a decision, to a question what it asks for; `dismissed` closes either for good. */
export type Answer =
  | { readonly decision: Decision; readonly reason?: string }
  | { readonly input: Readonly<Record<string, unknown>> }
  | { readonly dismissed: true };

export interface ClientOptions {
  /** `ws://host:port/ws` or `wss://…`. */
  readonly url: string;
  /** Not needed where the gateway signs people in by itself (development). */
  readonly token?: string;
  /** Default true. */
  readonly autoReconnect?: boolean;
  /** First pause before a reconnect, doubled each time up to 30 s, with jitter. Default 1,000. */
  readonly reconnectDelayMs?: number;
  /** A connection silent for this long after a ping is given up. 0 turns pings off. Default 30,000. */
  readonly pingIntervalMs?: number;
  /** How long `connect()` tries. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long an answer may take once the request is on the wire. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Needed where the runtime has none (Node 20): from `undici` or `ws`. */
  readonly WebSocket?: SocketConstructor;
}

/** What `client.on(name, listener)` can hear. */
export interface ClientEvents {
  readonly connection: ConnectionStatus;
  /** A durable event of a joined session: each once, in order of `seq`. */
  readonly event: SessionEvent;
  /** On every join, also after a reconnect. */
  readonly snapshot: StateSnapshot;
  readonly caughtUp: { readonly sessionId: string; readonly seq: number };
  /** The session's log was lost or rewritten: forget it, everything is told anew. */
  readonly reset: { readonly sessionId: string };
  /** A session of the tenant was created or changed, joined or not. */
  readonly sessionUpdated: SessionMeta;
  readonly sessionDeleted: { readonly sessionId: string };
  /** An automation of the tenant was made or changed, or has accounted for a tick. */
  readonly automationUpdated: Automation;
  readonly automationDeleted: { readonly automationId: string };
  readonly automationRunUpdated: AutomationRun;
  /** Something in this person's inbox is new or different. */
  readonly inboxChanged: { readonly userId: string; readonly itemId: string };
  /** The sign-in runs out then: `authenticate` with a new token before. */
  readonly authExpiring: { readonly expiresAt: number };
  /** Something the gateway complained about that no request of ours waits for, or a frame without sense. */
  readonly problem: { readonly code: string; readonly message: string };
}

export class DiminuendoClient extends GatewayCalls {
  /** `config/get`, `config/set` and `config/subscribe`. */
  readonly config: ConfigChannel;
  /** Automations, their runs, and the inbox. */
  readonly automations: AutomationCalls;
  readonly #connection: Connection;
  readonly #requests: PendingRequests;
  readonly #sessions: JoinedSessions;
  readonly #listeners = new Listeners<ClientEvents>();
  readonly #joinRequests = new Map<string, string>();
  /** How approvals of joined sessions ended, to know our own answer when it was sent twice. */
  readonly #decisions = new Map<string, string>();
  /** How often a connection came up: an answer that was sent before one may have been sent twice. */
  #connections = 0;
  readonly #requestTimeoutMs: number;
  #token: string | undefined;
  #requestCount = 0;

  /** Throws `NoWebSocket` where the runtime has none and none is injected. */
  constructor(options: ClientOptions) {
    super();
    this.#token = options.token === "" ? undefined : options.token;
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 30_000;
    this.#connection = new Connection(
      {
        url: options.url,
        token: () => this.#token,
        autoReconnect: options.autoReconnect ?? true,
        reconnectDelayMs: options.reconnectDelayMs ?? 1_000,
        pingIntervalMs: options.pingIntervalMs ?? 30_000,
        connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
        WebSocket: socketConstructor(options.WebSocket),
        random: Math.random,
      },
      {
        onReady: () => this.#ready(),
        onFrame: (frame) => this.#receive(frame),
        onLost: () => this.#requests.connectionLost(),
        onStatus: (status) => this.#statusChanged(status),
      },
    );
    this.#requests = new PendingRequests((text) => this.#connection.send(text));
    this.#sessions = this.#joinedSessions();
    this.automations = new AutomationCalls((expected, message) => this.ask(expected, message));
    this.config = new ConfigChannel(this.#requests, this.#requestTimeoutMs, ({ code, message }) =>
      this.#listeners.emit("problem", { code, message }),
    );
  }

  get status(): ConnectionStatus {
    return this.#connection.status;
  }

  get identity(): Identity | undefined {
    const { status } = this.#connection;
    return status.state === "connected" ? status.identity : undefined;
  }

  /** Listens; returns how to stop. */
  on<K extends keyof ClientEvents>(name: K, listener: (value: ClientEvents[K]) => void) {
    return this.#listeners.add(name, listener);
  }

  /**
   * Resolves once signed in. Rejects after 10 s (`Timeout`), on refusal (`AUTH_FAILED`) or when a token is
   * needed (`TokenRequired`); nothing runs on after a rejection, and `connect()` may be called again.
   */
  connect(): Promise<Identity> {
    return this.#connection.connect();
  }

  /** The token for the next sign-in, for example after a close with 4001. */
  setToken(token: string | undefined): void {
    this.#token = token === "" ? undefined : token;
  }

  /** Signs in anew on the open connection, before the old token runs out; the sessions stay joined. */
  async authenticate(token: string): Promise<Identity> {
    this.setToken(token);
    return (await this.ask("authenticated", { type: "authenticate", token }, false)).identity;
  }

  /** Ends the connection, every timer, every open request (`Disconnected`) and every joined session. */
  disconnect(): void {
    this.#connection.disconnect();
    this.#sessions.forgetAll(new GatewayError("Disconnected", "The client was disconnected."));
  }

  /**
   * Resolves when every event after `afterSeq` (default: from the start) was delivered to `event`. Give the
   * `epoch` under which `afterSeq` was reached, if it was kept, so that a rewritten log is noticed.
   */
  joinSession(
    sessionId: string,
    options: { afterSeq?: number; epoch?: string } = {},
  ): Promise<StateSnapshot> {
    return this.#sessions.join(sessionId, options.afterSeq ?? 0, options.epoch);
  }

  async leaveSession(sessionId: string): Promise<void> {
    this.#sessions.forget(sessionId, new GatewayError("Disconnected", "The session was left."));
    if (this.status.state !== "connected") return; // A new connection has joined nothing.
    await this.ask("session_left", { type: "leave_session", sessionId });
  }

  /**
   * Answers an approval or a question; a question is answered with what fits its `answerSchema`, or dismissed for good.
   * Repeated after a lost connection: the id of what is answered makes it one answer.
   */
  async answerQuestion(
    sessionId: string,
    requestId: string,
    answer: Answer,
  ): Promise<{ readonly decision: Answered }> {
    const message: ClientMessage = {
      type: "answer_question",
      sessionId,
      requestId,
      ...("dismissed" in answer ? { answers: { input: {} }, ...answer } : { answers: answer }),
    };
    const connections = this.#connections;
    try {
      return (await this.#request(requestId, message, true)) as ServerMessageOf<"answer_accepted">;
    } catch (error) {
      // Our own answer, sent twice: what was asked for is what was decided.
      const code = error instanceof GatewayError ? error.code : null;
      const known = this.#decisions.get(requestId);
      if ("decision" in answer) {
        const ours = code === "ApprovalAlreadyDecided" && known === answer.decision;
        if (ours) return { decision: answer.decision };
      } else if ("input" in answer && connections !== this.#connections) {
        const ours = code === "QuestionClosed" && known === `answered ${this.identity?.userId}`;
        if (ours) return { decision: "answered" };
      }
      throw error;
    }
  }

  #joinedSessions(): JoinedSessions {
    return new JoinedSessions({
      sendJoin: (sessionId, afterSeq) => this.#sendJoin(sessionId, afterSeq),
      readLog: (sessionId, afterSeq) => this.getEvents(sessionId, { afterSeq, limit: 1_000 }),
      abandonConnection: (reason) => this.#connection.abandon(reason),
      onEvent: (event) => this.#deliver(event),
      onSnapshot: (snapshot) => this.#listeners.emit("snapshot", snapshot),
      onReset: (sessionId) => this.#listeners.emit("reset", { sessionId }),
      onCaughtUp: (sessionId, seq) => this.#listeners.emit("caughtUp", { sessionId, seq }),
    });
  }

  /** Sessions first: what is re-sent afterwards meets a client that knows what happened meanwhile. */
  #ready(): void {
    this.#joinRequests.clear();
    this.#sessions.rejoinAll();
    this.config.resubscribe();
    this.#connections += 1;
    this.#requests.resend();
  }

  #statusChanged(status: ConnectionStatus): void {
    if (status.state === "closed" || status.state === "idle") {
      const code = status.state === "closed" ? status.code : "Disconnected";
      const reason = status.state === "closed" ? status.reason : "The client was disconnected.";
      this.#requests.rejectAll(new GatewayError(code, reason));
      this.#sessions.failWaiting(new GatewayError(code, reason));
    }
    this.#listeners.emit("connection", status);
  }

  #receive(frame: Frame): void {
    if (frame.kind === "event") this.#sessions.receiveEvent(frame.event);
    else if (frame.kind === "config") this.config.receive(frame.frame);
    else if (frame.kind === "message") this.#receiveMessage(frame.message);
    else this.#listeners.emit("problem", { code: "malformed_frame", message: frame.reason });
  }

  #receiveMessage(message: ServerMessage): void {
    const key = message.requestId;
    switch (message.type) {
      case "state_snapshot":
        this.#sessions.receiveSnapshot(message);
        return;
      case "caught_up":
        this.#sessions.receiveCaughtUp(message.sessionId, message.seq);
        return;
      case "error":
        this.#receiveError(message);
        return;
      case "session_updated":
      case "session_created":
        this.#listeners.emit("sessionUpdated", message.session);
        break;
      case "session_deleted":
        this.#sessions.forget(
          message.sessionId,
          new GatewayError("SessionNotFound", "The session was deleted."),
        );
        this.#listeners.emit("sessionDeleted", { sessionId: message.sessionId });
        break;
      case "automation":
        this.#listeners.emit("automationUpdated", message.automation);
        break;
      case "automation_deleted":
        this.#listeners.emit("automationDeleted", { automationId: message.automationId });
        break;
      case "automation_run":
        this.#listeners.emit("automationRunUpdated", message.run);
        break;
      case "inbox_changed":
        this.#listeners.emit("inboxChanged", { userId: message.userId, itemId: message.itemId });
        return;
      case "auth_expiring":
        this.#listeners.emit("authExpiring", { expiresAt: message.expiresAt });
        return;
    }
    if (key !== undefined) this.#requests.resolve(key, message);
  }

  #receiveError({ requestId, code, message, problems }: ServerMessageOf<"error">): void {
    const error = new GatewayError(code, message, problems);
    const joining = requestId === undefined ? undefined : this.#joinRequests.get(requestId);
    if (joining !== undefined) {
      this.#sessions.forget(joining, error);
      return;
    }
    if (requestId !== undefined && this.#requests.reject(requestId, error)) return;
    this.#listeners.emit("problem", { code, message });
  }

  #deliver(event: SessionEvent): void {
    if (event.type === "approval_resolved") this.#decisions.set(event.requestId, event.decision);
    if (event.type === "question_resolved") {
      this.#decisions.set(event.requestId, `${event.outcome} ${event.answeredBy}`);
    }
    this.#listeners.emit("event", event);
  }

  #sendJoin(sessionId: string, afterSeq: number): void {
    const requestId = this.#nextRequestId();
    const message: ClientMessage = { type: "join_session", requestId, sessionId, afterSeq };
    if (this.#connection.send(JSON.stringify(message))) {
      this.#joinRequests.set(requestId, sessionId);
    }
  }

  protected async ask<T extends ServerMessage["type"]>(
    expected: T,
    message: ClientMessage,
    repeatable = true,
  ): Promise<ServerMessageOf<T>> {
    const requestId = this.#nextRequestId();
    const answer = await this.#request(requestId, { ...message, requestId }, repeatable);
    if ((answer as ServerMessage).type === expected) return answer as ServerMessageOf<T>;
    throw new GatewayError("InternalError", `The gateway did not answer with ${expected}.`);
  }

  async #request(key: string, message: ClientMessage, repeatable: boolean): Promise<unknown> {
    const text = JSON.stringify(message);
    if (new TextEncoder().encode(text).byteLength > OUTBOUND_BYTES_MAX) {
      throw new GatewayError("MESSAGE_TOO_LARGE", "A message may have at most 1 MiB.");
    }
    return this.#requests.start({ key, text, repeatable, timeoutMs: this.#requestTimeoutMs });
  }

  #nextRequestId(): string {
    this.#requestCount += 1;
    return `r${this.#requestCount}`;
  }
}
