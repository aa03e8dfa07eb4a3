/**
 * Owns rotating keys over a Valkey or Redis server: what is sealed otherwise, found page by page, and what takes its
 * place. Refuses to own: the scripts (reseal-scripts.ts), the rotation itself (encryption-api.ts).
 */
import type { SealedRows, StoredChange, StoredEntry } from "../../shared/store.ts";
import type { ResealCommand } from "../command.ts";
import type { Resealing } from "../engine.ts";
import { changeOf, entryOf, nameOf, pairsOf, placeOf } from "./records.ts";
import { RESEAL, SEALED_CHANGES, SEALED_ENTRIES } from "./reseal-scripts.ts";

/** Runs one script; throws a `Refusal` when the server is lost. */
export type Run = (script: string, args: readonly string[]) => Promise<unknown>;

export class UnisonResealing implements Resealing {
  readonly #run: Run;
  /** Where the changes that were found last lie: a rotation names them by `seq`. */
  readonly #ids = new Map<number, string>();

  constructor(run: Run) {
    this.#run = run;
  }

  async sealedOtherwise(keyId: string, rowsMax: number): Promise<SealedRows> {
    const entries: StoredEntry[] = [];
    const changes: StoredChange[] = [];
    for await (const [name, row] of this.#sealed(SEALED_ENTRIES, keyId)) {
      if (entries.length >= rowsMax) break;
      entries.push(entryOf(placeOf(name), row));
    }
    this.#ids.clear();
    for await (const [id, record] of this.#sealed(SEALED_CHANGES, keyId)) {
      if (entries.length + changes.length >= rowsMax) break;
      const { isLast: _, ...change } = changeOf(id, record);
      this.#ids.set(change.seq, id);
      changes.push(change);
    }
    return { entries, changes };
  }

  async countSealedOtherwise(keyId: string) {
    let [entries, changes] = [0, 0];
    for await (const _ of this.#sealed(SEALED_ENTRIES, keyId)) entries += 1;
    for await (const _ of this.#sealed(SEALED_CHANGES, keyId)) changes += 1;
    return { entries, changes };
  }

  /** Takes what `sealedOtherwise` found last, sealed again. */
  async reseal({ entries, changes }: ResealCommand): Promise<void> {
    const rows = entries.flatMap((one) => [nameOf(one), String(one.version), one.value]);
    const texts = changes.flatMap(({ seq, value }) => {
      const id = this.#ids.get(seq);
      return id === undefined ? [] : [id, value];
    });
    await this.#run(RESEAL, [String(entries.length), ...rows, ...texts]);
  }

  async *#sealed(script: string, keyId: string): AsyncGenerator<readonly [string, string]> {
    let after = "";
    do {
      const answer = await this.#run(script, [`enc1:${keyId}:`, after]);
      const [last, found] = answer as [string, string[]];
      yield* pairsOf(found);
      after = last;
    } while (after !== "");
  }
}
