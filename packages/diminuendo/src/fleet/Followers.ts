/**
 * Owns the sessions of other gateways that are read here: makes a follower for each, brings it what its owner publishes,
 * and reads the log through the owner wherever that does not follow on. Refuses to own: what follows on (Follower.ts).
 */
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Semaphore from "effect/Semaphore";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { Metrics } from "../observability/Metrics.ts";
import { Elsewhere } from "../session/SessionView.ts";
import { Broadcaster } from "../transport/Broadcaster.ts";
import { Follower, type FollowerNeeds } from "./Follower.ts";
import type { Hint } from "./hints.ts";
import { Peers } from "./Peers.ts";
import type { PeerView } from "./peer-wire.ts";

const PAGE = { from: "oldest", limit: 500, bytesMax: 262_144 } as const;
/** A follower that nobody reads is kept a little: who joins next needs no description. */
const UNUSED_MS = 60_000;
const AT_ONCE = 4;

export interface FollowersShape {
  /** What Sessions asks for who only reads. */
  readonly view: Elsewhere["view"];
  readonly hear: (hint: Hint) => void;
  /** Sessions of the tenant that somebody reads here. */
  readonly read: (tenantId: string) => readonly string[];
  readonly tenants: () => ReadonlySet<string>;
  /** Where the owner says the logs end that it was asked about; a session that it does not name is no more. */
  readonly compare: (
    tenantId: string,
    sessionIds: readonly string[],
    heads: Readonly<Record<string, number>>,
  ) => Effect.Effect<void>;
  /** Hints may be missing: reads the log of every session that is read here, or of the tenant's. */
  readonly doubt: (tenantId?: string) => Effect.Effect<void>;
  /** The tenant is ours now, and its logs lie still: tells our readers what they have not heard. */
  readonly settle: (tenantId: string) => Effect.Effect<void, StorageError>;
  readonly sweep: Effect.Effect<void>;
  /** Where sessions that became ours say how far they are. */
  readonly ownSeqFrom: (ownSeq: FollowerNeeds["ownSeq"]) => void;
}

export class Followers extends Context.Service<Followers, FollowersShape>()(
  "diminuendo/fleet/Followers",
) {
  static readonly layer = Layer.effect(
    Followers,
    Effect.gen(function* () {
      const fork = Effect.runForkWith(yield* Effect.context<never>());
      const followed = new Followed({
        peers: yield* Peers,
        workers: yield* WorkerManager,
        broadcaster: yield* Broadcaster,
        metrics: yield* Metrics,
        fork: (work) => void fork(work),
      });
      return Followers.of(followed);
    }),
  );
}

/** The fleet's answer to who reads a session that is not written here. */
export const elsewhere = Layer.effect(
  Elsewhere,
  Effect.map(Followers, (followers) => ({
    view: (tenantId, sessionId) => followers.view(tenantId, sessionId),
  })),
);

interface Needs {
  readonly peers: Peers["Service"];
  readonly workers: WorkerManager["Service"];
  readonly broadcaster: Broadcaster["Service"];
  readonly metrics: Metrics["Service"];
  readonly fork: (work: Effect.Effect<void>) => void;
}

interface Known {
  readonly one: Follower;
  /** Its log is read by one at a time. */
  readonly lock: Semaphore.Semaphore;
}

class Followed implements FollowersShape {
  readonly #needs: Needs;
  readonly #followers = new Map<string, Known>();
  #ownSeq: FollowerNeeds["ownSeq"] = () => undefined;

  constructor(needs: Needs) {
    this.#needs = needs;
  }

