/**
 * Owns who a token stands for: one of the listed API keys, or a person an OpenID provider vouches for, as the tenant's
 * registry knows them; in dev mode somebody without any token. Failures are counted by address.
 * Refuses to own what that person may do: permissions.ts.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Clock from "effect/Clock";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schedule from "effect/Schedule";
import * as Schema from "effect/Schema";
import { AppConfig } from "../app-config.ts";
import type { StorageError } from "../db/WorkerManager.ts";
import type { Identity } from "../protocol/index.ts";
import { Refused, Unreachable } from "../upstream/upstream-http.ts";
import { FailedAttempts } from "./failed-attempts.ts";
import { tokenHash } from "./identities.ts";
import { Members } from "./Members.ts";
import { Oidc } from "./oidc.ts";
import { TokenCache } from "./token-cache.ts";

/** The token stands for nobody here. */
export class AuthFailed extends Schema.TaggedError<AuthFailed>()("AuthFailed", {}) {}
/** This address has failed too often. */
export class AuthThrottled extends Schema.TaggedError<AuthThrottled>()("AuthThrottled", {
  retryAfterMs: Schema.Int,
}) {}

export interface SignIn {
  readonly actor: Actor;
  /** Epoch ms when it runs out; null when it does not. */
  readonly expiresAt: number | null;
}

export class Authenticator extends Context.Service<
  Authenticator,
  {
    readonly authenticate: (
      token: string,
      address: string,
    ) => Effect.Effect<SignIn, AuthFailed | AuthThrottled | Unreachable | StorageError>;
    /** Who a connection is before it says anything; null outside dev mode. */
    readonly devIdentity: Actor | null;
  }
>()("diminuendo/auth/Authenticator") {
  static readonly layer = Layer.effect(
    Authenticator,
    Effect.gen(function* () {
      const { identities, devMode, devIdentity, oidc } = yield* AppConfig;
      const members = yield* Members;
      const provider = oidc === null ? null : new Oidc(oidc);
      const cache = new TokenCache();
      const attempts = new FailedAttempts();

      const vouchedFor = Effect.fnUntraced(function* (token: string, nowMs: number) {
        // Looked up by hash: the time it takes tells nothing about the keys.
        const listed = identities.get(tokenHash(token));
        if (listed !== undefined) return { actor: listed, emailVerified: true, expiresAt: null };
        const known = cache.get(token, nowMs);
        if (known !== undefined) return known;
        if (provider === null) return yield* new AuthFailed();
        const claimed = yield* Effect.tryPromise({
          try: () => provider.verify(token),
          catch: (error) =>
            error instanceof Refused
              ? error
              : new Unreachable({ service: "oidc", reason: String(error) }),
        }).pipe(
          Effect.catchTag("Refused", ({ message }) =>
            Effect.andThen(Effect.logInfo(`a token was refused: ${message}`), new AuthFailed()),
          ),
        );
        cache.put(token, claimed, nowMs);
        return claimed;
      });

      const sweep = Effect.map(Clock.currentTimeMillis, (nowMs) => cache.sweep(nowMs));
      yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced("60 seconds")));

      return Authenticator.of({
        devIdentity: devMode ? devIdentity : null,
        authenticate: Effect.fn("authenticate")(function* (token, address) {
          const nowMs = yield* Clock.currentTimeMillis;
          const retryAfterMs = attempts.waitMs(address, nowMs);
          if (retryAfterMs > 0) return yield* new AuthThrottled({ retryAfterMs });
          const admitted = vouchedFor(token, nowMs).pipe(
            Effect.flatMap(({ actor, emailVerified, expiresAt }) =>
              Effect.map(members.admit(actor, emailVerified), (known) => ({
                actor: known,
                expiresAt,
              })),
            ),
            Effect.flatMap(({ actor, expiresAt }) =>
              actor === null ? Effect.fail(new AuthFailed()) : Effect.succeed({ actor, expiresAt }),
            ),
          );
          return yield* Effect.tapErrorTag(admitted, "AuthFailed", () =>
            Effect.sync(() => attempts.failed(address, nowMs)),
          );
        }),
      });
    }),
  );
}

/** The person as the client may see them. */
export function identityOf(actor: Actor): Identity {
  return {
    userId: actor.user,
    email: actor.email ?? "",
    tenantId: actor.tenant,
    roles: actor.roles,
  };
}
