/**
 * Owns tenant keys as operators see them: making one (its token is told once), listing, revoking. They live in
 * the replicated state (tenant-keys.ts says how). Refuses to own: judging who calls (keys.ts).
 */
import type { KeyMade, TenantKeyInfo } from "../shared/protocol.ts";
import type { StoredEntry } from "../shared/store.ts";
import { KEYS_NAMESPACE, LIMITS } from "../shared/types.ts";
import type { SetCommand, WriteOperation } from "./command.ts";
import { type Engine, type Now, whenThere } from "./engine.ts";
import type { WriteResult } from "./fsm.ts";
import type { Access } from "./keys.ts";
import { Refusal } from "./refusal.ts";
import { digestOf, type Grant, grantOf, grantText, newTenantKey } from "./tenant-keys.ts";

export interface KeyWish extends Pick<SetCommand, "expiresAt" | "ttlMs"> {
  readonly namespace: string;
  readonly access: Access;
  readonly label: string;
}

export class KeyApi {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** What the key of this id allows now; null when there is none. */
  find(id: string): Now<Grant | null> {
    return whenThere(this.#engine.get(KEYS_NAMESPACE, id), (entry) =>
      entry === null ? null : grantOf(entry.value),
    );
  }

  list(cursor: string | null): Now<string> {
    const page = { itemsMax: LIMITS.pageItemsMax, bytesMax: LIMITS.pageBytesMax };
    return whenThere(this.#engine.list(KEYS_NAMESPACE, "", cursor, page), ({ items, more }) => {
      const infos = items.flatMap(infoOf);
      const nextCursor = more ? { nextCursor: items.at(-1)?.key } : {};
      return JSON.stringify({ items: infos, ...nextCursor });
    });
  }

  /** The token is in the answer and nowhere else. */
  async make(actor: string, wish: KeyWish): Promise<string> {
    const { namespace, access, label, expiresAt, ttlMs } = wish;
    const { id: key, token } = newTenantKey();
    const valueJson = grantText({ namespace, access, label, digest: digestOf(token) });
    const place = { namespace: KEYS_NAMESPACE, key, cas: 0 };
    const done = await this.#write(actor, { op: "set", ...place, valueJson, expiresAt, ttlMs });
    const [info] = done.op === "set" ? infoOf(done.entry) : [];
    if (info === undefined) throw new Error("a key that was made is an entry");
    return JSON.stringify({ ok: true, ...info, key: token } satisfies KeyMade);
  }

  /** In force for every write after it in the log, and for reads on each member that has applied it. */
  async revoke(actor: string, id: string): Promise<string> {
    const place = { namespace: KEYS_NAMESPACE, key: id, cas: null };
    const done = await this.#write(actor, { op: "delete", ...place });
    if (done.op === "delete" && done.deleted) return JSON.stringify({ ok: true, id });
    throw new Refusal("not_found", `There is no key ${id}.`);
  }

  async #write(actor: string, operation: WriteOperation): Promise<WriteResult> {
    const result = await this.#engine.write({ type: "write", actor, operations: [operation] });
    const [done] = result.kind === "committed" ? result.results : [];
    if (done === undefined) throw new Error(`writing an access key ended in ${result.kind}`);
    return done;
  }
}

function infoOf({ key: id, value, updatedBy, updatedAt, expiresAt }: StoredEntry) {
  const grant = grantOf(value);
  if (grant === null) return [];
  const { namespace, access, label } = grant;
  const about = { id, namespace, access, label };
  const info: TenantKeyInfo = { ...about, createdBy: updatedBy, createdAt: updatedAt, expiresAt };
  return [info];
}
