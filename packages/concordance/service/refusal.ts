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
