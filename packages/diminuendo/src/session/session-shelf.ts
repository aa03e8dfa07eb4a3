/**
 * Owns which sessions are in memory: loaded on first use, each exactly once, let go of when nobody needs them.
 * Checks the tenant on every access (D3): a foreign session looks like a missing one.
 */
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import type { StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { type Refusal, refuse } from "../security/Refusal.ts";
import { newId } from "./ids.ts";
import { LiveSession } from "./LiveSession.ts";

const EVICT_AFTER_MS = 300_000;

type Loading = Effect.Effect<LiveSession, Refusal | StorageError>;

export class SessionShelf {
  readonly #workers: WorkerManager["Service"];
  readonly #live = new Map<string, LiveSession>();
  readonly #loading = new Map<string, Loading>();

  constructor(workers: WorkerManager["Service"]) {
    this.#workers = workers;
  }

  get size(): number {
    return this.#live.size;
  }

  get all(): readonly LiveSession[] {
    return [...this.#live.values()];
  }

  peek(sessionId: string): LiveSession | undefined {
    return this.#live.get(sessionId);
  }

  find = Effect.fnUntraced(function* (this: SessionShelf, tenantId: string, sessionId: string) {
    const session = this.#live.get(sessionId) ?? (yield* this.#loadOnce(tenantId, sessionId));
    if (session.tenantId !== tenantId) return yield* notFound(sessionId);
    session.lastUsedAt = yield* Clock.currentTimeMillis;
    return session;
  });

  remove(sessionId: string): void {
    this.#live.delete(sessionId);
  }

  evictUnused(nowMs: number, isWatched: (sessionId: string) => boolean): void {
    for (const session of this.all) {
      const unused = nowMs - session.lastUsedAt > EVICT_AFTER_MS;
      const quiet = session.model.status === "inactive" && session.attachment === null;
      if (unused && quiet && !isWatched(session.sessionId)) this.#live.delete(session.sessionId);
    }
  }

  /** Two who ask at once get the same session: two copies would number events twice. */
  #loadOnce = Effect.fnUntraced(function* (
    this: SessionShelf,
    tenantId: string,
    sessionId: string,
  ) {
    const place = `${tenantId}/${sessionId}`;
    const under = this.#loading.get(place);
    if (under !== undefined) return yield* under;
    const forget = Effect.sync(() => void this.#loading.delete(place));
    const once = yield* Effect.cached(Effect.ensuring(this.#load(tenantId, sessionId), forget));
    this.#loading.set(place, once);
    return yield* Effect.uninterruptible(once);
  });

  #load = Effect.fnUntraced(function* (this: SessionShelf, tenantId: string, sessionId: string) {
    const row = yield* this.#workers.read({ kind: "get_session", tenantId, sessionId });
    if (row === null) return yield* notFound(sessionId);
    const epoch = newId("epoch");
    const claim = this.#workers.claimOf(tenantId);
    const open = { kind: "open_session", ofTenant: tenantId, sessionId, epoch } as const;
    const snapshot = yield* this.#workers.write(open, claim);
    const nowMs = yield* Clock.currentTimeMillis;
    const session = new LiveSession(tenantId, row, snapshot, { nowMs, claim });
    this.#live.set(sessionId, session);
    return session;
  });
}

const notFound = (sessionId: string) =>
  refuse("SessionNotFound", `There is no session ${sessionId.slice(0, 60)} here.`);
