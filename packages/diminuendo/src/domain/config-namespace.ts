/**
 * Owns which Concordance namespace a scope means for one person. Pure. Tenant and user come from the identity
 * and never from the wire, and the ids that do come from the wire hold no separator (protocol/config-rpc.ts).
 */
import type { ConfigScope } from "../protocol/index.ts";

export interface ScopeOwner {
  readonly tenant: string;
  readonly user: string;
}

export function namespaceOf(scope: ConfigScope, { tenant, user }: ScopeOwner): string {
  switch (scope.scope) {
    case "user":
      return `tenant:${tenant}/user:${user}/preferences`;
    case "tenant":
      return `tenant:${tenant}/settings`;
    case "session":
      return `tenant:${tenant}/sessions/${scope.sessionId}`;
    case "project":
      return `tenant:${tenant}/projects/${scope.projectId}`;
    case "device":
      return `tenant:${tenant}/user:${user}/devices/${scope.deviceId}`;
  }
}

/** The scope alone, without whatever else a request carries. */
export function scopeOnly(scope: ConfigScope): ConfigScope {
  switch (scope.scope) {
    case "user":
    case "tenant":
      return { scope: scope.scope };
    case "session":
      return { scope: "session", sessionId: scope.sessionId };
    case "project":
      return { scope: "project", projectId: scope.projectId };
    case "device":
      return { scope: "device", deviceId: scope.deviceId };
  }
}
