/**
 * Owns the one way a session changes: decide under its lock, commit, then advance and publish within one turn
 * of the event loop. What a client sees is therefore always stored (D1, D2).
 *
 * Order between the two databases: a session is marked active in its registry before its own database says
 * so, and inactive after. Whatever a crash cuts, the registry names every session that needs recovery.
 */
import type * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import type { Commit, Row } from "../db/stored-session.ts";
import type { StorageError, WorkerManager } from "../db/WorkerManager.ts";
import type { Metrics } from "../observability/Metrics.ts";
import type { SessionStatus } from "../protocol/index.ts";
import type { Broadcaster } from "../transport/Broadcaster.ts";
import type { Gone, LiveSession, Mark } from "./LiveSession.ts";
import { type Numbered, numbered } from "./numbering.ts";
import { type Change, type SessionModel, type Step, waitingFor } from "./session-model.ts";
import type { TurnNews } from "./TurnNews.ts";

/** The session was deleted, or went to another gateway, while somebody still held on to it. */
export class SessionGone extends Schema.TaggedError<SessionGone>()("SessionGone", {
  reason: Schema.String,
  gone: Schema.Literals(["deleted", "moved"]),
}) {}

/** What a decision answers, and the step it takes if it changes anything. */
export interface Decision<A> {
  readonly answer: A;
  readonly step?: Step;
}

export interface LogNeeds {
  readonly workers: WorkerManager["Service"];
  readonly broadcaster: Broadcaster["Service"];
  readonly metrics: Metrics["Service"];
  readonly news: TurnNews["Service"];
  readonly clock: Clock.Clock;
}

export class SessionLog {
  readonly #needs: LogNeeds;

  constructor(needs: LogNeeds) {
    this.#needs = needs;
  }

  change<A, E, R>(
    session: LiveSession,
    decide: (model: SessionModel) => Effect.Effect<Decision<A>, E, R>,
  ): Effect.Effect<A, E | StorageError | SessionGone, R> {
    const alone = Effect.suspend(
      (): Effect.Effect<Decision<A>, E | SessionGone, R> =>
        session.gone === null ? decide(session.model) : Effect.fail(goneOf(session, session.gone)),
    ).pipe(
      Effect.flatMap(({ answer, step }) => {
        const change = step?.(session.model);
        if (change === undefined || !hasEffect(change, session.model))
          return Effect.succeed(answer);
        return Effect.as(this.#commitWhole(session, change), answer);
      }),
    );
    return session.lock.alone(alone);
  }

  /**
   * `change` without a fiber, for a change that is events alone, and only while nobody else is changing the session.
   * False: nothing has happened and nothing will. True: `done` is called once it is stored and published, or failed.
   */
  quickly(
    session: LiveSession,
    decide: (model: SessionModel) => Change | null,
    done: (error: StorageError | null) => void,
  ): boolean {
    if (session.gone !== null || !session.lock.tryTake()) return false;
    const change = decide(session.model);
    if (change === null || !isTellingAlone(change, session.model)) {
      session.lock.release();
      return false;
    }
    const { workers, broadcaster, metrics, clock } = this.#needs;
    const nowMs = clock.currentTimeMillisUnsafe();
    const written = writtenOf(session, change, nowMs);
    workers.commit(written.commit, session.claim, (error) => {
      if (error === null) {
        advance(session, change, written, nowMs);
        broadcaster.toSession(session.sessionId, written.commit.events);
        metrics.add("diminuendo_events_committed_total", written.commit.events.length);
      } else {
        metrics.add("diminuendo_storage_failures_total", 1);
      }
      session.lock.release();
      done(error);
    });
    return true;
  }

  /** Makes the registry say what the session's own database says. */
  mark(session: LiveSession, status: SessionStatus, updatedAt = session.updatedAt) {
    const { tenantId, sessionId, lastSeq } = session;
    const mark: Mark = { status, waitingFor: waitingFor(session.model), lastSeq, updatedAt };
    return Effect.map(
      this.#needs.workers.write({ kind: "update_session", tenantId, sessionId, ...mark }),
      () => {
        session.marked = mark;
      },
    );
  }

  /** `mark`, if the registry says anything else. */
  reconcile(session: LiveSession): Effect.Effect<void, StorageError> {
    return Effect.suspend(() => {
      const { marked, lastSeq, updatedAt } = session;
      const { status } = session.model;
      const same =
        marked.lastSeq === lastSeq &&
        marked.updatedAt === updatedAt &&
        marked.status === status &&
        marked.waitingFor === waitingFor(session.model);
      return same ? Effect.void : this.mark(session, status);
    });
  }

  /** Never cut between the disk and memory: the next event would get a number that is taken. */
  #commitWhole(session: LiveSession, change: Change): Effect.Effect<void, StorageError> {
    return Effect.uninterruptible(this.#commit(session, change)).pipe(
      Effect.tapError(() => this.#needs.metrics.count("diminuendo_storage_failures_total")),
    );
  }

  #commit = Effect.fnUntraced(function* (this: SessionLog, session: LiveSession, change: Change) {
    const { workers, broadcaster, metrics, clock } = this.#needs;
    const { rows } = change;
    const { status } = change.model;
    const nowMs = clock.currentTimeMillisUnsafe();
    const before = session.model.status;
    const updatedAt = isUse(change) ? nowMs : session.updatedAt;
    const waitedFor = waitingFor(session.model);
    if (before === "inactive" && status !== before) yield* this.mark(session, status, updatedAt);
    const written = writtenOf(session, change, nowMs);
    const { events } = written.commit;
    yield* workers.write(written.commit, session.claim);
    advance(session, change, written, nowMs);
    broadcaster.toSession(session.sessionId, events);
    yield* metrics.count("diminuendo_events_committed_total", events.length);
    if (status !== before || waitingFor(session.model) !== waitedFor)
      yield* this.#tellTenant(session);
    if (status !== before || rows.some(isTurnNews))
      this.#needs.news.tell(session.tenantId, session.sessionId);
    for (const row of rows) {
      if (row.kind === "turn_accounted") yield* this.#closeReservation(session, row, nowMs);
    }
  });

  /** The session says that the turn is over; should this fail, the next start closes it from there (D6). */
  #closeReservation(
    { tenantId }: LiveSession,
    { turnId, cost }: Extract<Row, { readonly kind: "turn_accounted" }>,
    nowMs: number,
  ): Effect.Effect<void> {
    return this.#needs.workers
      .write({ kind: "close_reservation", tenantId, turnId, cost, nowMs })
      .pipe(
        Effect.asVoid,
        Effect.catch((error) => Effect.logError(`reservation ${turnId} stays open`, error)),
      );
  }

  #tellTenant(session: LiveSession): Effect.Effect<void> {
    const told = { type: "session_updated" as const, session: session.meta };
    this.#needs.broadcaster.toTenant(session.tenantId, told);
    return this.mark(session, session.model.status).pipe(
      Effect.catch((error) => Effect.logWarning(`registry is behind: ${error.reason}`)),
    );
  }
}

