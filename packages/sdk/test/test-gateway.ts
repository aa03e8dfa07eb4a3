/**
 * Owns a small real gateway for tests: a WebSocket server that speaks docs/protocol.md over a log that
 * survives its connections, and that can fail at any frame. Client frames are read with the protocol's own
 * schemas, so that a wrong client is refused as the real gateway would. What agents do is up to the test.
 */
import {
  type ClientMessage,
  type ConfigRequest,
  decodeClientFrame,
  type ErrorCode,
  type Identity,
  type SessionEvent,
} from "@concert/diminuendo/protocol";
import type { Server, ServerWebSocket } from "bun";
import { type NewEvent, SessionLog } from "./session-log.ts";

export { type NewEvent, SessionLog } from "./session-log.ts";

export interface TurnContext {
  readonly log: SessionLog;
  readonly turnId: string;
  readonly text: string;
  readonly emit: (event: NewEvent) => void;
}

export interface TestGatewayOptions {
  readonly port?: number;
  /** Required from clients when set. */
  readonly token?: string;
  /** Plays the agent; the default answers nothing. */
  readonly onTurn?: (turn: TurnContext) => void;
  readonly onInput?: (
    log: SessionLog,
    requestId: string,
    input: Readonly<Record<string, unknown>>,
  ) => void;
  readonly onAnswer?: (
    log: SessionLog,
    approvalId: string,
    decision: string,
    reason?: string,
  ) => void;
  readonly onStop?: (log: SessionLog) => void;
  readonly onHttp?: (request: Request) => Response | undefined | Promise<Response>;
}

interface Connected {
  readonly clientId: string;
  authenticated: boolean;
  readonly joined: Set<string>;
  readonly scopes: Set<string>;
  framesLeft: number;
}
type Socket = ServerWebSocket<Connected>;

export const DEVELOPER: Identity = {
  userId: "user-dev",
  email: "developer@localhost",
  tenantId: "dev",
  roles: ["owner", "finance_approvers"],
};

export class TestGateway {
  readonly sessions = new Map<string, SessionLog>();
  /** Every message that reached the gateway, in order. */
  readonly received: ClientMessage[] = [];
  readonly config = new Map<string, { value: unknown; version: number }>();
  /** Scopes that nobody may listen to. */
  readonly closedScopes = new Set<string>();
  /** The next connection is cut, without a close frame, after this many frames sent to it. */
  cutNextAfterFrames = Number.POSITIVE_INFINITY;
  /** Live events with these numbers are lost on the way; the log keeps them. */
  readonly loseLive = new Set<number>();
  /** Sends every live event twice. */
  duplicateLive = false;
  /** Does what the next message of this type asks, and cuts the connection instead of answering. */
  cutInsteadOfAnswering: ClientMessage["type"] | undefined;
  /** Hears everything and says nothing, like a machine that lost its network. */
  silent = false;
  connectionCount = 0;
  readonly #options: TestGatewayOptions;
  readonly #server: Server<Connected>;
  readonly #sockets = new Set<Socket>();
  readonly #createdByKey = new Map<string, string>();

