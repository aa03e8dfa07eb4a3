/**
 * Owns who may do what. Two bearer keys reach everything: one writes, one reads. Keys of tenants reach one
 * namespace. All are compared in constant time; without one of them nothing is served.
 */
import { timingSafeEqual } from "node:crypto";
import { covers, KEYS_NAMESPACE, rootOf, SYSTEM_ROOT } from "../shared/types.ts";
import { type Now, whenThere } from "./engine.ts";
import { Refusal } from "./refusal.ts";
import { claimedIdOf, type Grant, isTokenOf } from "./tenant-keys.ts";

export type Access = "read_write" | "read_only";

/** Who asks: what its key allows, and for the key of a tenant, where. */
export interface Caller {
  readonly access: Access;
  /** Null for the two keys that reach everything. */
  readonly scope: { readonly keyId: string; readonly namespace: string } | null;
}

const DIGEST_BYTES = 32;
const OPERATOR: Caller = { access: "read_write", scope: null };
const AGENT: Caller = { access: "read_only", scope: null };

export class Keys {
  readonly #apiKey: Uint8Array;
  readonly #agentKey: Uint8Array;
  readonly #find: (id: string) => Now<Grant | null>;

  /** `find` answers what a tenant key allows now, or null when there is none of that id. */
  constructor(apiKey: string, agentKey: string, find: (id: string) => Now<Grant | null>) {
    this.#apiKey = digest(apiKey);
    this.#agentKey = digest(agentKey);
    this.#find = find;
  }

  /** Who sent this `Authorization` header, or null. At once, but for keys of tenants. */
  callerOf(header: string | null): Now<Caller | null> {
    const token = /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
    if (token === undefined) return null;
    const given = digest(token);
    const isApi = timingSafeEqual(given, this.#apiKey);
    const isAgent = timingSafeEqual(given, this.#agentKey);
    if (isApi) return OPERATOR;
    return isAgent ? AGENT : this.#tenantOf(token);
  }

  /** Whether the key a caller came with is still good; tenant keys may be revoked meanwhile. */
  isGood({ scope }: Caller): Now<boolean> {
    return scope === null || whenThere(this.#find(scope.keyId), (grant) => grant !== null);
  }

  #tenantOf(token: string): Now<Caller | null> {
    const keyId = claimedIdOf(token);
    if (keyId === null) return null;
    return whenThere(this.#find(keyId), (grant) => {
      if (grant === null || !isTokenOf(token, grant)) return null;
      const { access, namespace } = grant;
      return { access, scope: { keyId, namespace } };
    });
  }
}

/** Throws `read_only` unless the caller may write at all. */
export function mayWrite({ access }: Caller): void {
  if (access === "read_write") return;
  throw new Refusal("read_only", "This key may only read; writing needs the API key.");
}

/** Throws unless the caller may run the cluster: the API key alone. */
export function mayAdminister(caller: Caller): void {
  mayWrite(caller);
  mayReachAll(caller);
}

/** Throws `out_of_scope` for the key of a tenant. */
export function mayReachAll({ scope }: Caller): void {
  if (scope !== null) throw outOfScope(scope.namespace);
}

/** Throws `out_of_scope` unless the caller's key reaches `namespace`. */
export function mayReach({ scope }: Caller, namespace: string): void {
  if (scope === null || covers(scope.namespace, namespace)) return;
  throw outOfScope(scope.namespace);
}

/** Throws unless the caller's key reaches a namespace, and it is one that is read this way. */
export function mayRead(caller: Caller, namespace: string): void {
  mayReach(caller, namespace);
  if (!covers(KEYS_NAMESPACE, namespace)) return;
  throw new Refusal("invalid_request", "Access keys are listed by GET /api/v1/keys.");
}

/** Throws unless the caller's key reaches a namespace, and it is not one that the service keeps itself. */
export function mayChange(caller: Caller, namespace: string): void {
  mayReach(caller, namespace);
  const kept = covers(SYSTEM_ROOT, namespace) || covers(`${rootOf(namespace)}/audit`, namespace);
  if (!kept) return;
  throw new Refusal("read_only", `${namespace} is kept by Concordance itself, and only read.`);
}

function outOfScope(namespace: string): Refusal {
  return new Refusal("out_of_scope", `This key reaches ${namespace} and what lies beneath it.`);
}

/** Equal lengths, so that the comparison tells nothing about the key's. */
function digest(key: string): Uint8Array {
  const made = new Uint8Array(DIGEST_BYTES);
  Bun.SHA256.hash(key, made);
  return made;
}
