/**
 * Owns how one service tells another who is asking (design §6): a service key proves the caller is ours,
 * a signed short-lived token names the person. A bare header is never believed.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { errors, jwtVerify, SignJWT } from "jose";
import { ApiError } from "./errors.ts";

/** The person (or schedule) on whose behalf a request is made. */
export interface Actor {
  readonly tenant: string;
  readonly user: string;
  readonly email?: string;
  /** Roles and groups, e.g. `owner`, `finance_approvers`. */
  readonly roles: readonly string[];
  /** What the person may do outside Concert, e.g. `book_travel`. */
  readonly permissions: readonly string[];
}

/** The header that carries the token beside `Authorization: Bearer <service key>`. */
export const ACTOR_HEADER = "concert-actor";

const ISSUER = "concert";
const TTL_SECONDS = 60;
const SECRET_LENGTH_MIN = 16;

/** Signs `actor` for one hop to `audience` (`concord`, `podium`, `ensemble`). HS256, valid 60 s. */
export async function signActor(actor: Actor, audience: string, secret: string): Promise<string> {
  const { tenant, user, email, roles, permissions } = actor;
  return new SignJWT({ tenant, roles, permissions, ...(email === undefined ? {} : { email }) })
    .setProtectedHeader({ alg: "HS256" })
    .setIssuer(ISSUER)
    .setAudience(audience)
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(`${TTL_SECONDS}s`)
    .sign(keyOf(secret));
}

/** The actor in `token`. Throws `ApiError` 401 `invalid_actor` when it is missing, forged or expired. */
export async function verifyActor(
  token: string | null | undefined,
  audience: string,
  secret: string,
): Promise<Actor> {
  if (token === null || token === undefined || token === "") {
    throw new ApiError(401, "invalid_actor", `The ${ACTOR_HEADER} header is missing.`);
  }
  try {
    const { payload } = await jwtVerify(token, keyOf(secret), {
      issuer: ISSUER,
      audience,
      algorithms: ["HS256"],
      requiredClaims: ["sub", "exp", "tenant", "roles", "permissions"],
    });
    return {
      tenant: String(payload["tenant"]),
      user: String(payload.sub),
      roles: strings(payload["roles"]),
      permissions: strings(payload["permissions"]),
      ...(typeof payload["email"] === "string" ? { email: payload["email"] } : {}),
    };
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    throw new ApiError(
      401,
      "invalid_actor",
      "The actor token is forged or expired; sign a new one.",
    );
  }
}

/** Compares two keys in constant time, whatever their lengths. */
export function sameKey(given: string, expected: string): boolean {
  const digest = (value: string) => createHash("sha256").update(value).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** The token of `Authorization: Bearer …`, or undefined. */
export function bearer(header: string | null | undefined): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(header ?? "")?.[1];
}

function keyOf(secret: string): Uint8Array {
  if (secret.length < SECRET_LENGTH_MIN) {
    throw new Error(`the internal secret needs at least ${SECRET_LENGTH_MIN} characters`);
  }
  return new TextEncoder().encode(secret);
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