  constructor(options: TestGatewayOptions = {}) {
    this.#options = options;
    this.#server = Bun.serve<Connected>({
      hostname: "127.0.0.1",
      port: options.port ?? 0,
      fetch: (request, server) => this.#fetch(request, server),
      websocket: {
        open: (socket) => this.#greet(socket),
        message: (socket, text) => this.#hear(socket, String(text)),
        close: (socket) => void this.#sockets.delete(socket),
      },
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  session(sessionId: string): SessionLog {
    const log = this.sessions.get(sessionId);
    if (log === undefined) throw new Error(`no session ${sessionId}`);
    return log;
  }

  createSession(sessionId: string, agentType = "echo", name = "Session"): SessionLog {
    const log = new SessionLog(sessionId, agentType, name);
    this.sessions.set(sessionId, log);
    return log;
  }

  /** Appends durably, then tells everybody who joined. */
  emit(log: SessionLog, event: NewEvent): SessionEvent {
    const placed = log.append(event);
    for (const socket of this.#sockets) {
      if (!socket.data.joined.has(log.sessionId) || this.loseLive.has(placed.seq)) continue;
      this.#send(socket, placed);
      if (this.duplicateLive) this.#send(socket, placed);
    }
    if (placed.type === "session_state")
      this.#broadcast({ type: "session_updated", session: log.meta });
    return placed;
  }

  /** Cuts every connection without a close frame. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  /** Closes every connection with `code`. */
  close(code: number, reason = ""): void {
    for (const socket of this.#sockets) socket.close(code, reason);
  }

  /** Sends a raw text to everybody. */
  say(text: string): void {
    for (const socket of this.#sockets) socket.send(text);
  }

  announceShutdown(reconnectAfterMs: number): void {
    this.#broadcast({ type: "server_shutdown", reconnectAfterMs });
    this.close(4100, "going away");
  }

  #fetch(request: Request, server: Server<Connected>): Response | undefined | Promise<Response> {
    if (new URL(request.url).pathname === "/ws") {
      this.connectionCount += 1;
      const data: Connected = {
        clientId: `client-${this.connectionCount}`,
        authenticated: this.#options.token === undefined,
        joined: new Set(),
        scopes: new Set(),
        framesLeft: this.cutNextAfterFrames,
      };
      this.cutNextAfterFrames = Number.POSITIVE_INFINITY;
      return server.upgrade(request, { data })
        ? undefined
        : new Response("needs a WebSocket", { status: 426 });
    }
    return this.#options.onHttp?.(request) ?? new Response("not found", { status: 404 });
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket);
    const { clientId, authenticated } = socket.data;
    this.#send(socket, { type: "welcome", protocolVersion: 1, requiresAuth: !authenticated });
    this.#send(socket, {
      type: "connected",
      clientId,
      heartbeatIntervalMs: 30_000,
      ts: Date.now(),
    });
    if (authenticated) this.#send(socket, { type: "authenticated", identity: DEVELOPER });
  }

  #hear(socket: Socket, text: string): void {
    if (this.silent) return;
    const frame = decodeClientFrame(text);
    if (frame.kind === "config") {
      this.#answerConfig(socket, frame.request);
      return;
    }
    if (frame.kind === "bad_config")
      throw new Error(`the client sent a bad frame: ${frame.reason}`);
    if (frame.kind === "bad_message") {
      this.#refuse(socket, frame.code, frame.reason, frame.requestId);
      return;
    }
    const { message } = frame;
    this.received.push(message);
    if (!socket.data.authenticated && message.type !== "authenticate") {
      this.#refuse(socket, "Unauthenticated", "Sign in first.", message.requestId);
      return;
    }
    const answer = this.#answer(socket, message);
    if (this.cutInsteadOfAnswering === message.type) {
      this.cutInsteadOfAnswering = undefined;
      socket.terminate();
    } else if (answer !== undefined)
      this.#send(socket, { ...answer, requestId: message.requestId });
  }

  #answer(socket: Socket, message: ClientMessage): object | undefined {
    switch (message.type) {
      case "authenticate":
        return this.#authenticate(socket, message.token);
      case "list_sessions":
        return { type: "session_list", sessions: [...this.sessions.values()].map((s) => s.meta) };
      case "create_session":
        return this.#create(message.agentType, message.name, message.idempotencyKey);
      case "ping":
        return { type: "pong", ts: Date.now() };
      case "join_session":
      case "leave_session":
      case "run_turn":
      case "stop_turn":
      case "answer_question":
      case "get_events": {
        const log = this.sessions.get(message.sessionId);
        if (log === undefined) return refusal("SessionNotFound", "There is no such session.");
        return this.#answerInSession(socket, log, message);
      }
      default:
        return refusal("NotSupported", `${message.type} is not built yet.`);
    }
  }

  #answerInSession(
    socket: Socket,
    log: SessionLog,
    message: Extract<ClientMessage, { readonly sessionId: string }>,
  ): object | undefined {
    const { sessionId } = log;
    switch (message.type) {
      case "join_session":
        return this.#join(socket, log, message.afterSeq ?? 0, message.requestId);
      case "leave_session":
        socket.data.joined.delete(sessionId);
        return { type: "session_left", sessionId };
      case "run_turn":
        return this.#runTurn(log, message.text, message.idempotencyKey);
      case "stop_turn":
        if (log.activeTurnId === null) return refusal("NoActiveTurn", "Nothing is running.");
        queueMicrotask(() => this.#options.onStop?.(log));
        return { type: "stop_accepted", sessionId, turnId: log.activeTurnId };
      case "answer_question": {
        if ("input" in message.answers)
          return this.#answerQuestion(log, message.requestId, message);
        const { decision, reason } = message.answers;
        if (log.decisions.has(message.requestId)) {
          return refusal("ApprovalAlreadyDecided", "Somebody has decided this already.");
        }
        log.decisions.set(message.requestId, decision);
        this.#options.onAnswer?.(log, message.requestId, decision, reason);
        return { type: "answer_accepted", sessionId, decision };
      }
      case "get_events": {
        const all = log.after(message.afterSeq ?? 0);
        const events = all.slice(0, message.limit ?? 200);
        const hasMore = events.length < all.length;
        return { type: "events", sessionId, events, lastSeq: log.headSeq, hasMore };
      }
      default:
        return refusal("NotSupported", `${message.type} is not played here.`);
    }
  }

  /** Answered once; `onInput` plays what comes of it. */
  #answerQuestion(
    log: SessionLog,
    requestId: string,
    { answers, dismissed = false }: Extract<ClientMessage, { readonly type: "answer_question" }>,
  ): object {
    if (log.decisions.has(requestId)) return refusal("QuestionClosed", "It is answered already.");
    const decision = dismissed ? "dismissed" : "answered";
    log.decisions.set(requestId, decision);
    if ("input" in answers) this.#options.onInput?.(log, requestId, answers.input);
    return { type: "answer_accepted", sessionId: log.sessionId, decision };
  }

  #authenticate(socket: Socket, token: string): object | undefined {
    if (this.#options.token === undefined || token === this.#options.token) {
      socket.data.authenticated = true;
      return { type: "authenticated", identity: DEVELOPER };
    }
    this.#refuse(socket, "AUTH_FAILED", "The token is not valid.");
    socket.close(4001, "authentication failed");
    return undefined;
  }

  #create(agentType: string, name = "New session", key?: string): object {
    const known = key === undefined ? undefined : this.#createdByKey.get(key);
    const sessionId = known ?? `sess_${this.sessions.size + 1}`;
    const log = this.sessions.get(sessionId) ?? this.createSession(sessionId, agentType, name);
    if (key !== undefined) this.#createdByKey.set(key, sessionId);
    return { type: "session_created", session: log.meta };
  }

  #join(socket: Socket, log: SessionLog, afterSeq: number, requestId?: string): undefined {
    const { sessionId, epoch, headSeq, activeTurnId } = log;
    const session = log.meta;
    const replay = { firstSeq: log.events[0]?.seq ?? 0, replay: "tail", hasOlder: false };
    const facts = { sessionId, session, epoch, headSeq, ...replay, activeTurnId, ts: Date.now() };
    this.#send(socket, { type: "state_snapshot", ...facts, requestId });
    for (const event of log.after(afterSeq)) this.#send(socket, event);
    this.#send(socket, { type: "caught_up", sessionId, seq: headSeq });
    socket.data.joined.add(sessionId);
  }

  #runTurn(log: SessionLog, text: string, key?: string): object {
    const { sessionId } = log;
    const known = key === undefined ? undefined : log.turnByKey.get(key);
    if (known !== undefined) return { type: "turn_accepted", sessionId, turnId: known };
    if (log.activeTurnId !== null) return refusal("TurnInProgress", "A turn is running.");
    const turnId = log.nextTurnId();
    log.activeTurnId = turnId;
    if (key !== undefined) log.turnByKey.set(key, turnId);
    const emit = (event: NewEvent) => void this.emit(log, { turnId, ...event });
    const keyed = key === undefined ? {} : { idempotencyKey: key };
    const messageId = `${turnId}-user`;
    emit({ type: "user_message", messageId, text, userId: DEVELOPER.userId, ...keyed });
    queueMicrotask(() => this.#options.onTurn?.({ log, turnId, text, emit }));
    return { type: "turn_accepted", sessionId, turnId };
  }

  #answerConfig(socket: Socket, { id, method, params }: ConfigRequest): void {
    const reply = (result: object) => this.#send(socket, { jsonrpc: "2.0", id, result });
    if (method === "config/batch") {
      const error = { code: -32601, message: "Batches are not played here." };
      this.#send(socket, { jsonrpc: "2.0", id, error });
      return;
    }
    const { scope } = params;
    if (method === "config/subscribe" && this.closedScopes.has(scope)) {
      const error = { code: -32003, message: "This is not yours to read." };
      this.#send(socket, { jsonrpc: "2.0", id, error });
      return;
    }
    if (method === "config/subscribe") socket.data.scopes.add(scope);
    if (method === "config/unsubscribe") socket.data.scopes.delete(scope);
    if (method === "config/get") {
      reply(this.config.get(`${scope}/${params.key}`) ?? { value: null, version: 0 });
      return;
    }
    if (method !== "config/set") {
      reply({});
      return;
    }
    const { key, value } = params;
    const version = (this.config.get(`${scope}/${key}`)?.version ?? 0) + 1;
    this.config.set(`${scope}/${key}`, { value, version });
    reply({ version });
    const update = { jsonrpc: "2.0", method: "config/update", params: { ...params, version } };
    for (const one of this.#sockets) if (one.data.scopes.has(scope)) this.#send(one, update);
  }

  #broadcast(frame: object): void {
    for (const socket of this.#sockets) this.#send(socket, frame);
  }

  #refuse(socket: Socket, code: ErrorCode, message: string, requestId?: string): void {
    this.#send(socket, { ...refusal(code, message), requestId });
  }

  #send(socket: Socket, frame: object): void {
    if (this.silent) return;
    if (socket.data.framesLeft <= 0) {
      socket.terminate();
      return;
    }
    socket.data.framesLeft -= 1;
    socket.send(JSON.stringify(frame));
  }
}

function refusal(code: ErrorCode, message: string) {
  return { type: "error", code, message };
}
