/** A client of the gateway for tests: collects every frame, decoded by the real codec, and waits for some. */
import {
  type ClientMessage,
  type ConfigFrame,
  decodeServerFrame,
  type ServerEvent,
  type SessionEvent,
} from "../../src/protocol/index.ts";

const WAIT_MS = 30_000;

export class TestClient {
  readonly events: ServerEvent[] = [];
  readonly configFrames: ConfigFrame[] = [];
  /** Texts that the codec of this version could not read; tests expect none. */
  readonly unreadable: string[] = [];
  closeCode: number | null = null;
  readonly socket: WebSocket;
  #watchers: (() => void)[] = [];
  #nextId = 1;

  private constructor(url: string, headers: Record<string, string>) {
    this.socket = new WebSocket(url, { headers });
    this.socket.onmessage = ({ data }) => this.#received(String(data));
    this.socket.onclose = ({ code }) => {
      this.closeCode = code;
      this.#wake();
    };
  }

  static async connect(port: number, headers: Record<string, string> = {}): Promise<TestClient> {
    const client = new TestClient(`ws://127.0.0.1:${port}/ws`, headers);
    await client.until(
      () => client.closeCode !== null || client.events.some((e) => e.type === "connected"),
    );
    return client;
  }

  static async as(port: number, token: string): Promise<TestClient> {
    const client = await TestClient.connect(port);
    await client.ask({ type: "authenticate", token });
    return client;
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  send(message: ClientMessage): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Sends with a request id of its own and resolves with the direct answer or error. */
  async ask<M extends ClientMessage>(message: M): Promise<ServerEvent & Record<string, unknown>> {
    const requestId = "requestId" in message ? message.requestId : undefined;
    const mark = requestId ?? `q${this.#nextId++}`;
    const from = this.events.length;
    this.send({ ...message, requestId: mark });
    const isAnswer = (e: ServerEvent) => "requestId" in e && e.requestId === mark && !("seq" in e);
    await this.until(() => this.events.slice(from).some(isAnswer));
    return this.events.slice(from).find(isAnswer) as ServerEvent & Record<string, unknown>;
  }

  /** Creates a session and joins it. */
  async newSession(agentType = "echo"): Promise<string> {
    const created = await this.ask({ type: "create_session", agentType });
    const { sessionId } = created["session"] as { sessionId: string };
    await this.ask({ type: "join_session", sessionId });
    return sessionId;
  }

  /** A session in which so many turns have been asked for and answered. */
  async sessionWithTurns(count: number): Promise<string> {
    const sessionId = await this.newSession();
    for (let turn = 1; turn <= count; turn += 1) {
      await this.ask({ type: "run_turn", sessionId, text: `hello ${turn}`, whenBusy: "enqueue" });
    }
    await this.until(() => {
      const log = this.log(sessionId);
      const isOver = log.filter((e) => e.type === "turn_complete").length === count;
      return isOver && log.findLast((e) => e.type === "session_state")?.status === "ready";
    });
    return sessionId;
  }

  /** The whole log as the gateway has it, page by page. */
  async storedLog(sessionId: string): Promise<SessionEvent[]> {
    const log: SessionEvent[] = [];
    for (;;) {
      const afterSeq = log.at(-1)?.seq ?? 0;
      const page = await this.ask({ type: "get_events", sessionId, afterSeq, limit: 70 });
      log.push(...(page["events"] as SessionEvent[]));
      if (page["hasMore"] !== true) return log;
    }
  }

  async config(method: string, params: unknown): Promise<Record<string, unknown>> {
    const id = `c${this.#nextId++}`;
    this.sendText(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    const isAnswer = (frame: ConfigFrame) => "id" in frame && frame.id === id;
    await this.until(() => this.configFrames.some(isAnswer));
    return this.configFrames.find(isAnswer) as unknown as Record<string, unknown>;
  }

  /** Durable events of one session, in the order they came. */
  log(sessionId: string): SessionEvent[] {
    const durable = (e: ServerEvent): e is SessionEvent =>
      "seq" in e && "ts" in e && e.sessionId === sessionId;
    return this.events.filter(durable);
  }

  has(type: ServerEvent["type"]): boolean {
    return this.events.some((e) => e.type === type);
  }

  async untilType(type: ServerEvent["type"], count = 1): Promise<void> {
    await this.until(() => this.events.filter((e) => e.type === type).length >= count);
  }

  async until(condition: () => boolean): Promise<void> {
    const deadline = Date.now() + WAIT_MS;
    while (!condition()) {
      if (Date.now() > deadline) {
        const seen = this.events
          .map((e) => e.type)
          .slice(-20)
          .join(" ");
        throw new Error(
          `waited in vain for ${condition}; last frames: ${seen}; closed: ${this.closeCode}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200);
        this.#watchers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  close(): void {
    this.socket.close();
  }

  #received(text: string): void {
    const frame = decodeServerFrame(text);
    if (frame.kind === "event") this.events.push(frame.event);
    else if (frame.kind === "config") this.configFrames.push(frame.frame);
    else this.unreadable.push(text);
    this.#wake();
  }

  #wake(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) watcher();
  }
}
