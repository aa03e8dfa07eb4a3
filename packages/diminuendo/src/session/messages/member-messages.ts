/**
 * Owns `manage_members`: who belongs to the tenant, in which role. A change takes effect at once, on connections that
 * are open too: they get the new role, and who was removed is disconnected.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Effect from "effect/Effect";
import { Members, withRole } from "../../auth/Members.ts";
import type { Permission } from "../../auth/permissions.ts";
import type { MemberChange, MemberChanged } from "../../db/stored-registry.ts";
import {
  CLOSE_CODES,
  type ClientMessageOf,
  type MemberAction,
  type Role,
  type ServerMessage,
} from "../../protocol/index.ts";
import { refuse } from "../../security/Refusal.ts";
import { Broadcaster } from "../../transport/Broadcaster.ts";
import type { Connection } from "../../transport/Connection.ts";
import { SocketServer } from "../../transport/SocketServer.ts";
import { requirePermission } from "../access.ts";
import { recallAnswer, rememberedAs } from "../remembering.ts";

const INVITATION_MS = 7 * 24 * 60 * 60 * 1_000;

const NEEDS: Readonly<Record<MemberAction["action"], Permission>> = {
  list: "member:read",
  set_role: "member:write",
  invite: "member:write",
  revoke_invitation: "member:write",
  remove: "member:delete",
};

export const manageMembers = Effect.fn("manageMembers")(function* (
  actor: Actor,
  message: ClientMessageOf<"manage_members">,
) {
  const { change } = message;
  yield* requirePermission(actor, NEEDS[change.action]);
  if ("role" in change && change.role === "owner") yield* requirePermission(actor, "tenant:admin");
  if (change.action !== "list") {
    const first = yield* recallAnswer(actor, null, message);
    if (first === null) yield* perform(actor, message, yield* asChange(actor, change));
  }
  const people = yield* (yield* Members).people(actor.tenant);
  const answer: ServerMessage = { type: "members", ...people };
  return answer;
});

const asChange = Effect.fnUntraced(function* (
  { user }: Actor,
  change: Exclude<MemberAction, { action: "list" }>,
) {
  const nowMs = yield* Clock.currentTimeMillis;
  switch (change.action) {
    case "set_role":
      return { change: "set_role", userId: change.userId, role: change.role } as const;
    case "remove":
      return { change: "remove", userId: change.userId } as const;
    case "revoke_invitation":
      return { change: "revoke_invitation", email: change.email.toLowerCase() } as const;
    case "invite": {
      const email = change.email.toLowerCase();
      const expiresAt = nowMs + INVITATION_MS;
      const invitation = { email, role: change.role, invitedBy: user, expiresAt };
      return { change: "invite", invitation } as const;
    }
  }
});

const perform = Effect.fnUntraced(function* (
  actor: Actor,
  message: ClientMessageOf<"manage_members">,
  change: MemberChange,
) {
  const members = yield* Members;
  // The list is read anew when the request is repeated: what is kept is only that it was done.
  const remembered = rememberedAs(actor, message, {
    type: "members",
    members: [],
    invitations: [],
  });
  const changed = yield* members.change(actor.tenant, change, remembered);
  if (changed.kind === "unknown") return yield* unknown;
  if (changed.kind === "last_owner") return yield* lastOwner;
  if (change.change === "set_role" || change.change === "remove") {
    yield* takeEffect(actor.tenant, change.userId, changed);
  }
});

const takeEffect = Effect.fnUntraced(function* (
  tenantId: string,
  userId: string,
  changed: MemberChanged,
) {
  const role = changed.kind === "done" ? changed.role : null;
  applyRole((yield* SocketServer).connections, { tenantId, userId, role });
  (yield* Broadcaster).tellRole(tenantId, userId, role);
});

/** Open connections of the person go on in the new role; without one they end. */
export function applyRole(
  connections: Iterable<Connection>,
  { tenantId, userId, role }: RoleOf,
): void {
  for (const connection of [...connections]) {
    const { actor } = connection;
    if (actor?.tenant !== tenantId || actor.user !== userId) continue;
    if (role === null) connection.close(CLOSE_CODES.forbidden, "no member of this tenant any more");
    else connection.becomes(withRole(actor, role));
  }
}

interface RoleOf {
  readonly tenantId: string;
  readonly userId: string;
  readonly role: Role | null;
}

const unknown = refuse("MemberNotFound", "The tenant has no such member or invitation.");
const lastOwner = refuse("LastOwner", "A tenant needs an owner; make somebody else one first.");
