/** Owns the sessions of the test gateway: a durable log each, in memory, and what was done under which key. */
import type { SessionEvent, SessionMeta } from "@concert/diminuendo/protocol";

type Unplaced<E> = E extends SessionEvent ? Omit<E, "sessionId" | "seq" | "ts"> : never;
/** An event before the log gives it a place. */
export type NewEvent = Unplaced<SessionEvent>;

export class SessionLog {
  readonly sessionId: string;
  readonly events: SessionEvent[] = [];
  readonly turnByKey = new Map<string, string>();
  readonly decisions = new Map<string, string>();
  epoch = "epoch-1";
  activeTurnId: string | null = null;
  #meta: SessionMeta;
  #turnCount = 0;

  constructor(sessionId: string, agentType: string, name: string) {
    this.sessionId = sessionId;
    const now = Date.now();
    const times = { createdAt: now, updatedAt: now, archived: false, lastSeq: 0 };
    this.#meta = { sessionId, name, agentType, status: "ready", waitingFor: null, ...times };
  }

  get meta(): SessionMeta {
    return { ...this.#meta, lastSeq: this.headSeq };
  }

  get headSeq(): number {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** Makes an event durable and returns it with its place. */
  append(event: NewEvent): SessionEvent {
    const { sessionId } = this;
    const placed = { ...event, sessionId, seq: this.headSeq + 1, ts: Date.now() } as SessionEvent;
    this.events.push(placed);
    this.#meta = { ...this.#meta, updatedAt: placed.ts };
    if (placed.type === "session_state") {
      const waitingFor = placed.waitingFor ?? null;
      this.#meta = { ...this.#meta, status: placed.status, waitingFor };
    }
    if (placed.type === "turn_complete" || placed.type === "turn_error") this.activeTurnId = null;
    return placed;
  }

  after(seq: number): SessionEvent[] {
    return this.events.filter((event) => event.seq > seq);
  }

  nextTurnId(): string {
    this.#turnCount += 1;
    return `turn-${this.sessionId}-${this.#turnCount}`;
  }

  /** The message is complete: its deltas leave the log, and `message_complete` says which numbers they had. */
  complete(turnId: string, messageId: string, text: string): SessionEvent {
    const deltas = this.events.filter(
      (event) => event.type === "text_delta" && event.messageId === messageId,
    );
    const [first, last] = [deltas[0]?.seq, deltas.at(-1)?.seq];
    const covers =
      first === undefined || last === undefined ? {} : { coversSeq: [first, last] as const };
    const whole = this.append({ type: "message_complete", turnId, messageId, text, ...covers });
    this.events.splice(
      0,
      this.events.length,
      ...this.events.filter((event) => !deltas.includes(event)),
    );
    return whole;
  }

  /** As if the log was lost: a new epoch with nothing in it. */
  rewrite(epoch: string): void {
    this.epoch = epoch;
    this.events.length = 0;
  }
}
