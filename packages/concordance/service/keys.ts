/** Owns who may do what: two bearer keys, compared in constant time. Without one of them nothing is served. */
import { createHash, timingSafeEqual } from "node:crypto";

export type Access = "read_write" | "read_only";

export class Keys {
  readonly #apiKey: Buffer;
  readonly #agentKey: Buffer;

  constructor(apiKey: string, agentKey: string) {
    this.#apiKey = digest(apiKey);
    this.#agentKey = digest(agentKey);
  }

  /** What the bearer of this `Authorization` header may do, or null. */
  accessOf(header: string | null): Access | null {
    const token = /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
    if (token === undefined) return null;
    const given = digest(token);
    const isApi = timingSafeEqual(given, this.#apiKey);
    const isAgent = timingSafeEqual(given, this.#agentKey);
    if (isApi) return "read_write";
    return isAgent ? "read_only" : null;
  }
}

/** Equal lengths, so that the comparison tells nothing about the key's. */
function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
