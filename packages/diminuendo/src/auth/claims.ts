/** Owns how the claims of a token become a person of a tenant. Pure. */
import { createHash } from "node:crypto";
import type { Actor } from "@concert/service-kit/identity";
import { NAME } from "./identities.ts";

/** Which claims say what; providers differ. */
export interface ClaimNames {
  readonly tenant: string;
  readonly roles: string;
  readonly permissions: string;
}

export interface Claimed {
  readonly actor: Actor;
  readonly emailVerified: boolean;
  /** Epoch ms. */
  readonly expiresAt: number;
}

const ROLES_MAX = 100;
/** What a user is called whose subject cannot be part of a namespace; no provider's subject may look like it. */
const DERIVED = /^u_[0-9a-f]{32}$/;

/** The person, or a sentence about what the token lacks. */
export function identityIn(
  payload: Readonly<Record<string, unknown>>,
  names: ClaimNames,
): Claimed | string {
  const { [names.tenant]: tenant, sub, exp, email } = payload;
  if (typeof tenant !== "string" || !NAME.test(tenant)) {
    return `the claim ${names.tenant} names no tenant`;
  }
  if (typeof sub !== "string" || sub === "") return "the claim sub is missing";
  const actor: Actor = {
    tenant,
    user: userOf(sub),
    roles: texts(payload[names.roles]),
    permissions: texts(payload[names.permissions]),
    ...(typeof email === "string" ? { email } : {}),
  };
  const emailVerified = typeof email === "string" && payload["email_verified"] === true;
  return { actor, emailVerified, expiresAt: Number(exp) * 1_000 };
}

/** `auth0|123` holds a character that namespaces do not; such a subject is named by its digest. */
function userOf(sub: string): string {
  if (NAME.test(sub) && !DERIVED.test(sub)) return sub;
  return `u_${createHash("sha256").update(sub).digest("hex").slice(0, 32)}`;
}

/** A list of names, or names separated by spaces. */
function texts(value: unknown): readonly string[] {
  const list = typeof value === "string" ? value.split(" ") : Array.isArray(value) ? value : [];
  return list
    .filter((name): name is string => typeof name === "string" && name !== "")
    .slice(0, ROLES_MAX);
}
