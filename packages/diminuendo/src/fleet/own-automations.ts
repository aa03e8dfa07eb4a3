/** Owns that only the owner of a tenant runs its automations, and that somebody is the owner when one is due. */
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { IsOurs } from "../automations/own-tenants.ts";
import { Owners } from "./Owners.ts";

export const ownAutomations = Layer.effect(
  IsOurs,
  Effect.gen(function* () {
    const owners = yield* Owners;
    return (tenantId: string) =>
      owners.ownerOf(tenantId, "ready").pipe(
        Effect.map(({ kind }) => kind === "self"),
        // Whoever is the owner looks after them; without a table nobody can know.
        Effect.catch((error) =>
          Effect.as(
            Effect.logWarning(`automations of ${tenantId} are left to others: ${String(error)}`),
            false,
          ),
        ),
      );
  }),
);
