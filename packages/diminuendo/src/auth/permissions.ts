/**
 * Owns whether a person may do something at the gateway (the table is in protocol/permissions.ts). Pure, default deny: a
 * role that is not in the table (a group such as `finance_approvers`) grants nothing here, whatever it means to Concord.
 */
import type { Actor } from "@concert/service-kit/identity";
import { GRANTS, type Permission, ROLES, type Role } from "../protocol/index.ts";

export type { Permission };

export function mayDo(actor: Actor, permission: Permission): boolean {
  return actor.roles.some((role) => isRole(role) && GRANTS[role].includes(permission));
}

export const isRole = (name: string): name is Role => (ROLES as readonly string[]).includes(name);

/** Whether Concord will take this person's wish to stop what `requestedBy` asked for: it takes an owner's and theirs. */
export function mayStop(actor: Actor, requestedBy: string): boolean {
  return actor.user === requestedBy || actor.roles.includes("owner");
}
