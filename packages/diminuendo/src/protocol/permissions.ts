/**
 * Owns what each role may do at the gateway, as a table: five roles, fifteen permissions. A client reads it to offer only
 * what will not be refused; the gateway decides by it (auth/permissions.ts). Browsers load this file without the schemas:
 * it imports types only.
 */
import type { Role } from "./values.ts";

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
