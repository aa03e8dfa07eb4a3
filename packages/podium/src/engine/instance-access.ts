/**
 * Owns who may touch an instance: the service key is checked before; an actor token, where one is
 * sent, must be of the instance's tenant. A foreign instance looks exactly like a missing one.
 */
import { ACTOR_HEADER, type Actor, ApiError, verifyActor } from "@concert/service-kit";
import type { Instance } from "../store/instances.ts";
import type { Store } from "../store/store.ts";

export const AUDIENCE = "podium";

/** The verified actor of a request, or undefined when it carries none. Throws 401 `invalid_actor`. */
export async function actorOf(headers: Headers, secret: string): Promise<Actor | undefined> {
  const token = headers.get(ACTOR_HEADER);
  return token === null ? undefined : verifyActor(token, AUDIENCE, secret);
}

/** The running instance, if `tenant` (undefined: a service acting for itself) may see it. Throws 404 `unknown_instance`. */
export function visibleInstance(
  store: Store,
  instanceId: string,
  tenant: string | undefined,
): Instance {
  const instance = ownedInstance(store, instanceId, tenant);
  if (instance.status !== "running") throw unknownInstance(instanceId);
  return instance;
}

/** Like `visibleInstance`, running or not: what an agent has left stays readable. */
export function ownedInstance(
  store: Store,
  instanceId: string,
  tenant: string | undefined,
): Instance {
  const instance = store.instances.get(instanceId);
  const foreign = tenant !== undefined && instance?.tenantId !== tenant;
  if (instance === undefined || foreign) throw unknownInstance(instanceId);
  return instance;
}

export function unknownInstance(instanceId: string): ApiError {
  const message = `There is no instance ${instanceId}; POST /api/v1/instances creates one.`;
  return new ApiError(404, "unknown_instance", message);
}
