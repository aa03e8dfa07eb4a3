/**
 * Owns who is asking over HTTP: the service key with a signed actor token, or an operator key bound to one
 * identity. Default deny. Refuses to own: what they may do, which policy decides.
 */
import {
  ACTOR_HEADER,
  ApiError,
  bearer,
  config,
  type ServiceEnv,
  sameKey,
  verifyActor,
} from "@concert/service-kit";
import type { MiddlewareHandler } from "hono";
import type { Principal } from "../core/command.ts";

export interface OperatorKey {
  readonly key: string;
  readonly principal: Principal;
}

export interface AuthOptions {
  readonly serviceKey: string;
  readonly internalSecret: string;
  readonly operatorKeys: readonly OperatorKey[];
}

/** `principal` is set where a person asks; a service alone (no actor) has none. */
export interface ApiEnv extends ServiceEnv {
  Variables: ServiceEnv["Variables"] & {
    principal: Principal | undefined;
    /** Asked with the service key, whoever it is for. */
    isService: boolean;
  };
}

const AUDIENCE = "concord";

/** Sets `principal`, undefined for the service key alone. 401 `unauthorized`, 401 `invalid_actor`. */
export function identify(options: AuthOptions): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const given = bearer(context.req.header("authorization"));
    const operator = options.operatorKeys.find(
      ({ key }) => given !== undefined && sameKey(given, key),
    );
    context.set("isService", operator === undefined);
    if (operator !== undefined) {
      context.set("principal", operator.principal);
    } else if (given !== undefined && sameKey(given, options.serviceKey)) {
      const token = context.req.header(ACTOR_HEADER);
      const actor =
        token === undefined
          ? undefined
          : await verifyActor(token, AUDIENCE, options.internalSecret);
      context.set("principal", actor);
    } else {
      throw new ApiError(401, "unauthorized", "Send a valid key as Authorization: Bearer <key>.");
    }
    await next();
  };
}

/** The person asking. Throws 401 `invalid_actor` when only a service is. */
export function person(principal: Principal | undefined): Principal {
  if (principal !== undefined) return principal;
  throw new ApiError(401, "invalid_actor", `This route needs a person: send ${ACTOR_HEADER}.`);
}

const NAME = /^[^\s:|,=]{1,128}$/;

/** `key=tenant:user:role|role:permission|permission`. Throws `SettingError` saying what is accepted. */
export function parseOperatorKey(text: string): OperatorKey {
  const [key = "", identity = ""] = text.split("=", 2);
  const [tenant = "", user = "", roles = "", permissions = "", ...rest] = identity.split(":");
  const names = [key, tenant, user, ...list(roles), ...list(permissions)];
  if (rest.length > 0 || !names.every((name) => NAME.test(name))) {
    throw new config.SettingError(
      "needs key=tenant:user:role|role:permission|permission, by commas",
    );
  }
  return { key, principal: { tenant, user, roles: list(roles), permissions: list(permissions) } };
}

function list(text: string): readonly string[] {
  return text.split("|").filter((one) => one !== "");
}
