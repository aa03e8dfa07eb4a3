/**
 * Owns access keys that reach one namespace and what lies beneath it: how they look, what of them is kept,
 * and reading it back. They are entries of `system/keys`, so they are replicated, ordered with the writes
 * they allow (pitfall 39), expire and survive like any entry. Only a digest of the secret is ever kept.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Access } from "./keys.ts";

/** What a key allows, and how its secret is recognised. */
export interface Grant {
  readonly namespace: string;
  readonly access: Access;
  /** For people: what it is for. */
  readonly label: string;
  /** SHA-256 of the secret, in hexadecimal. */
  readonly digest: string;
}

/** Marks the stored text as none that readers of values may see; no JSON text begins like it. */
const MARK = "key1:";
const TOKEN = /^ck_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** A new key: its public id and the token, which is shown once and kept nowhere. */
export function newTenantKey(): { readonly id: string; readonly token: string } {
  const id = randomBytes(8).toString("hex");
  return { id, token: `ck_${id}_${randomBytes(32).toString("base64url")}` };
}

/** The id a token claims to be of; null for what is no token. */
export function claimedIdOf(token: string): string | null {
  return TOKEN.exec(token)?.[1] ?? null;
}

/** In constant time; the whole token counts. */
export function isTokenOf(token: string, grant: Grant): boolean {
  return timingSafeEqual(Buffer.from(digestOf(token), "hex"), Buffer.from(grant.digest, "hex"));
}

export function digestOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

export function grantText(grant: Grant): string {
  return MARK + JSON.stringify(grant);
}

/** Null when the text is no grant. */
export function grantOf(text: string): Grant | null {
  return text.startsWith(MARK) ? (JSON.parse(text.slice(MARK.length)) as Grant) : null;
}
