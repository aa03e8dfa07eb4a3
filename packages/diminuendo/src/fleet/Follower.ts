/**
 * Owns one session that another gateway writes and somebody here reads: how far its events have been told here. An event
 * is told when it follows on what was told before; anything else means that a hint was lost, and the log is read. So each
 * is told once and in order, however hints come. Refuses to own: how the log is read (Followers.ts).
 */
import type { SessionMeta } from "../protocol/index.ts";
import type { SessionView } from "../session/SessionView.ts";
import type { Published } from "../transport/Broadcaster.ts";
import type { PeerView } from "./peer-wire.ts";

export interface FollowerNeeds {
  /** Tells our readers. */
  readonly deliver: (sessionId: string, events: readonly Published[]) => void;
  /** The end of the log as this gateway tells it, once the session is its own. */
  readonly ownSeq: (sessionId: string) => number | undefined;
}

export class Follower implements SessionView {
  readonly tenantId: string;
  readonly sessionId: string;
  readonly #needs: FollowerNeeds;
  #view: PeerView | null = null;
  #told = 0;
  /** While the log is read, what hints bring is in it already, or will be at the next look. */
  #reading = true;
  #missed = false;
  usedAtMs: number;

  constructor(tenantId: string, sessionId: string, nowMs: number, needs: FollowerNeeds) {
    this.tenantId = tenantId;
    this.sessionId = sessionId;
    this.usedAtMs = nowMs;
    this.#needs = needs;
  }

  /** Until the owner has described the session, it is none. */
  get isKnown(): boolean {
    return this.#view !== null;
  }
  get epoch(): string {
    return this.#known.epoch;
  }
  get firstSeq(): number {
    return this.#known.firstSeq === 0 && this.lastSeq > 0 ? 1 : this.#known.firstSeq;
  }
  /** `seq` of the newest event that was told here as another gateway's. */
  get toldSeq(): number {
    return this.#told;
  }
  get lastSeq(): number {
    return Math.max(this.#told, this.#needs.ownSeq(this.sessionId) ?? 0);
  }
  get meta(): SessionMeta {
    return { ...this.#known.meta, lastSeq: Math.max(this.lastSeq, this.#known.meta.lastSeq) };
  }
  get activeTurnId(): string | null {
    return this.#known.activeTurnId;
  }

  get #known(): PeerView {
    if (this.#view === null) throw new Error(`${this.sessionId} is followed, but not known`);
    return this.#view;
  }

  /** What the owner says of the session now. True if the log must be read: there is more than was told here. */
  described(view: PeerView): boolean {
    const isFirst = this.#view === null;
    this.#view = view;
    if (!isFirst) return this.#told < view.lastSeq;
    // Nobody here has been told anything, so the readers' own look at the log begins where the owner is.
    this.#told = view.lastSeq;
    this.#reading = false;
    return this.#missed;
  }

  /** What the owner has published. True if the log must be read: something before it was lost. */
  hear(events: readonly Published[]): boolean {
    if (this.#reading) {
      this.#missed = true;
      return false;
    }
    const fresh = events.filter(({ seq }) => seq > this.#told);
    const next = fresh[0];
    if (next === undefined) return false;
    if (next.seq !== this.#told + 1) return true;
    this.#tell(fresh);
    return false;
  }

  /** The log ends at `lastSeq`, somebody says. True if it must be read. */
  isBehind(lastSeq: number): boolean {
    return !this.#reading && this.#told < lastSeq;
  }

  beginReading(): void {
    this.#reading = true;
    this.#missed = false;
  }

  /** A page of the log after what was told; numbers that finished messages have replaced are not in it. */
  read(events: readonly Published[]): void {
    this.#tell(events);
  }

  /** The log has no more. True if something came meanwhile: read on. */
  endReading(): boolean {
    if (this.#missed) {
      this.#missed = false;
      return true;
    }
    this.#reading = false;
    return false;
  }

  /** The log could not be read: the next hint or the next look tries again. */
  gaveUp(): void {
    this.#reading = this.#view === null;
  }

  #tell(events: readonly Published[]): void {
    this.#needs.deliver(this.sessionId, events);
    this.#told = events.at(-1)?.seq ?? this.#told;
  }
}
