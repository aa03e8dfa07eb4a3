/**
 * Owns how identities are written in settings: `tenant:user:email:role|role:permission|permission`, and a
 * list of tokens as `token=<identity>`. Tokens are kept only as SHA-256, so that a heap dump shows none.
 */
import { SettingError } from "@concert/service-kit/config";
import type { Actor } from "@concert/service-kit/identity";

/** Tenants become directory names and parts of topics, users parts of namespaces: no separators. */
export const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
const EMAIL = /^[^\s:@]+@[^\s:@]+$/;
const TOKEN_LENGTH_MIN = 8;
const SHAPE = "tenant:user:email:role|role:permission|permission";

/** One identity. Throws `SettingError` saying which part is wrong. */
export function parseIdentity(text: string): Actor {
  const [tenant, user, email, roles, permissions, ...rest] = text.split(":");
  if (tenant === undefined || !NAME.test(tenant)) throw wrong("the tenant", text);
  if (user === undefined || !NAME.test(user)) throw wrong("the user", text);
  if (email === undefined || !EMAIL.test(email)) throw wrong("the email", text);
  if (rest.length > 0) throw wrong("the number of parts", text);
  return { tenant, user, email, roles: names(roles), permissions: names(permissions) };
}

/** Tokens and whom they stand for, by SHA-256 of the token. Throws `SettingError`. */
export function parseTokens(items: readonly string[]): ReadonlyMap<string, Actor> {
  const identities = new Map<string, Actor>();
  for (const item of items) {
    const split = item.indexOf("=");
    const token = item.slice(0, Math.max(split, 0));
    if (token.length < TOKEN_LENGTH_MIN) {
      throw new SettingError(
        `needs <token>=${SHAPE}, the token at least ${TOKEN_LENGTH_MIN} characters long`,
      );
    }
    identities.set(tokenHash(token), parseIdentity(item.slice(split + 1)));
  }
  return identities;
}

export function tokenHash(token: string): string {
  return new Bun.CryptoHasher("sha256").update(token).digest("hex");
}

function names(text: string | undefined): readonly string[] {
  return (text ?? "").split("|").filter((name) => name !== "");
}

function wrong(part: string, text: string): SettingError {
  return new SettingError(`has ${part} wrong in "${text}"; the shape is ${SHAPE}`);
}
