/**
 * Owns which gateway writes for a tenant, seen from this one: exactly one does, and the others ask it. A tenant is taken
 * when somebody needs it and nobody has it, and when the gateway that had it is dead. Taking is a row in Concordance,
 * then a claim in the store; the claim alone keeps a former owner from writing, so no clock decides what is safe.
 * Refuses to own: what is done with a tenant that was won or lost (fleet-life.ts puts that in as hooks).
 */
import { ConcordanceClient } from "@concert/concordance";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Deferred from "effect/Deferred";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Random from "effect/Random";
import * as Schedule from "effect/Schedule";
import type { Scope } from "effect/Scope";
import { AppConfig } from "../app-config.ts";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { Metrics } from "../observability/Metrics.ts";
import { Breakers } from "../resilience/Breakers.ts";
import { Unreachable } from "../upstream/upstream-http.ts";
import { Broadcast } from "./Broadcast.ts";
import { EMPTY_TABLE, OwnersTable, type Table } from "./owners-table.ts";

/** Several gateways that see the same death do not all reach for the same tenant at once. */
const JITTER_MS = 200;
const AT_ONCE = 4;
const TRIES_MAX = 5;
/** Whoever cannot reach an owner asks for a look; more often than this does not help. */
const LOOK_AGAIN_MS = 200;

export type Owner =
  | { readonly kind: "self" }
  | { readonly kind: "peer"; readonly gatewayId: string; readonly url: string };
type Trouble = Unreachable | StorageError;

/** How far a tenant of ours has to be: the store is ours, or everything in it is recovered as well. */
export type Until = "claimed" | "ready";

export interface Hooks {
  /** Where the others reach this gateway. */
  readonly url: string;
  /** The tenant is claimed: recover what its last owner left. Nobody is served before this is done. */
  readonly won: (tenantId: string) => Effect.Effect<void>;
  /** Another gateway has it now. */
  readonly lost: (tenantId: string) => Effect.Effect<void>;
  /** It went from one other gateway to another. */
  readonly moved: (tenantId: string) => Effect.Effect<void>;
}

export interface OwnersShape {
  readonly gatewayId: string;
  /** Who writes for the tenant; takes it if nobody does, and waits `until` it is there. */
  readonly ownerOf: (tenantId: string, until: Until) => Effect.Effect<Owner, Trouble>;
  /** What we write for the tenant under; 0 when it is not ours. */
  readonly claimOf: (tenantId: string) => number;
  /** Somebody did not answer, or was not the owner: see what the table says now. */
  readonly look: Effect.Effect<void>;
  /** The store refused what we wrote under `claim`: whoever has the row by now claims anew. */
  readonly refused: (tenantId: string, claim: number) => Effect.Effect<void>;
  /** Announces this gateway, keeps the table up to date, and takes what the dead have left. */
  readonly begin: (hooks: Hooks) => Effect.Effect<void, never, Scope>;
  /** Leaves everything at once, so that others need not wait for the time to live. */
  readonly withdraw: Effect.Effect<void>;
}

export class Owners extends Context.Service<Owners, OwnersShape>()("diminuendo/fleet/Owners") {
  /** Takes the store as it is on this machine: claims are made where the tenant's data lies. */
  static readonly layer = (
    gatewayId: string,
  ): Layer.Layer<Owners, never, WorkerManager | AppConfig | Breakers | Metrics | Broadcast> =>
    Layer.effect(
      Owners,
      Effect.gen(function* () {
        const { concordance, fleet } = yield* AppConfig;
        const metrics = yield* Metrics;
        const client = new ConcordanceClient({ url: concordance.url, apiKey: concordance.key });
        const owners = new Ownership({
          gatewayId,
          leaseMs: fleet?.leaseMs ?? 0,
          rows: new OwnersTable(client, fleet?.channel ?? "", gatewayId),
          workers: yield* WorkerManager,
          broadcast: yield* Broadcast,
          breakers: yield* Breakers,
          metrics,
          scope: yield* Effect.scope,
        });
        yield* metrics.gauge("diminuendo_tenants_owned", () => owners.count);
        return Owners.of(owners);
      }),
    );
}

interface Needs {
  readonly gatewayId: string;
  readonly leaseMs: number;
  readonly rows: OwnersTable;
  readonly workers: WorkerManager["Service"];
  readonly broadcast: Broadcast["Service"];
  readonly breakers: Breakers["Service"];
  readonly metrics: Metrics["Service"];
  readonly scope: Scope;
}

interface Mine {
  /** Of the row in the table. */
  readonly version: number;
  /** 0 until the store has it. */
  claim: number;
  readonly claimed: Deferred.Deferred<void, Trouble>;
  readonly ready: Deferred.Deferred<void, Trouble>;
}

