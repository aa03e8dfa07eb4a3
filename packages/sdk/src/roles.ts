/** Owns asking the gateway's table of roles, for programs that offer only what will not be refused. The gateway decides. */
import { GRANTS as ROLE_GRANTS } from "@concert/diminuendo/permissions";
import type { Permission } from "./protocol.ts";

export { ROLE_GRANTS };

/** Whether somebody in these roles may do it; groups that are no roles of the gateway grant nothing. */
export function rolesAllow(roles: readonly string[], permission: Permission): boolean {
  const grants: Readonly<Record<string, readonly Permission[]>> = ROLE_GRANTS;
  return roles.some((role) => Object.hasOwn(grants, role) && grants[role]?.includes(permission));
}
