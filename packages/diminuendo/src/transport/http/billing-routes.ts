/** Owns the tenant's credits over HTTP: what there is, what became of it, and topping up. */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import * as Schema from "effect/Schema";
import { Id } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Billing } from "../../session/Billing.ts";
import type { Asked, Route } from "./routes.ts";

const ENTRIES_DEFAULT = 50;
const ENTRIES_MAX = 500;

const DAILY = {
  /** What may be spent in 24 hours, in millionths of a credit; null lifts the limit. */
  microcreditsPerDay: Schema.NullOr(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1e15 })),
  ),
};

const TopUp = Schema.Struct({
  /** Millionths of a credit. */
  microcredits: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1e15 })),
  /** E.g. the number of the payment: the same is booked once. */
  idempotencyKey: Schema.NonEmptyString.check(Schema.isMaxLength(200)),
});

const Limit = Schema.Union([
  Schema.Struct({ of: Schema.Literals(["tenant", "everybody"]), ...DAILY }),
  Schema.Struct({ of: Schema.Literal("user"), userId: Id, ...DAILY }),
]);

export const BILLING_ROUTES: readonly Route[] = [
  {
    method: "GET",
    path: "/api/billing",
    summary:
      "The tenant's balance and the newest entries of its ledger, in millionths of a credit.",
    query: ["limit", "cursor"],
    permission: "billing:read",
    answer: Effect.fnUntraced(function* (actor: Actor, { query }: Asked) {
      const limit = Number(query["limit"] ?? ENTRIES_DEFAULT);
      const beforePlace = query["cursor"] === undefined ? null : Number(query["cursor"]);
      const bad =
        !(Number.isInteger(limit) && limit >= 1 && limit <= ENTRIES_MAX) ||
        (beforePlace !== null && !Number.isSafeInteger(beforePlace));
      if (bad) return yield* refuse("INVALID_MESSAGE", `limit is 1–${ENTRIES_MAX}, cursor opaque.`);
      const { balance, entries } = yield* (yield* Billing).account(actor.tenant, {
        beforePlace,
        limit: limit + 1,
      });
      const page = entries.slice(0, limit);
      const next = entries.length > limit ? page.at(-1)?.place : undefined;
      return Response.json({
        balance,
        entries: page.map(({ place: _, ...entry }) => entry),
        nextCursor: next === undefined ? null : String(next),
      });
    }),
  },
  {
    method: "GET",
    path: "/api/billing/limits",
    summary: "What may be spent in a day, by all, by each and by whom, and what was.",
    permission: "billing:read",
    answer: Effect.fnUntraced(function* (actor: Actor) {
      return Response.json(yield* (yield* Billing).spending(actor));
    }),
  },
  {
    method: "POST",
    path: "/api/billing/limits",
    summary: "Sets or lifts one limit: of tenant, everybody or user.",
    permission: "billing:write",
    body: Limit,
    answer: Effect.fnUntraced(function* (actor: Actor, { body }: Asked) {
      const { microcreditsPerDay: microcredits, ...limit } = body as typeof Limit.Type;
      const who = limit.of === "user" ? limit.userId : "";
      const billing = yield* Billing;
      return Response.json(yield* billing.limit(actor, { of: limit.of, who, microcredits }));
    }),
  },
  {
    method: "POST",
    path: "/api/billing/top-ups",
    summary: "Adds credits, once per idempotencyKey.",
    permission: "billing:write",
    body: TopUp,
    answer: Effect.fnUntraced(function* (actor: Actor, { body }: Asked) {
      const { microcredits, idempotencyKey: key } = body as typeof TopUp.Type;
      const request = { userId: actor.user, key, microcredits };
      const balance = yield* (yield* Billing).topUp(actor.tenant, request);
      return Response.json({ balance });
    }),
  },
];