class Ownership implements OwnersShape {
  readonly gatewayId: string;
  readonly #needs: Needs;
  readonly #mine = new Map<string, Mine>();
  readonly #taking = new Map<string, Effect.Effect<Owner | null, Unreachable>>();
  #table: Table = EMPTY_TABLE;
  #hooks: Hooks | null = null;
  #lookedAtMs = 0;
  #leaving = false;

  constructor(needs: Needs) {
    this.#needs = needs;
    this.gatewayId = needs.gatewayId;
  }

  get count(): number {
    return this.#mine.size;
  }

  readonly claimOf = (tenantId: string): number => this.#mine.get(tenantId)?.claim ?? 0;

  ownerOf = Effect.fnUntraced(function* (
    this: Ownership,
    tenantId: string,
    until: Until,
  ): Effect.fn.Return<Owner, Trouble> {
    for (;;) {
      const own = this.#mine.get(tenantId);
      if (own !== undefined) {
        yield* Deferred.await(own[until]);
        if (this.#mine.get(tenantId) === own) return { kind: "self" };
      }
      const other = this.#peerOf(tenantId) ?? (yield* this.#takeOnce(tenantId));
      if (other !== null) return other;
    }
  });

  begin = Effect.fnUntraced(function* (this: Ownership, hooks: Hooks) {
    this.#hooks = hooks;
    const round = this.#round(hooks.url);
    const every = Schedule.spaced(Math.round(this.#needs.leaseMs / 4));
    yield* round;
    yield* Effect.forkScoped(Effect.repeat(round, every));
    // Beside the rounds: recovering may take longer than the time to live.
    yield* Effect.forkScoped(Effect.repeat(this.#takeOrphans, every));
    const fork = Effect.runForkWith(yield* Effect.context<never>());
    this.#needs.broadcast.hear((hint) => {
      if (hint.kind === "owners_changed") fork(this.look);
    });
  });

  readonly look: Effect.Effect<void> = Effect.suspend(() => this.#lookUnlessJustDone()).pipe(
    Effect.catch(({ reason }) => Effect.logDebug(`no look at the owners: ${reason}`)),
  );

  /**
   * A gateway that slept between its row and its claim has claimed after us, though the row is ours. What we hold in
   * memory was read under the old claim, so it goes, as if the tenant were lost, before it is taken anew.
   */
  readonly refused = (tenantId: string, claim: number): Effect.Effect<void> =>
    Effect.gen({ self: this }, function* () {
      if (this.#mine.get(tenantId)?.claim !== claim) return;
      yield* this.#lose(tenantId);
      yield* this.#read();
      if (this.#table.tenants.get(tenantId)?.gatewayId !== this.gatewayId) return;
      yield* this.ownerOf(tenantId, "claimed");
    }).pipe(Effect.catch((error) => notTaken(tenantId, error)));

  readonly withdraw: Effect.Effect<void> = Effect.suspend(() => {
    this.#leaving = true;
    const gone = this.#ask((rows) => rows.withdraw()).pipe(
      Effect.catch(({ reason }) =>
        Effect.logWarning(`others take our tenants only when our lease is over: ${reason}`),
      ),
    );
    return Effect.map(gone, () => this.#needs.broadcast.publish({ kind: "owners_changed" }));
  });

  #ask<A>(request: (rows: OwnersTable) => Promise<A>): Effect.Effect<A, Unreachable> {
    const { breakers, rows } = this.#needs;
    const asked = Effect.tryPromise({ try: () => request(rows), catch: unreachable });
    return breakers.guard("concordance", asked);
  }

  #peerOf(tenantId: string): Owner | null {
    const row = this.#table.tenants.get(tenantId);
    const url = row === undefined ? undefined : this.#table.alive.get(row.gatewayId);
    if (row === undefined || url === undefined || row.gatewayId === this.gatewayId) return null;
    return { kind: "peer", gatewayId: row.gatewayId, url };
  }

  /** Those who ask at once take once. */
  #takeOnce = Effect.fnUntraced(function* (this: Ownership, tenantId: string) {
    const under = this.#taking.get(tenantId);
    if (under !== undefined) return yield* under;
    const done = Effect.sync(() => void this.#taking.delete(tenantId));
    const once = yield* Effect.cached(Effect.ensuring(this.#take(tenantId), done));
    this.#taking.set(tenantId, once);
    return yield* Effect.uninterruptible(once);
  });

  /** Whoever has it by now, or null: it is ours, and being brought up. */
  #take = Effect.fnUntraced(function* (
    this: Ownership,
    tenantId: string,
  ): Effect.fn.Return<Owner | null, Unreachable> {
    for (let tries = 0; tries < TRIES_MAX && !this.#leaving; tries += 1) {
      yield* this.#read();
      const peer = this.#peerOf(tenantId);
      if (peer !== null) return peer;
      const known = this.#table.tenants.get(tenantId)?.version ?? 0;
      const version = yield* this.#ask((rows) => rows.take(tenantId, known));
      if (version === null) continue;
      const claimed = yield* Deferred.make<void, Trouble>();
      const ready = yield* Deferred.make<void, Trouble>();
      const one: Mine = { version, claim: 0, claimed, ready };
      this.#mine.set(tenantId, one);
      yield* Effect.forkIn(this.#bring(tenantId, one), this.#needs.scope);
      return null;
    }
    const reason = this.#leaving ? "this gateway is going away" : "its owner changes too often";
    return yield* new Unreachable({ service: "gateways", reason: `${tenantId}: ${reason}` });
  });

  /** Claims the tenant whose row is ours, and brings it up; who waits for it waits for one of the two. */
  #bring(tenantId: string, one: Mine): Effect.Effect<void> {
    return this.#claim(tenantId, one).pipe(
      Effect.onExit((exit) => Deferred.done(one.claimed, exit)),
      Effect.andThen(Effect.suspend(() => this.#hooks?.won(tenantId) ?? Effect.void)),
      Effect.onError(() => Effect.sync(() => this.#mine.delete(tenantId))),
      Effect.onExit((exit) => Deferred.done(one.ready, exit)),
      Effect.catchCause((cause) => Effect.logError(`tenant ${tenantId} cannot be taken`, cause)),
    );
  }

  #claim = Effect.fnUntraced(function* (this: Ownership, tenantId: string, one: Mine) {
    const { workers, broadcast, metrics, gatewayId } = this.#needs;
    const nowMs = yield* Clock.currentTimeMillis;
    one.claim = yield* workers.write({ kind: "claim_tenant", tenantId, gatewayId, nowMs });
    broadcast.publish({ kind: "owners_changed" });
    yield* metrics.count("diminuendo_tenants_taken_total");
    yield* Effect.logInfo(`tenant ${tenantId} is ours, claim ${one.claim}`);
  });

  #lose = Effect.fnUntraced(function* (this: Ownership, tenantId: string) {
    this.#mine.delete(tenantId);
    if (this.#hooks !== null) yield* this.#hooks.lost(tenantId);
  });

  #round(url: string): Effect.Effect<void> {
    const { leaseMs } = this.#needs;
    return Effect.gen({ self: this }, function* () {
      if (!this.#leaving) yield* this.#ask((rows) => rows.announce(url, leaseMs));
      yield* this.#read();
    }).pipe(
      Effect.catch(({ reason }) => Effect.logWarning(`the table of owners is away: ${reason}`)),
    );
  }

  #lookUnlessJustDone = Effect.fnUntraced(function* (this: Ownership) {
    const nowMs = yield* Clock.currentTimeMillis;
    if (nowMs - this.#lookedAtMs < LOOK_AGAIN_MS) return;
    this.#lookedAtMs = nowMs;
    yield* this.#read();
  });

  /** What the table says, and what follows from it for tenants that were ours or somebody else's. */
  #read = Effect.fnUntraced(function* (this: Ownership) {
    const before = this.#table;
    this.#table = yield* this.#ask((rows) => rows.read());
    for (const [tenantId, { version }] of [...this.#mine]) {
      const row = this.#table.tenants.get(tenantId);
      // A row older than ours was read before we wrote it.
      if (row === undefined || row.gatewayId === this.gatewayId || row.version < version) continue;
      yield* Effect.logWarning(`tenant ${tenantId} is another gateway's now`);
      yield* this.#lose(tenantId);
    }
    for (const [tenantId, { gatewayId }] of this.#table.tenants) {
      const was = before.tenants.get(tenantId)?.gatewayId;
      if (was === undefined || was === gatewayId) continue;
      const isOthers = gatewayId !== this.gatewayId && was !== this.gatewayId;
      if (isOthers && this.#hooks !== null) yield* this.#hooks.moved(tenantId);
    }
  });

  readonly #takeOrphans: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    const { alive, tenants } = this.#table;
    const orphans = [...tenants].filter(
      ([tenantId, row]) => !alive.has(row.gatewayId) && !this.#mine.has(tenantId),
    );
    if (orphans.length === 0 || this.#leaving) return;
    yield* Effect.sleep(Math.round((yield* Random.next) * JITTER_MS));
    yield* Effect.forEach(
      orphans,
      ([tenantId]) =>
        Effect.catch(this.ownerOf(tenantId, "ready"), (error) => notTaken(tenantId, error)),
      { concurrency: AT_ONCE, discard: true },
    );
  });
}

/** Whoever needs the tenant next tries again. */
export const notTaken = (tenantId: string, error: Trouble): Effect.Effect<void> =>
  Effect.logWarning(`tenant ${tenantId} was not taken: ${error.reason}`);

const unreachable = (error: unknown) =>
  new Unreachable({ service: "concordance", reason: String(error) });
