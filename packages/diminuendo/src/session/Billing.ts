/**
 * Owns credits as turns use them: put aside before the turn may exist, closed once it is over. The reservation lies in
 * the tenant's registry and the turn in its session; what a crash leaves between the two is settled at the next start,
 * from what the session says became of the turn (D6).
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig } from "../app-config.ts";
import type {
  Balance,
  HeldReservation,
  LedgerLine,
  SetSpendingLimit,
  Spending,
} from "../db/stored-billing.ts";
import { type StorageError, WorkerManager } from "../db/WorkerManager.ts";
import { closingOf } from "../domain/ledger.ts";
import { type Price, priceOf } from "../domain/prices.ts";
import { type Refusal, refuse } from "../security/Refusal.ts";
import type { LiveSession } from "./LiveSession.ts";

export interface Account {
  readonly balance: Balance;
  readonly entries: readonly LedgerLine[];
}

export class Billing extends Context.Service<
  Billing,
  {
    /** The price that the turn is asked for under. Fails `InsufficientCredits` before anything has happened. */
    readonly reserve: (
      session: LiveSession,
      turnId: string,
      userId: string,
    ) => Effect.Effect<Price, Refusal | StorageError>;
    /** The turn did not come to be after all. */
    readonly release: (tenantId: string, turnId: string) => Effect.Effect<void, StorageError>;
    /** Closes what a dead process left open, but for turns that are known to be alive. */
    readonly releaseDead: (
      left: readonly HeldReservation[],
      isAlive: (held: HeldReservation) => boolean,
    ) => Effect.Effect<void, StorageError>;
    readonly account: (
      tenantId: string,
      page: { readonly beforePlace: number | null; readonly limit: number },
    ) => Effect.Effect<Account, StorageError>;
    /** The tenant's limits, and what it and this person spent in the last day. */
    readonly spending: (actor: Actor) => Effect.Effect<Spending, StorageError>;
    readonly limit: (
      actor: Actor,
      limit: Pick<SetSpendingLimit, "of" | "who" | "microcredits">,
    ) => Effect.Effect<Spending, Refusal | StorageError>;
    /** Once per key. */
    readonly topUp: (
      tenantId: string,
      request: { readonly userId: string; readonly key: string; readonly microcredits: number },
    ) => Effect.Effect<Balance, StorageError>;
  }
>()("diminuendo/session/Billing") {
  static readonly layer = Layer.effect(
    Billing,
    Effect.gen(function* () {
      const { prices } = yield* AppConfig;
      const workers = yield* WorkerManager;
      const { grant } = prices;
      const close = Effect.fnUntraced(function* (
        tenantId: string,
        turnId: string,
        cost: number | null,
      ) {
        const nowMs = yield* Clock.currentTimeMillis;
        yield* workers.write({ kind: "close_reservation", tenantId, turnId, cost, nowMs });
      });
      const spendingOf = Effect.fnUntraced(function* ({ tenant: tenantId, user: userId }: Actor) {
        const nowMs = yield* Clock.currentTimeMillis;
        return yield* workers.read({ kind: "spending", tenantId, userId, nowMs });
      });
      return Billing.of({
        release: (tenantId, turnId) => close(tenantId, turnId, null),
        reserve: Effect.fn("Billing.reserve")(function* (session, turnId, userId) {
          const { tenantId, sessionId, agentType } = session;
          const price = priceOf(prices, agentType);
          const nowMs = yield* Clock.currentTimeMillis;
          const ask = {
            kind: "reserve",
            tenantId,
            turnId,
            sessionId,
            userId,
            grant,
            nowMs,
          } as const;
          const answer = yield* workers.write({ ...ask, microcredits: price.reserve });
          if (answer.kind === "limited") return yield* LIMITED[answer.of];
          return answer.kind === "reserved" ? price : yield* insufficient;
        }),
        releaseDead: Effect.fnUntraced(function* (left, isAlive) {
          for (const held of left) {
            if (isAlive(held)) continue;
            const { tenantId, sessionId, turnId } = held;
            const fate = yield* workers.read({ kind: "turn_fate", sessionId, turnId });
            const closing = closingOf(fate);
            if (closing !== null) yield* close(tenantId, turnId, closing.cost);
          }
        }),
        account: Effect.fnUntraced(function* (tenantId, page) {
          const balance = yield* workers.read({ kind: "balance", tenantId });
          const entries = yield* workers.read({ kind: "ledger", tenantId, ...page });
          return { balance, entries };
        }),
        spending: spendingOf,
        limit: Effect.fnUntraced(function* (actor, { of, who, microcredits }) {
          const nowMs = yield* Clock.currentTimeMillis;
          const place = { tenantId: actor.tenant, setBy: actor.user, nowMs };
          const command = { kind: "set_spending_limit", of, who, microcredits, ...place } as const;
          if (!(yield* workers.write(command))) return yield* tooManyLimits;
          return yield* spendingOf(actor);
        }),
        topUp: Effect.fnUntraced(function* (tenantId, request) {
          const nowMs = yield* Clock.currentTimeMillis;
          return yield* workers.write({ kind: "top_up", tenantId, ...request, grant, nowMs });
        }),
      });
    }),
  );
}

const LIMITED = {
  tenant: refuse(
    "InsufficientCredits",
    "The tenant has reached its spending limit for a day; wait, or ask a billing administrator.",
  ),
  user: refuse(
    "InsufficientCredits",
    "You have reached your spending limit for a day; wait, or ask a billing administrator.",
  ),
};

const tooManyLimits = refuse(
  "INVALID_MESSAGE",
  "The tenant has too many limits; lift one that is not needed any more.",
);

const insufficient = refuse(
  "InsufficientCredits",
  "The tenant has too few credits for a turn; a billing administrator can top them up.",
);
