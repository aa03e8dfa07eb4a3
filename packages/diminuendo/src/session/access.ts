/** Owns the check that stands before every use of a session: the person's role, then the tenant's ownership. */
import type { Actor } from "@concert/service-kit/identity";
import * as Effect from "effect/Effect";
import { mayDo, type Permission } from "../auth/permissions.ts";
import { refuse } from "../security/Refusal.ts";
import { Sessions } from "./Sessions.ts";

export const requirePermission = (actor: Actor, permission: Permission) =>
  mayDo(actor, permission)
    ? Effect.void
    : Effect.fail(refuse("PermissionDenied", `This needs the permission ${permission}.`));

/** The session, if the person's role allows `permission` and the session is of the person's tenant. */
export const sessionFor = Effect.fnUntraced(function* (
  actor: Actor,
  permission: Permission,
  sessionId: string,
) {
  yield* requirePermission(actor, permission);
  return yield* (yield* Sessions).find(actor.tenant, sessionId);
});

/** `sessionFor` for reading only: the session may be another gateway's to write. */
export const viewFor = Effect.fnUntraced(function* (
  actor: Actor,
  permission: Permission,
  sessionId: string,
) {
  yield* requirePermission(actor, permission);
  return yield* (yield* Sessions).view(actor.tenant, sessionId);
});