  view = Effect.fn("Followers.view")(function* (
    this: Followed,
    tenantId: string,
    sessionId: string,
  ) {
    const { peers } = this.#needs;
    // Known from before the question: what is published meanwhile is noticed.
    const known = this.#known(tenantId, sessionId, yield* Clock.currentTimeMillis);
    const request = { kind: "view", sessionId } as const;
    const asked = yield* peers
      .ask(peers.ourselves(tenantId), request, true)
      .pipe(Effect.tapError(() => this.#forgetUnlessDescribed(known)));
    if (asked.kind === "self") {
      yield* this.#forgetUnlessDescribed(known);
      return null;
    }
    if (known.one.described(asked.value as PeerView)) yield* this.#heal(known);
    return known.one;
  });

  readonly hear = (hint: Hint): void => {
    if (hint.kind === "session_ended") this.#end(hint.sessionId);
    if (hint.kind !== "session_events" && hint.kind !== "session_moved") return;
    const known = this.#followers.get(hint.sessionId);
    if (known === undefined) return;
    const { one } = known;
    const lost =
      hint.kind === "session_events" ? one.hear(hint.events) : one.isBehind(hint.lastSeq);
    if (lost) this.#needs.fork(this.#healQuietly(known));
  };

  readonly read = (tenantId: string): readonly string[] =>
    this.#of(tenantId)
      .map(({ one }) => one.sessionId)
      .filter(this.#needs.broadcaster.hasAudience);

  readonly tenants = (): ReadonlySet<string> => new Set(this.#of().map(({ one }) => one.tenantId));

  compare = Effect.fnUntraced(function* (
    this: Followed,
    tenantId: string,
    sessionIds: readonly string[],
    heads: Readonly<Record<string, number>>,
  ) {
    for (const sessionId of sessionIds) {
      const known = this.#followers.get(sessionId);
      if (known?.one.tenantId !== tenantId) continue;
      const head = heads[sessionId];
      if (head === undefined) this.#end(sessionId);
      else if (known.one.isBehind(head)) yield* this.#healQuietly(known);
    }
  });

  readonly doubt = (tenantId?: string): Effect.Effect<void> =>
    Effect.suspend(() =>
      Effect.forEach(this.#of(tenantId), (known) => this.#healQuietly(known), {
        concurrency: AT_ONCE,
        discard: true,
      }),
    );

  settle = Effect.fnUntraced(function* (this: Followed, tenantId: string) {
    for (const known of this.#of(tenantId)) {
      yield* this.#heal(known);
      this.#followers.delete(known.one.sessionId);
    }
  });

  readonly sweep: Effect.Effect<void> = Effect.map(Clock.currentTimeMillis, (nowMs) => {
    const { hasAudience } = this.#needs.broadcaster;
    for (const { one } of [...this.#followers.values()]) {
      const unused = nowMs - one.usedAtMs > UNUSED_MS;
      if (unused && !hasAudience(one.sessionId)) this.#followers.delete(one.sessionId);
    }
  });

  readonly ownSeqFrom = (from: FollowerNeeds["ownSeq"]): void => {
    this.#ownSeq = from;
  };

  #of(tenantId?: string): readonly Known[] {
    return [...this.#followers.values()].filter(
      ({ one }) => one.isKnown && (tenantId === undefined || one.tenantId === tenantId),
    );
  }

  #known(tenantId: string, sessionId: string, nowMs: number): Known {
    const found = this.#followers.get(sessionId);
    // Of another tenant it is none of ours; the owner is about to say so.
    if (found !== undefined && found.one.tenantId === tenantId) {
      found.one.usedAtMs = nowMs;
      return found;
    }
    const one = new Follower(tenantId, sessionId, nowMs, {
      deliver: this.#needs.broadcaster.deliver,
      ownSeq: (id) => this.#ownSeq(id),
    });
    const known = { one, lock: Semaphore.makeUnsafe(1) };
    if (found === undefined) this.#followers.set(sessionId, known);
    return known;
  }

  #forgetUnlessDescribed({ one }: Known): Effect.Effect<void> {
    return Effect.sync(() => {
      const held = this.#followers.get(one.sessionId);
      if (held?.one === one && !one.isKnown) this.#followers.delete(one.sessionId);
    });
  }

  #heal({ one, lock }: Known): Effect.Effect<void, StorageError> {
    const reading = Effect.tapError(this.#readOn(one), () => Effect.sync(() => one.gaveUp()));
    return lock.withPermits(1)(reading);
  }

  /** A log that cannot be read now is looked at again with the next hint, or the next comparison. */
  #healQuietly(known: Known): Effect.Effect<void> {
    return this.#heal(known).pipe(
      Effect.catch(({ reason }) =>
        Effect.logWarning(`the log of ${known.one.sessionId} could not be read: ${reason}`),
      ),
    );
  }

  /** Reads the log from where our readers are to its end. */
  #readOn = Effect.fnUntraced(function* (this: Followed, one: Follower) {
    const { workers, metrics } = this.#needs;
    const { tenantId, sessionId } = one;
    const throughSeq = Number.MAX_SAFE_INTEGER;
    one.beginReading();
    do {
      for (;;) {
        const place = { tenantId, sessionId, afterSeq: one.toldSeq, throughSeq };
        const { events } = yield* workers.read({ kind: "events", ...place, ...PAGE });
        if (events.length === 0) break;
        one.read(events);
      }
    } while (one.endReading());
    yield* metrics.count("diminuendo_gaps_healed_total");
  });

  #end(sessionId: string): void {
    this.#followers.delete(sessionId);
    this.#needs.broadcaster.endHere(sessionId);
  }
}
