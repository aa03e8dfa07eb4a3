/**
 * Owns who may have runs told outside by webhook, and to which addresses. What leaves the tenant is for who has
 * automation:manage to say; others may leave it as they find it. A task of Concord's needs no such rule: there are policies.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import type { AutomationDefinition, Problem } from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { secretRefProblem } from "../core/check-outside.ts";
import { Outside } from "../Outside.ts";
import { mayManage } from "./access.ts";

type Delivering = { readonly delivery?: unknown };

/** Fails unless the webhook is none, one of `known`'s, or the person may name any. */
export const mayTellOutside = (
  actor: Actor,
  said: Delivering,
  known: readonly Delivering[],
): Effect.Effect<void, ReturnType<typeof refuse>> => {
  const webhook = webhookIn(said);
  if (webhook === undefined || mayManage(actor)) return Effect.void;
  const isKnown = known.some((one) => sameWay(webhookIn(one), webhook));
  return isKnown ? Effect.void : Effect.fail(notTheirs);
};

export const webhookProblems = Effect.fnUntraced(function* (
  { tenant }: Actor,
  said: Delivering,
  below = "",
) {
  const webhook = webhookIn(said);
  if (webhook === undefined) return [];
  const foreign = secretRefProblem(webhook.secretRef, tenant);
  // Whether somebody else's secret is set is nobody's business.
  const found =
    foreign === undefined
      ? yield* (yield* Outside).problemsWith(webhook)
      : [{ field: "secretRef", problem: foreign }];
  return found.map(
    ({ field, problem }): Problem => ({ path: `${below}delivery.webhook.${field}`, problem }),
  );
});

type Webhook = NonNullable<AutomationDefinition["delivery"]["webhook"]>;

/** Of what has been checked. */
const webhookIn = ({ delivery }: Delivering): Webhook | undefined =>
  (delivery as Partial<AutomationDefinition["delivery"]> | undefined)?.webhook;

const sameWay = (one: Webhook | undefined, other: Webhook): boolean =>
  one?.url === other.url && one.secretRef === other.secretRef;

const notTheirs = refuse(
  "PermissionDenied",
  "Only somebody with the permission automation:manage may name a webhook; a blueprint may bring one.",
);
