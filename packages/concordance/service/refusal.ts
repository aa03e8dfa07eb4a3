/** Owns how a request is turned down: a code, a sentence, and facts for programs. Both interfaces render it. */
import type { RefusalCode } from "../shared/protocol.ts";

export class Refusal extends Error {
  readonly code: RefusalCode;
  /** Facts a program may act on; never a value or a key of ours. */
  readonly details: Readonly<Record<string, unknown>> | undefined;

  /** `message` says what was wrong, where, and what to do. */
  constructor(code: RefusalCode, message: string, details?: Readonly<Record<string, unknown>>) {
    super(message);
    this.name = "Refusal";
    this.code = code;
    this.details = details;
  }
}

/** `compacted`: not every change after `revision` can be told, or it belongs to a history unknown here. */
export function notRetained(revision: number, current: number, compactedThrough: number): Refusal {
  const why =
    revision > current
      ? `Revision ${revision} is ahead of this cluster (${current}): it belongs to another history.`
      : `Changes up to revision ${compactedThrough} are compacted.`;
  const message = `${why} List again and go on from the list's revision.`;
  return new Refusal("compacted", message, { revision: current, compactedThrough });
}
