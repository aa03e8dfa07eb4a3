/**
 * Owns what roles may do at the gateway. Pure, default deny: a role that is not in this table (a group such
 * as `finance_approvers`) grants nothing here, whatever it means to Concord.
 */
import type { Actor } from "@concert/service-kit/identity";

export type Permission =
  | "session:create"
  | "session:read"
  | "session:write"
  | "config:read"
  | "config:write"
  | "tenant:admin";

const USE: readonly Permission[] = [
  "session:create",
  "session:read",
  "session:write",
  "config:read",
  "config:write",
];
const GRANTS: Readonly<Record<string, readonly Permission[]>> = {
  owner: [...USE, "tenant:admin"],
  admin: USE,
  billing_admin: USE,
  member: USE,
  viewer: ["session:read", "config:read"],
};

export function mayDo(actor: Actor, permission: Permission): boolean {
  return actor.roles.some(
    (role) => Object.hasOwn(GRANTS, role) && GRANTS[role]?.includes(permission),
  );
}

/** Whether Concord will take this person's wish to stop what `requestedBy` asked for: it takes an owner's and theirs. */
export function mayStop(actor: Actor, requestedBy: string): boolean {
  return actor.user === requestedBy || actor.roles.includes("owner");
}
