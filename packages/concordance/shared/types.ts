/**
 * Owns what a configuration entry, a change and a write are, their limits, and which namespace a client's
 * scope means. Pure. Refuses to own: transport (protocol.ts) and tables (schema.ts).
 */

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

export const LIMITS = {
  namespaceBytesMax: 512,
  keyBytesMax: 512,
  actorBytesMax: 256,
  requestIdBytesMax: 128,
  /** Of the value as JSON text. */
  valueBytesMax: 1_048_576,
  requestBytesMax: 2 * 1_048_576,
  batchOperationsMax: 128,
  pageItemsMax: 1_000,
  pageItemsDefault: 1_000,
  pageBytesMax: 4 * 1_048_576,
  /** Of a request that waits for changes. */
  waitMsMax: 30_000,
  /** Of the entries that a subscription begins with. */
  initialItemsMax: 10_000,
  ttlMsMax: 10 * 365 * 86_400_000,
} as const;

/** One key as readers see it. `version` counts the changes of this key; `revision` is the cluster's. */
export interface KvEntry {
  readonly namespace: string;
  readonly key: string;
  readonly value: Json;
  readonly version: number;
  readonly updatedBy: string;
  /** Epoch milliseconds, from the log. */
  readonly updatedAt: number;
  /** Epoch milliseconds, or null for a key that stays. */
  readonly expiresAt: number | null;
  readonly revision: number;
}

/** One change as watchers see it. Changes of one atomic write share a `revision`; `seq` has no holes. */
export interface ChangeEvent {
  readonly namespace: string;
  readonly key: string;
  readonly op: "set" | "delete";
  /** Null after a delete. */
  readonly value: Json;
  /** Of the key after this change; a delete counts as one. */
  readonly version: number;
  readonly actor: string;
  readonly updatedBy: string;
  readonly updatedAt: number;
  readonly revision: number;
  readonly seq: number;
  /** The value is a credential that this member cannot decrypt; `value` is null then. */
  readonly unavailable?: true;
}

/** `cas`: the version the key must have now; 0 = it must not exist. */
export interface SetOperation {
  readonly op: "set";
  readonly namespace: string;
  readonly key: string;
  readonly value: Json;
  readonly cas?: number;
  readonly expiresAt?: number | null;
  readonly ttlMs?: number;
}
export interface DeleteOperation {
  readonly op: "delete";
  readonly namespace: string;
  readonly key: string;
  readonly cas?: number;
}
export type Operation = SetOperation | DeleteOperation;

/** What happened to one operation of a batch; deleting a key that is not there is `deleted: false`. */
export type OperationResult =
  | ({ readonly op: "set" } & KvEntry)
  | {
      readonly op: "delete";
      readonly namespace: string;
      readonly key: string;
      readonly deleted: boolean;
      /** Of the delete itself; 0 when there was nothing to delete. */
      readonly version: number;
    };

/** What a tenant may hold; a write that adds beyond it is refused, deletes never are. */
export interface Quota {
  readonly keysMax: number;
  /** Of names and values together, in UTF-8. */
  readonly bytesMax: number;
}

/** Everything outside of tenants belongs to the cluster itself. */
export const SYSTEM_ROOT = "system";
/** Entries here are access keys; only the routes for keys touch them. */
export const KEYS_NAMESPACE = `${SYSTEM_ROOT}/keys`;

/** The tenant a namespace belongs to, as `tenant:{id}`, or `system`. */
export function rootOf(namespace: string): string {
  if (!namespace.startsWith("tenant:")) return SYSTEM_ROOT;
  const slash = namespace.indexOf("/");
  return slash === -1 ? namespace : namespace.slice(0, slash);
}

/** Whose change history a namespace is (`tenant:{id}/audit`), or null when it is none. */
export function auditRootOf(namespace: string): string | null {
  const root = rootOf(namespace);
  return namespace === `${root}/audit` ? root : null;
}

/** Whether values of a namespace are kept encrypted: `tenant:{id}/credentials` and all beneath. */
export function isCredentials(namespace: string): boolean {
  return CREDENTIALS.test(namespace);
}
const CREDENTIALS = /^tenant:[^/]+\/credentials(\/|$)/;

/** The last change of an expired key names this actor. */
export const EXPIRY_ACTOR = "system:expiry";

export type ConfigScope =
  | { readonly scope: "user" }
  | { readonly scope: "tenant" }
  | { readonly scope: "session"; readonly sessionId: string }
  | { readonly scope: "project"; readonly projectId: string }
  | { readonly scope: "device"; readonly deviceId: string };

/**
 * The namespace a scope means for one authenticated person. Throws `RangeError` when an id could reach
 * out of its place (empty, or holding a slash): tenants never mix.
 */
export function resolveScope(
  scope: ConfigScope,
  identity: { readonly tenantId: string; readonly userId: string },
): string {
  const tenant = `tenant:${segment(identity.tenantId)}`;
  switch (scope.scope) {
    case "user":
      return `${tenant}/user:${segment(identity.userId)}/preferences`;
    case "tenant":
      return `${tenant}/settings`;
    case "session":
      return `${tenant}/sessions/${segment(scope.sessionId)}`;
    case "project":
      return `${tenant}/projects/${segment(scope.projectId)}`;
    case "device":
      return `${tenant}/user:${segment(identity.userId)}/devices/${segment(scope.deviceId)}`;
  }
}

/** Whether `namespace` is `root` or lies beneath it; `tenant:a` does not cover `tenant:ab`. */
export function covers(root: string, namespace: string): boolean {
  return namespace === root || namespace.startsWith(`${root}/`);
}

function segment(id: string): string {
  if (id === "" || id === "." || id === ".." || /[/\p{Cc}]/u.test(id)) {
    throw new RangeError("an id inside a namespace must be non-empty and hold no slash");
  }
  return id;
}
