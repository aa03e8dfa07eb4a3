/**
 * Owns the sessions a client has joined: joining again after a reconnect, filling holes, forgetting a log
 * that was rewritten. The order itself is decided in `event-order.ts`.
 *
 * J1 a session stays joined until `leave`, whatever happens to sockets.  J2 a change of `epoch` empties what
 * was applied before any event of the new log is delivered.  J3 one hole is filled by one reader at a time.
 */
import { type Deferred, deferred } from "./deferred.ts";
import { GatewayError } from "./errors.ts";
import { arrive, arriveFromLog, type EventOrder, hasGap, orderFrom } from "./event-order.ts";
import type { Events, SessionEvent, StateSnapshot } from "./protocol.ts";

export interface SessionPorts {
  /** Sends `join_session`, or nothing while offline; a refusal comes back through `forget`. */
  readonly sendJoin: (sessionId: string, afterSeq: number) => void;
  readonly readLog: (sessionId: string, afterSeq: number) => Promise<Events>;
  /** The last resort when a hole cannot be filled: a new connection, and with it a new replay. */
  readonly abandonConnection: (reason: string) => void;
  readonly onEvent: (event: SessionEvent) => void;
  readonly onSnapshot: (snapshot: StateSnapshot) => void;
  /** The log was lost or rewritten: forget everything about the session, it is told anew. */
  readonly onReset: (sessionId: string) => void;
  readonly onCaughtUp: (sessionId: string, seq: number) => void;
}

interface Joined {
  order: EventOrder;
  epoch: string | undefined;
  snapshot: StateSnapshot | undefined;
  /** `joining`: nothing of the newest join has come yet; what comes is left over from an older one. */
  phase: "joining" | "replaying" | "live";
  healing: boolean;
  waiting: Deferred<StateSnapshot> | undefined;
}

export class JoinedSessions {
  readonly #joined = new Map<string, Joined>();
  readonly #ports: SessionPorts;

  constructor(ports: SessionPorts) {
    this.#ports = ports;
  }

  /** Highest `seq` delivered, or undefined when the session is not joined. */
  appliedSeq(sessionId: string): number | undefined {
    return this.#joined.get(sessionId)?.order.appliedSeq;
  }

  /** Resolves with the newest snapshot once caught up. A session that is joined already is not replayed. */
  join(sessionId: string, afterSeq: number, epoch?: string): Promise<StateSnapshot> {
    const known = this.#joined.get(sessionId);
    if (known?.waiting !== undefined) return known.waiting.promise;
    if (known?.phase === "live" && known.snapshot) return Promise.resolve(known.snapshot);
    const waiting = deferred<StateSnapshot>();
    const session = known ?? newSession(afterSeq, epoch);
    session.waiting = waiting;
    this.#joined.set(sessionId, session);
    if (known === undefined) this.#ports.sendJoin(sessionId, afterSeq);
    return waiting.promise;
  }

  /** Forgets the session: left, or refused, which is not tried again at every reconnect. */
  forget(sessionId: string, error: GatewayError): void {
    const session = this.#joined.get(sessionId);
    this.#joined.delete(sessionId);
    session?.waiting?.reject(error);
  }

  /** Nobody is connecting any more: callers hear it, the sessions wait for the next `connect()`. */
  failWaiting(error: GatewayError): void {
    for (const session of this.#joined.values()) {
      session.waiting?.reject(error);
      session.waiting = undefined;
    }
  }

  /** A connection is ready: every session is joined where it stopped. */
  rejoinAll(): void {
    for (const [sessionId, session] of this.#joined) this.#rejoin(sessionId, session);
  }

  forgetAll(error: GatewayError): void {
    for (const sessionId of [...this.#joined.keys()]) this.forget(sessionId, error);
  }

  receiveSnapshot(snapshot: StateSnapshot): void {
    const { sessionId } = snapshot;
    const session = this.#joined.get(sessionId);
    if (session === undefined) return;
    session.snapshot = snapshot;
    const rewritten = session.epoch !== undefined && session.epoch !== snapshot.epoch;
    session.epoch = snapshot.epoch;
    if (rewritten || snapshot.headSeq < session.order.appliedSeq) {
      session.order = orderFrom(0);
      this.#ports.onReset(sessionId);
      this.#rejoin(sessionId, session);
      return;
    }
    if (session.phase === "joining") session.phase = "replaying";
    this.#ports.onSnapshot(snapshot);
  }

  receiveEvent(event: SessionEvent): void {
    const session = this.#joined.get(event.sessionId);
    if (session === undefined) return;
    // A replay is the log itself: a number it passes over was replaced by a finished message.
    const { order, deliver } =
      session.phase === "replaying"
        ? arriveFromLog(session.order, [event])
        : arrive(session.order, event);
    session.order = order;
    for (const one of deliver) this.#ports.onEvent(one);
    if (session.phase === "live" && hasGap(session.order)) this.#heal(event.sessionId, session);
  }

  receiveCaughtUp(sessionId: string, seq: number): void {
    const session = this.#joined.get(sessionId);
    // An answer to a join that a newer join has replaced may say less than is known by now.
    if (session?.snapshot === undefined) return;
    session.phase = "live";
    if (hasGap(session.order, seq)) this.#heal(sessionId, session);
    else this.#settle(sessionId, session);
  }

  #rejoin(sessionId: string, session: Joined): void {
    session.phase = "joining";
    this.#ports.sendJoin(sessionId, session.order.appliedSeq);
  }

  #settle(sessionId: string, session: Joined): void {
    const { waiting, snapshot } = session;
    session.waiting = undefined;
    this.#ports.onCaughtUp(sessionId, session.order.appliedSeq);
    if (snapshot !== undefined) waiting?.resolve(snapshot);
  }

  #heal(sessionId: string, session: Joined): void {
    if (session.healing) return;
    session.healing = true;
    this.#readMissing(sessionId, session)
      .catch((error: unknown) => {
        if (this.#joined.get(sessionId) !== session) return;
        const why = error instanceof Error ? error.message : String(error);
        this.#ports.abandonConnection(`Events are missing: ${why}`);
      })
      .finally(() => {
        session.healing = false;
      });
  }

  /** Reads the log until it has no more. Stops quietly if the session was left meanwhile. */
  async #readMissing(sessionId: string, session: Joined): Promise<void> {
    const { epoch } = session;
    let hasMore = true;
    while (hasMore || hasGap(session.order)) {
      const page = await this.#ports.readLog(sessionId, session.order.appliedSeq);
      if (this.#joined.get(sessionId) !== session || session.epoch !== epoch) return;
      const { order, deliver } = arriveFromLog(session.order, page.events);
      session.order = order;
      for (const one of deliver) this.#ports.onEvent(one);
      hasMore = page.hasMore;
      if (page.events.length === 0 && (hasMore || hasGap(session.order))) {
        throw new GatewayError("InternalError", "the log does not have what was announced");
      }
    }
    if (session.phase === "live") this.#settle(sessionId, session);
  }
}

function newSession(afterSeq: number, epoch: string | undefined): Joined {
  return {
    order: orderFrom(afterSeq),
    epoch,
    snapshot: undefined,
    phase: "joining",
    healing: false,
    waiting: undefined,
  };
}
