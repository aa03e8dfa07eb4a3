/**
 * Owns who a token stands for. Today: a static list of tokens, and in dev mode an identity that needs none.
 * Refuses to own what that person may do: permissions.ts.
 */
import type { Actor } from "@concert/service-kit/identity";
import * as Context from "effect/Context";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import * as Schema from "effect/Schema";
import { AppConfig } from "../app-config.ts";
import type { Identity } from "../protocol/index.ts";
import { tokenHash } from "./identities.ts";

export class AuthFailed extends Schema.TaggedError<AuthFailed>()("AuthFailed", {}) {}

export class Authenticator extends Context.Service<
  Authenticator,
  {
    readonly authenticate: (token: string) => Effect.Effect<Actor, AuthFailed>;
    /** Who a connection is before it says anything; null outside dev mode. */
    readonly devIdentity: Actor | null;
  }
>()("diminuendo/auth/Authenticator") {
  static readonly layer = Layer.effect(
    Authenticator,
    Effect.gen(function* () {
      const { identities, devMode, devIdentity } = yield* AppConfig;
      return Authenticator.of({
        // Looked up by hash: the time it takes tells nothing about the tokens.
        authenticate: (token) => {
          const actor = identities.get(tokenHash(token));
          return actor === undefined ? Effect.fail(new AuthFailed()) : Effect.succeed(actor);
        },
        devIdentity: devMode ? devIdentity : null,
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
