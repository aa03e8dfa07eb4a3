/** Owns how a call of the client fails: one error, whose code says whether anything may have been written. */
import type { RefusalCode } from "./protocol.ts";

/**
 * `unreachable`: nothing was done. `outcome_unknown`: a write may or may not have happened, and asking again
 * under the same request id tells. `aborted`: the caller gave up; a write may or may not have happened.
 * `unexpected_answer`: whoever answered does not speak this protocol. Every other code is the server's
 * refusal, and nothing was written.
 */
export type FailureCode =
  | RefusalCode
  | "unreachable"
  | "outcome_unknown"
  | "aborted"
  | "unexpected_answer";

export class ConcordanceError extends Error {
  readonly code: FailureCode;
  readonly details: unknown;

  constructor(code: FailureCode, message: string, details?: unknown) {
    super(message);
    this.name = "ConcordanceError";
    this.code = code;
    this.details = details;
  }
}
