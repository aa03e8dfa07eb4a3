/**
 * Owns how a client is told no: a stable code, a sentence without our insides, and its own request id.
 * Everything that is not a `Refusal` is our fault and becomes `InternalError`.
 */
import * as Schema from "effect/Schema";
import { ERROR_CODES, type ErrorCode, type ErrorMessage, Problem } from "../protocol/index.ts";
import { sanitizeMessage } from "./error-message.ts";

export class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {
  code: Schema.Literals(ERROR_CODES),
  message: Schema.String,
  retryAfterMs: Schema.optionalKey(Schema.Int),
  problems: Schema.optionalKey(Schema.Array(Problem)),
}) {}

export const refuse = (code: ErrorCode, message: string, retryAfterMs?: number) =>
  new Refusal({ code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });

/** The frame that tells one client. */
export function errorMessage(refusal: Refusal, requestId: string | undefined): ErrorMessage {
  return {
    type: "error",
    code: refusal.code,
    message: sanitizeMessage(refusal.message),
    ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }),
    ...(refusal.problems === undefined ? {} : { problems: refusal.problems }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** What a client hears when something failed on our side; the log has the rest under the trace id. */
export const internalError = (traceId: string) =>
  refuse(
    "InternalError",
    `Something failed on our side. The log has the details under ${traceId}.`,
  );
