/** Owns whose automations this gateway looks after: every tenant's where it is alone, its own in a fleet. */
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";

/** Whether this gateway is the tenant's owner; in a fleet, asking makes it that where nobody is. */
export const IsOurs = Context.Reference<(tenantId: string) => Effect.Effect<boolean>>(
  "diminuendo/automations/IsOurs",
  { defaultValue: () => () => Effect.succeed(true) },
);
