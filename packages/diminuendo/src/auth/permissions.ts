/**
 * Owns what roles may do at the gateway: five roles, fifteen permissions. Pure, default deny: a role that is not in
 * this table (a group such as `finance_approvers`) grants nothing here, whatever it means to Concord.
 */
import type { Actor } from "@concert/service-kit/identity";
import { ROLES, type Role } from "../protocol/index.ts";

export const PERMISSIONS = [
  "session:create",
  "session:read",
  "session:write",
  "session:delete",
  "session:archive",
  "session:steer",
  "member:read",
  "member:write",
  "member:delete",
  "billing:read",
  "billing:write",
  "tenant:admin",
  "automation:read",
  "automation:write",
  "automation:manage",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

const USE = [
  "session:create",
  "session:read",
  "session:write",
  "session:archive",
  "session:steer",
  "automation:read",
  "automation:write",
] as const;

export const GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  owner: PERMISSIONS,
  admin: [
    ...USE,
    "session:delete",
    "member:read",
    "member:write",
    "billing:read",
    "automation:manage",
  ],
  billing_admin: [...USE, "billing:read", "billing:write"],
  member: USE,
  viewer: ["session:read", "automation:read"],
};

export function mayDo(actor: Actor, permission: Permission): boolean {
  return actor.roles.some((role) => isRole(role) && GRANTS[role].includes(permission));
}

export const isRole = (name: string): name is Role => (ROLES as readonly string[]).includes(name);

/** Whether Concord will take this person's wish to stop what `requestedBy` asked for: it takes an owner's and theirs. */
export function mayStop(actor: Actor, requestedBy: string): boolean {
  return actor.user === requestedBy || actor.roles.includes("owner");
}
