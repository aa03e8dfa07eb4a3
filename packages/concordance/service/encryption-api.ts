/**
 * Owns rotating the encryption key: every sealed value, in entries and in the retained history, is sealed
 * again under the active key, a bounded step at a time and conditionally, so that writers need not wait. The
 * order of work: give every member the new key as second in its ring; put it first, member by member; rotate;
 * drop the old key. Refuses to own: sealing (cipher.ts), where keys come from (key-ring.ts).
 */
import type { EncryptionStatus, RotationResult } from "../shared/protocol.ts";
import type { SealedRows } from "../shared/store.ts";
import { SYSTEM_ROOT } from "../shared/types.ts";
import type { Cipher } from "./cipher.ts";
import type { ResealCommand } from "./command.ts";
import type { Engine } from "./engine.ts";

const STEP_ROWS = 64;
const STEP_CHARS = 1_048_576;

export class EncryptionApi {
  readonly #engine: Engine;
  readonly #cipher: Cipher;

  constructor(engine: Engine, cipher: Cipher) {
    this.#engine = engine;
    this.#cipher = cipher;
  }

  async status(): Promise<string> {
    const { keyId } = this.#cipher;
    const otherwiseSealed = await this.#engine.resealing.countSealedOtherwise(keyId ?? "");
    return JSON.stringify({ keyId, otherwiseSealed } satisfies EncryptionStatus);
  }

  /** Throws `credentials_unavailable` when a value was sealed under a key that this member lacks. */
  async rotate(actor: string): Promise<string> {
    const { resealing } = this.#engine;
    const { keyId } = this.#cipher;
    if (keyId === null) throw this.#cipher.noKey();
    await this.#engine.fresh({ linearizable: true, minRevision: 0 });
    let [entries, changes] = [0, 0];
    for (;;) {
      const rows = await resealing.sealedOtherwise(keyId, STEP_ROWS);
      if (rows.entries.length + rows.changes.length === 0) break;
      const command = this.#resealed(rows);
      await resealing.reseal(command);
      entries += command.entries.length;
      changes += command.changes.length;
    }
    await this.#record(actor, keyId);
    const resealed = { entries, changes };
    return JSON.stringify({ ok: true, keyId, resealed } satisfies RotationResult);
  }

  /** As many of the rows as one command should carry; at least one. */
  #resealed({ entries, changes }: SealedRows): ResealCommand {
    let chars = 0;
    const fits = ({ value }: { readonly value: string | null }) => {
      const first = chars === 0;
      chars += value?.length ?? 0;
      return first || chars <= STEP_CHARS;
    };
    return {
      type: "reseal",
      entries: entries.filter(fits).map(({ namespace, key, version, value }) => {
        const sealed = this.#again({ namespace, key }, value);
        return { namespace, key, version, value: sealed };
      }),
      changes: changes.filter(fits).map(({ seq, namespace, key, value }) => {
        return { seq, value: this.#again({ namespace, key }, value ?? "") };
      }),
    };
  }

  #again(place: { readonly namespace: string; readonly key: string }, sealed: string): string {
    return this.#cipher.seal(place, this.#cipher.open(place, sealed)).text;
  }

  /** Who rotated, and to which key, stands in the audit history of the cluster. */
  async #record(actor: string, keyId: string): Promise<void> {
    const place = { namespace: `${SYSTEM_ROOT}/encryption`, key: "active" };
    const facts = { valueJson: JSON.stringify({ keyId }), cas: null, expiresAt: null, ttlMs: null };
    const operations = [{ op: "set" as const, ...place, ...facts }];
    await this.#engine.write({ type: "write", actor, operations });
  }
}
