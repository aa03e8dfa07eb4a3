/**
 * Owns one client of the gateway: signs in, joins at most one session, and judges what it is sent: `seq` and marks
 * must go up one by one. Refuses to own: many of them, and what is measured (crowd.ts).
 */
import { forEachMark } from "./marks.ts";
import { RawSocket } from "./raw-socket.ts";

export type Answer = Readonly<Record<string, unknown>> & { readonly type: string };

/** Where all viewers of a process put what they see. */
export interface Tally {
  /** A marked event came, so long after it left. */
  readonly latency: (ms: number) => void;
  readonly event: (bytes: number) => void;
  /** A number came twice, too early or was left out. */
  readonly wrong: (what: string) => void;
  readonly closed: (viewer: Viewer, code: number) => void;
  readonly error: (code: string) => void;
}

const SEQ = '"seq":';

export class Viewer {
  readonly index: number;
  readonly #tally: Tally;
  #socket: RawSocket | null = null;
  #signedIn: () => void = () => {};
  #refused: (error: Error) => void = () => {};
  readonly #pending = new Map<string, (answer: Answer) => void>();
  #nextRequest = 1;
  #caughtUp: () => void = () => {};
  #isLive = false;
  sessionId: string | null = null;
  epoch: string | null = null;
  /** Newest `seq` and mark it has seen. */
  seq = 0;
  marked = 0;
  /** When it was first sent something new after its last join, and when the newest it has seen had left. */
  liveAtMs = 0;
  lastSentAtMs = 0;

  constructor(index: number, tally: Tally) {
    this.index = index;
    this.#tally = tally;
  }

  /** Resolves when the gateway says who it is. */
  async connect(port: number, token: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#signedIn = resolve;
    this.#refused = reject;
    this.#socket = await RawSocket.open(port, "/ws", {
      opened: () => this.send({ type: "authenticate", token }),
      text: (text, bytes) => this.#heard(text, bytes),
      closed: (code) => {
        reject(new Error(`closed with ${code} before it was signed in`));
        this.#tally.closed(this, code);
      },
    });
    await promise;
  }

  /** Goes into a room of a bare server (peer.ts) instead. */
  async visit(port: number, room: string, peer: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const closed = (code: number) => this.#tally.closed(this, code);
    const isWs = peer === "ws";
    const path = isWs ? "/?" : "/socket.io/?EIO=4&transport=websocket&";
    this.#socket = await RawSocket.open(port, `${path}room=${room}`, {
      opened: isWs ? resolve : () => {},
      text: (text, bytes) => {
        // Engine.IO: 0 opens, 2 pings, 40 is the default namespace, 42 an event.
        if (isWs || text.startsWith("42")) this.#heard(text, bytes);
        else if (text.startsWith("0")) this.#socket?.send("40");
        else if (text.startsWith("2")) this.#socket?.send("3");
        else if (text.startsWith("40")) resolve();
      },
      closed,
    });
    await promise;
  }

  send(message: Readonly<Record<string, unknown>>): void {
    this.#socket?.send(JSON.stringify(message));
  }

  /** The direct answer to a message. */
  ask(message: Readonly<Record<string, unknown>>): Promise<Answer> {
    const requestId = `r${this.#nextRequest++}`;
    return new Promise((resolve) => {
      this.#pending.set(requestId, resolve);
      this.send({ ...message, requestId });
    });
  }

  /** Resolves at `caught_up`. From its cursor, it must miss nothing; otherwise the whole log comes. */
  join(sessionId: string, from: "start" | "cursor"): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#caughtUp = resolve;
    this.#refused = reject;
    this.sessionId = sessionId;
    this.#isLive = false;
    this.liveAtMs = 0;
    if (from === "start") this.forget();
    const cursor = this.epoch === null ? {} : { cursor: { epoch: this.epoch, seq: this.seq } };
    this.send({ type: "join_session", sessionId, ...(from === "cursor" ? cursor : {}) });
    return promise;
  }

  /** As if it had never read its session. */
  forget(): void {
    this.seq = 0;
    this.marked = 0;
    this.epoch = null;
  }

  /** As if it had read only up to there. */
  rewind(seq: number): void {
    this.seq = seq;
    this.marked = -1;
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  cut(): void {
    this.#socket?.cut();
  }

  #heard(text: string, bytes: number): void {
    const nowMs = performance.timeOrigin + performance.now();
    const seqAt = text.startsWith('{"type":"state_snapshot"') ? -1 : text.indexOf(SEQ);
    if (seqAt === -1 || text.startsWith('{"type":"caught_up"')) this.#notice(text, nowMs);
    else this.#logged(text, bytes, seqAt, nowMs);
  }

  /** An event of the session's log. */
  #logged(text: string, bytes: number, seqAt: number, nowMs: number): void {
    this.#tally.event(bytes);
    const seq = Number.parseInt(text.slice(seqAt + SEQ.length, seqAt + SEQ.length + 12), 10);
    if (seq !== this.seq + 1) this.#tally.wrong(`seq ${seq} after ${this.seq}`);
    this.seq = seq;
    forEachMark(text, (number, sentAtMs) => {
      if (this.marked !== -1 && number !== this.marked + 1) {
        this.#tally.wrong(`mark ${number} after ${this.marked}`);
      }
      this.marked = number;
      this.lastSentAtMs = sentAtMs;
      if (this.#isLive && this.liveAtMs === 0) this.liveAtMs = nowMs;
      this.#tally.latency(nowMs - sentAtMs);
    });
  }

  /** Whatever is not of a session's log. */
  #notice(text: string, nowMs: number): void {
    if (text.startsWith('{"type":"session_updated"') && !text.includes('"requestId"')) {
      this.#tally.event(text.length);
      forEachMark(text, (_, sentAtMs) => this.#tally.latency(nowMs - sentAtMs));
      return;
    }
    const answer = JSON.parse(text) as Answer;
    if (answer.type === "authenticated") this.#signedIn();
    if (answer.type === "state_snapshot") this.epoch = String(answer["epoch"]);
    if (answer.type === "caught_up") {
      this.#isLive = true;
      this.#caughtUp();
    }
    if (answer.type === "error") {
      this.#tally.error(String(answer["code"]));
      this.#refused(new Error(text));
    }
    const requestId = answer["requestId"];
    if (typeof requestId !== "string") return;
    this.#pending.get(requestId)?.(answer);
    this.#pending.delete(requestId);
  }
}
