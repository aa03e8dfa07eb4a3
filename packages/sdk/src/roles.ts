/**
 * Owns what each role may do at the gateway, for programs that offer only what will not be refused. The gateway's own
 * table decides; a test keeps the two the same, since importing it would bring the gateway's schemas along.
 */
import type { Permission, Role } from "./protocol.ts";

const ALL = [
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

const USE = [
  "session:create",
  "session:read",
  "session:write",
  "session:archive",
  "session:steer",
  "automation:read",
  "automation:write",
] as const;

export const ROLE_GRANTS: Readonly<Record<Role, readonly Permission[]>> = {
  owner: ALL,
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

/** Whether somebody in these roles may do it; groups that are no roles of the gateway grant nothing. */
export function rolesAllow(roles: readonly string[], permission: Permission): boolean {
  const grants: Readonly<Record<string, readonly Permission[]>> = ROLE_GRANTS;
  return roles.some((role) => Object.hasOwn(grants, role) && grants[role]?.includes(permission));
}
