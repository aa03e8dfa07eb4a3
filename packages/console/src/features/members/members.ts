/** Owns what roles are called, and what somebody may do about whom. Pure; the gateway decides. */
import type { Member, Role } from "@concert/sdk";

export interface Rights {
  readonly write: boolean;
  readonly remove: boolean;
  /** May make and unmake owners. */
  readonly admin: boolean;
}

export const ROLES: readonly {
  readonly role: Role;
  readonly label: string;
  readonly may: string;
}[] = [
  { role: "owner", label: "Owner", may: "everything, also other owners and every incident" },
  { role: "admin", label: "Admin", may: "people, sessions and everybody's automations" },
  { role: "billing_admin", label: "Billing admin", may: "credits and limits, and work" },
  { role: "member", label: "Member", may: "work: sessions, turns, own automations" },
  { role: "viewer", label: "Viewer", may: "read" },
];

export function roleLabel(role: Role): string {
  return ROLES.find((one) => one.role === role)?.label ?? role;
}

/** The roles that this person may give. */
export function rolesToGive({ write, admin }: Rights): readonly Role[] {
  if (!write) return [];
  return ROLES.map((one) => one.role).filter((role) => admin || role !== "owner");
}

/** Nobody takes away what keeps them in charge here: their own role is another owner's to change. */
export function mayChangeRole(
  member: Pick<Member, "userId" | "role">,
  me: string,
  rights: Rights,
): boolean {
  return rights.write && member.userId !== me && (rights.admin || member.role !== "owner");
}

export function mayRemove(
  member: Pick<Member, "userId" | "role">,
  me: string,
  rights: Rights,
): boolean {
  return rights.remove && member.userId !== me && (rights.admin || member.role !== "owner");
}

const EMAIL = /^[^\s@]+@[^\s@]+$/;

export function emailProblem(text: string): string | null {
  return EMAIL.test(text.trim()) ? null : "This needs an e-mail address.";
}
