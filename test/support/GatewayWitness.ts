/**
 * A witness on the gateway's socket, written from docs/protocol.md alone and not from the SDK: it notes
 * every durable event it is given and every breach of the promise "each once, in order". It reconnects by
 * itself with `afterSeq`. Refuses to own: judging anything beyond the protocol.
 */

export interface WitnessedEvent {
  readonly type: string;
  readonly sessionId: string;
  readonly seq: number;
  readonly turnId?: string;
  readonly [field: string]: unknown;
}

type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

/** The socket closed before the answer came; whether the message took effect is unknown. */
class ConnectionLost extends Error {}

const RECONNECT_MS = 100;
const ANSWER_TIMEOUT_MS = 30_000;

export class GatewayWitness {
  /** Durable events in the order they arrived. */
  readonly events: WitnessedEvent[] = [];
  /** Sentences about events that came twice, out of order, or not at all. */
  readonly breaches: string[] = [];
  readonly #url: string;
  readonly #frameListeners = new Set<(frame: Frame) => void>();
  readonly #closeListeners = new Set<() => void>();
  #socket: WebSocket | undefined;
  #joined: string | undefined;
  /** Between `state_snapshot` and `caught_up` the log is told: finished messages have replaced their deltas. */
  #replaying = false;
  #connections = 0;
  #closed = false;
  #requestCount = 0;
  #identity: Frame["identity"];

  constructor(gatewayUrl: string) {
    this.#url = `${gatewayUrl.replace(/^http/, "ws")}/ws`;
  }

  /** How often a connection was made; the first counts. */
  get connections(): number {
    return this.#connections;
  }

  /** Resolves when signed in by the development mode. */
  async connect(): Promise<void> {
    const authenticated = this.#frame((frame) => frame.type === "authenticated");
    this.#open();
    this.#identity = (await authenticated)["identity"];
  }

  /** Who the gateway says this is. */
  get identity() {
    return this.#identity as { userId: string; email: string; tenantId: string; roles: string[] };
  }

  /** Creates a session with the concierge and joins it from the start. */
  async openSession(): Promise<string> {
    const { session } = await this.ask({ type: "create_session", agentType: "concierge" });
    const { sessionId } = session as { sessionId: string };
    this.#joined = sessionId;
    await this.ask({ type: "join_session", sessionId, afterSeq: 0 });
    return sessionId;
  }

  runTurn(sessionId: string, text: string, key?: string): Promise<Frame> {
    const idempotencyKey = key ?? crypto.randomUUID();
    return this.ask({ type: "run_turn", sessionId, text, idempotencyKey });
  }

  /** Answers a question: `{input}`. */
  give(sessionId: string, requestId: string, answers: unknown): Promise<Frame> {
    return this.askPatiently({ type: "answer_question", sessionId, requestId, answers });
  }

  /** `requestId` is the approval's id and also names the answer. */
  answer(sessionId: string, requestId: string, decision: "approved" | "rejected"): Promise<Frame> {
    const answers = { decision };
    return this.askPatiently({ type: "answer_question", sessionId, requestId, answers });
  }

  /** Sends a message and resolves with its direct answer, an `error` frame included. */
  async ask(message: Readonly<Record<string, unknown>>): Promise<Frame> {
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new ConnectionLost("not connected");
    this.#requestCount += 1;
    const requestId = String(message["requestId"] ?? `w${this.#requestCount}`);
    const answered = this.#frame(
      (frame) => frame["requestId"] === requestId && !("seq" in frame),
      true,
    );
    this.sendText(JSON.stringify({ ...message, requestId }));
    return answered;
  }

  /** Like `ask`, again on each new connection until an answer arrives: for what may safely be asked twice. */
  async askPatiently(message: Readonly<Record<string, unknown>>): Promise<Frame> {
    for (;;) {
      try {
        return await this.ask(message);
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        await Bun.sleep(RECONNECT_MS);
      }
    }
  }

  /** Sends any text as one frame. Throws `ConnectionLost`. */
  sendText(text: string): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new ConnectionLost("not connected");
    this.#socket.send(text);
  }

  /** The next frame that is not a durable event and matches. */
  nextFrame(matches: (frame: Frame) => boolean): Promise<Frame> {
    return this.#frame((frame) => !("seq" in frame) && matches(frame));
  }

  /** The first durable event that matches, past or to come. Rejects early when the turn fails. */
  async event(
    what: string,
    matches: (event: WitnessedEvent) => boolean,
    timeoutMs = 90_000,
  ): Promise<WitnessedEvent> {
    const deadlineMs = Date.now() + timeoutMs;
    for (;;) {
      const found = this.events.find(matches);
      if (found !== undefined) return found;
      const failed = this.events.find(({ type }) => type === "turn_error");
      if (failed !== undefined)
        throw new Error(`waiting for ${what}, the turn failed: ${JSON.stringify(failed)}`);
      if (Date.now() > deadlineMs)
        throw new Error(`no ${what} within ${timeoutMs} ms; saw ${this.#summary()}`);
      await Bun.sleep(20);
    }
  }

  /** Resolves once connection number `count` is signed in. */
  async reconnected(count: number): Promise<void> {
    while (this.#connections < count) await Bun.sleep(20);
  }

  /** The whole durable log, read page by page. */
  async readLog(sessionId: string): Promise<WitnessedEvent[]> {
    const log: WitnessedEvent[] = [];
    for (;;) {
      const afterSeq = log.at(-1)?.seq ?? 0;
      const page = await this.askPatiently({ type: "get_events", sessionId, afterSeq, limit: 500 });
      log.push(...(page["events"] as WitnessedEvent[]));
      if (page["hasMore"] !== true) return log;
    }
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  #open(): void {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(JSON.parse(String(data)) as Frame);
    // A refused connection also ends in `close`.
    socket.onclose = () => {
      for (const lose of this.#closeListeners) lose();
      if (!this.#closed) setTimeout(() => this.#open(), RECONNECT_MS);
    };
  }

  #receive(frame: Frame): void {
    if (frame.type === "authenticated") this.#resume();
    if (frame.type === "state_snapshot") this.#replaying = true;
    if (frame.type === "caught_up") this.#replaying = false;
    if (typeof frame["seq"] === "number" && frame.type !== "caught_up") {
      this.#note(frame as unknown as WitnessedEvent);
    }
    for (const listener of this.#frameListeners) listener(frame);
  }

  #resume(): void {
    this.#connections += 1;
    if (this.#joined === undefined) return;
    const afterSeq = this.events.at(-1)?.seq ?? 0;
    this.sendText(JSON.stringify({ type: "join_session", sessionId: this.#joined, afterSeq }));
  }

  #note(event: WitnessedEvent): void {
    const last = this.events.at(-1)?.seq ?? 0;
    if (this.#replaying ? event.seq <= last : event.seq !== last + 1)
      this.breaches.push(`after ${last} came ${event.seq} (${event.type})`);
    this.events.push(event);
  }

  #frame(matches: (frame: Frame) => boolean, onThisConnection = false): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#frameListeners.delete(listener);
        this.#closeListeners.delete(lose);
      };
      const lose = () => {
        done();
        reject(new ConnectionLost("the connection closed before the answer came"));
      };
      if (onThisConnection) this.#closeListeners.add(lose);
      const listener = (frame: Frame) => {
        if (!matches(frame)) return;
        done();
        resolve(frame);
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`));
      }, ANSWER_TIMEOUT_MS);
      this.#frameListeners.add(listener);
    });
  }

  #summary(): string {
    return this.events.map(({ type }) => type).join(", ");
  }
}
