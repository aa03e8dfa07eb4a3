/** Owns what the person who is signed in may do, so that a page offers only what will not be refused. */
import { type Identity, type Permission, rolesAllow } from "@concert/sdk";
import { useGatewayState } from "./use-gateway.ts";

const NO_ROLES: readonly string[] = [];

export function useIdentity(): Identity | null {
  return useGatewayState(({ connection }) =>
    connection.state === "connected" ? connection.identity : null,
  );
}

/** False while nobody is connected: then nothing can be done anyway. */
export function usePermission(permission: Permission): boolean {
  const roles = useIdentity()?.roles ?? NO_ROLES;
  return rolesAllow(roles, permission);
}
