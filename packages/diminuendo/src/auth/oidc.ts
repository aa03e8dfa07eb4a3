/**
 * Owns whether an OpenID provider vouches for a token: RS256, the provider's published keys, issuer, audience, expiry.
 * Keys are found by discovery and fetched again when a token names one that is not known, at most once a second.
 * Source: OpenID Connect Discovery 1.0; RFC 7519; RFC 9068.
 */
import { createRemoteJWKSet, errors, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from "jose";
import { Refused, Unreachable } from "../upstream/upstream-http.ts";
import { type Claimed, type ClaimNames, identityIn } from "./claims.ts";

export interface OidcSettings {
  /** As the `iss` claim has it. */
  readonly issuer: string;
  readonly audience: string | undefined;
  readonly claims: ClaimNames;
}

const TIMEOUT_MS = 5_000;
const KEYS_COOLDOWN_MS = 1_000;
const KEYS_MAX_AGE_MS = 600_000;
const CLOCK_TOLERANCE_SECONDS = 5;

export class Oidc {
  readonly #settings: OidcSettings;
  #keys: Promise<JWTVerifyGetKey> | null = null;

  constructor(settings: OidcSettings) {
    this.#settings = settings;
  }

  /** Who the token stands for. Throws `Refused` when it stands for nobody, `Unreachable` when nobody can tell now. */
  async verify(token: string): Promise<Claimed> {
    const keys = await this.#published();
    const payload = await this.#check(token, keys)
      .catch(async (error: unknown) => {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        // The provider may have published the key since we last looked, less than a cooldown ago.
        await new Promise((resolve) => setTimeout(resolve, KEYS_COOLDOWN_MS));
        return this.#check(token, keys);
      })
      .catch((error: unknown) => Promise.reject(asFailure(error)));
    return identityOrRefused(payload, this.#settings.claims);
  }

  async #check(token: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    const { issuer, audience } = this.#settings;
    const { payload } = await jwtVerify(token, keys, {
      issuer: [issuer, `${issuer}/`],
      algorithms: ["RS256"],
      requiredClaims: ["sub", "exp"],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      ...(audience === undefined ? {} : { audience }),
    });
    return payload;
  }

  /** One discovery serves everybody; a failed one is tried again by the next who asks. */
  #published(): Promise<JWTVerifyGetKey> {
    this.#keys ??= this.#discover().catch((error: unknown) => {
      this.#keys = null;
      throw unreachable(error);
    });
    return this.#keys;
  }

  async #discover(): Promise<JWTVerifyGetKey> {
    const { issuer } = this.#settings;
    const response = await fetch(`${issuer}/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: "error",
    });
    if (!response.ok) throw new Error(`discovery answered ${response.status}`);
    const { jwks_uri: uri } = (await response.json()) as { readonly jwks_uri?: unknown };
    const address = URL.parse(String(uri));
    // The provider's word is believed as far as its own connection was: no step down from TLS.
    if (address === null || (issuer.startsWith("https:") && address.protocol !== "https:")) {
      throw new Error("discovery names no usable jwks_uri");
    }
    return createRemoteJWKSet(address, {
      timeoutDuration: TIMEOUT_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
      cacheMaxAge: KEYS_MAX_AGE_MS,
    });
  }
}

function identityOrRefused(payload: JWTPayload, names: ClaimNames): Claimed {
  const claimed = identityIn(payload, names);
  if (typeof claimed === "string") throw refused(claimed);
  return claimed;
}

/** Faults of the token; whatever else jose throws is about fetching keys. */
const TOKEN_FAULTS = [
  errors.JWTExpired,
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  errors.JWKSMultipleMatchingKeys,
];

const asFailure = (error: unknown): Refused | Unreachable =>
  TOKEN_FAULTS.some((fault) => error instanceof fault)
    ? refused(String(error))
    : unreachable(error);

const refused = (message: string) =>
  new Refused({ service: "oidc", status: 401, code: "invalid_token", message });

const unreachable = (error: unknown) => new Unreachable({ service: "oidc", reason: String(error) });
