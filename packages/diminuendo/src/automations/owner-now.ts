/**
 * Owns with which identity a run acts: its owner as saved, with the role that the tenant's registry gives them today.
 * Groups and permissions are as the owner's sign-in had them when they saved the automation. Pure.
 */
import type { Actor } from "@concert/service-kit/identity";
import { withRole } from "../auth/Members.ts";
import type { Standing } from "../db/stored-registry.ts";

/** Null for somebody who was removed. A stranger has no role here any more; the one person of dev mode is none. */
export function ownerNow(
  owner: Actor,
  standing: Standing,
  devIdentity: Actor | null,
): Actor | null {
  if (standing.kind === "removed") return null;
  if (standing.kind === "member") return withRole(owner, standing.member.role);
  return devIdentity?.user === owner.user && devIdentity.tenant === owner.tenant
    ? owner
    : withRole(owner, null);
}
