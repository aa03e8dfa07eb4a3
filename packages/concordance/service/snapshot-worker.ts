/**
 * Owns copying a state away from the event loop, on a connection of its own: one consistent, defragmented
 * file, and its checksum. Told what to copy in one message, answers in one, and is ended by its owner.
 */
import { Database } from "bun:sqlite";

declare const self: Worker;

export interface CopyOrder {
  readonly statePath: string;
  readonly copyPath: string;
}
export type CopyAnswer =
  | {
      readonly ok: true;
      readonly appliedIndex: number;
      readonly timeMs: number;
      readonly revision: number;
      readonly sha256: string;
      readonly bytes: number;
    }
  | { readonly ok: false; readonly why: string };

type Position = Pick<Extract<CopyAnswer, { ok: true }>, "appliedIndex" | "timeMs" | "revision">;

async function copy({ statePath, copyPath }: CopyOrder): Promise<CopyAnswer> {
  const source = new Database(statePath, { readonly: true, strict: true });
  source.query("VACUUM INTO ?").run(copyPath);
  source.close();
  const made = new Database(copyPath, { readonly: true, strict: true });
  const sql = "SELECT applied_index AS appliedIndex, time_ms AS timeMs, revision FROM applied";
  const row = made.query<Position, []>(sql).get();
  made.close();
  if (row === null) return { ok: false, why: "the copy has no bookmark" };
  const hasher = new Bun.CryptoHasher("sha256");
  const file = Bun.file(copyPath);
  for await (const chunk of file.stream()) hasher.update(chunk);
  return { ok: true, ...row, sha256: hasher.digest("hex"), bytes: file.size };
}

self.onmessage = async ({ data }: MessageEvent<CopyOrder>) => {
  try {
    self.postMessage(await copy(data));
  } catch (error) {
    self.postMessage({ ok: false, why: String(error) } satisfies CopyAnswer);
  }
};