interface Written extends Pick<Numbered, "deltas"> {
  readonly commit: Commit;
}

function writtenOf(session: LiveSession, { model, drafts, rows }: Change, nowMs: number): Written {
  const { sessionId, tenantId: ofTenant } = session;
  const { status, podiumEventId } = model;
  const { events, deltas, compacted } = numbered(drafts, session, nowMs);
  const place = { kind: "commit", ofTenant, sessionId, nowMs } as const;
  return { commit: { ...place, events, compacted, rows, status, podiumEventId }, deltas };
}

/** What is stored is what is so, from here on. */
function advance(
  session: LiveSession,
  change: Change,
  { commit, deltas }: Written,
  nowMs: number,
): void {
  session.model = change.model;
  session.lastSeq += commit.events.length;
  session.deltas = deltas;
  if (isUse(change)) session.updatedAt = nowMs;
}

/** Nothing but events: no row, no change of state, and so nobody else to be told. */
const isTellingAlone = ({ model, drafts, rows }: Change, before: SessionModel): boolean =>
  rows.length === 0 && drafts.length > 0 && model.status === before.status;

const goneOf = ({ sessionId }: LiveSession, gone: Gone) =>
  new SessionGone({ reason: `session ${sessionId} is ${gone}`, gone });
const isTurnNews = ({ kind }: Row): boolean => kind === "turn_closed" || kind === "turn_accounted";

/** Somebody did something. That the gateway let go of an agent, or came back after a crash, is nobody's doing. */
const isUse = ({ drafts, rows }: Change): boolean =>
  rows.length > 0 || drafts.some(({ type }) => type !== "session_state");

const hasEffect = ({ model, drafts, rows }: Change, before: SessionModel): boolean =>
  model !== before || drafts.length > 0 || rows.length > 0;
