/**
 * Owns the sessions as one service: finding them (session-shelf.ts) and changing them (session-log.ts). Every
 * other part of the gateway reaches a session through here, and so through its tenant.
 */
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { Metrics } from "../observability/Metrics.ts";
import type { SessionMeta } from "../protocol/index.ts";
import { type Refusal, refuse } from "../security/Refusal.ts";
import { Broadcaster } from "../transport/Broadcaster.ts";
import type { Unreachable } from "../upstream/upstream-http.ts";
import type { Gone, LiveSession } from "./LiveSession.ts";
import { Elsewhere, type SessionView } from "./SessionView.ts";
import { type Decision, type SessionGone, SessionLog } from "./session-log.ts";
import type { SessionModel, Step } from "./session-model.ts";
import { SessionShelf } from "./session-shelf.ts";
import { recovered } from "./session-steps.ts";
import { TurnNews } from "./TurnNews.ts";

/** Where a page of the list ends. */
export interface SessionPlace {
  readonly updatedAt: number;
  readonly sessionId: string;
}
export interface SessionsPage {
  readonly includeArchived: boolean;
  readonly after: SessionPlace | null;
  readonly limit: number;
}

export class Sessions extends Context.Service<
  Sessions,
  {
    /** The session if it is the tenant's, else `SessionNotFound`. One that a dead process left is recovered first. */
    readonly find: (
      tenantId: string,
      sessionId: string,
    ) => Effect.Effect<LiveSession, Refusal | StorageError>;
    /** The session for reading, also when another gateway writes it. */
    readonly view: (
      tenantId: string,
      sessionId: string,
    ) => Effect.Effect<SessionView, Refusal | StorageError | Unreachable>;
    /** Runs `decide` alone on the session; its step is committed and published before the answer. */
    readonly change: <A, E, R>(
      session: LiveSession,
      decide: (model: SessionModel) => Effect.Effect<Decision<A>, E, R>,
    ) => Effect.Effect<A, E | StorageError | SessionGone, R>;
    /** `change` for a step that needs no decision. */
    readonly take: (
      session: LiveSession,
      step: Step,
    ) => Effect.Effect<void, StorageError | SessionGone>;
    /** A change of events alone, at once and without a fiber; false if it is none, or somebody is at it. */
    readonly quickly: SessionLog["quickly"];
    /** The sessions used last first; `next` is where the following page begins, null on the last one. */
    readonly list: (
      tenantId: string,
      page: SessionsPage,
    ) => Effect.Effect<
      { readonly sessions: readonly SessionMeta[]; readonly next: SessionPlace | null },
      StorageError
    >;
    /** Makes the registry say again what the session's own database says. */
    readonly reconcile: (session: LiveSession) => Effect.Effect<void, StorageError>;
    /** Forgets a session that was deleted or left to another gateway: nobody changes it here from now on. */
    readonly forget: (session: LiveSession, gone: Gone) => void;
    readonly loaded: () => readonly LiveSession[];
    /** The session if it is in memory, whoever's it is. */
    readonly peek: (sessionId: string) => LiveSession | undefined;
    /** Lets go of sessions that nobody uses, watches or runs. */
    readonly evictUnused: Effect.Effect<void>;
  }
>()("diminuendo/session/Sessions") {
  static readonly layer = Layer.effect(
    Sessions,
    Effect.gen(function* () {
      const workers = yield* WorkerManager;
      const broadcaster = yield* Broadcaster;
      const metrics = yield* Metrics;
      const elsewhere = yield* Elsewhere;
      const shelf = new SessionShelf(workers);
      const clock = yield* Clock.Clock;
      const news = yield* TurnNews;
      const log = new SessionLog({ workers, broadcaster, metrics, news, clock });
      yield* metrics.gauge("diminuendo_sessions_loaded", () => shelf.size);
      const find = Effect.fnUntraced(function* (tenantId: string, sessionId: string) {
        const session = yield* shelf.find(tenantId, sessionId);
        if (session.isLeft) yield* recoverLeft(log, session);
        return session;
      });
      return Sessions.of({
        find,
        view: Effect.fnUntraced(function* (tenantId, sessionId) {
          const view = elsewhere === null ? null : yield* elsewhere.view(tenantId, sessionId);
          return view ?? (yield* find(tenantId, sessionId));
        }),
        change: (session, decide) => log.change(session, decide),
        quickly: (session, decide, done) => log.quickly(session, decide, done),
        take: (session, step) =>
          log.change(session, () => Effect.succeed({ answer: undefined, step })),
        list: Effect.fn("Sessions.list")(function* (tenantId, { includeArchived, after, limit }) {
          const query = { kind: "list_sessions", tenantId, includeArchived, after } as const;
          const rows = yield* workers.read({ ...query, limit: limit + 1 });
          const page = rows.slice(0, limit);
          return {
            sessions: page.map((row) => shelf.peek(row.sessionId)?.meta ?? row),
            next: rows.length > limit ? (page.at(-1) ?? null) : null,
          };
        }),
        reconcile: (session) => log.reconcile(session),
        forget: (session, gone) => {
          session.gone = gone;
          shelf.remove(session.sessionId);
        },
        loaded: () => shelf.all,
        peek: (sessionId) => shelf.peek(sessionId),
        evictUnused: Effect.map(Clock.currentTimeMillis, (nowMs) =>
          shelf.evictUnused(nowMs, broadcaster.hasAudience),
        ),
      });
    }),
  );
}

/** Once, whoever comes first: what is decided after it sees a session that goes on from a legal place. */
const recoverLeft = (log: SessionLog, session: LiveSession) =>
  log
    .change(session, () => {
      const step = session.isLeft ? { step: recovered } : {};
      session.isLeft = false;
      return Effect.succeed({ answer: undefined, ...step });
    })
    .pipe(
      Effect.tapError(() =>
        Effect.sync(() => {
          session.isLeft = true;
        }),
      ),
      Effect.catchTag("SessionGone", () =>
        refuse("SessionNotFound", `There is no session ${session.sessionId} here any more.`),
      ),
    );
