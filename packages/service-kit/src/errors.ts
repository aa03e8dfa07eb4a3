/**
 * Owns the error shape of Concord, Podium and Ensemble over HTTP:
 * `{"error":{"code","message","details?","trace_id"}}`. Codes are stable; messages are for people.
 */

/** A refusal that a caller is meant to see. Everything else becomes `internal_error`. */
export class ApiError extends Error {
  readonly status: number;
  /** Stable, snake_case, documented by the service that owns it. */
  readonly code: string;
  readonly details: unknown;

  /** `message` says what was wrong, where, and what to do: never a secret, a path or a stack. */
  constructor(status: number, code: string, message: string, details?: unknown) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

export interface ErrorBody {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly trace_id: string;
    readonly details?: unknown;
  };
}

/** The body for any thrown value; an unexpected one tells the caller nothing but the trace id. */
export function errorBody(error: unknown, traceId: string): { status: number; body: ErrorBody } {
  if (error instanceof ApiError) {
    const details = error.details === undefined ? {} : { details: error.details };
    return {
      status: error.status,
      body: { error: { code: error.code, message: error.message, trace_id: traceId, ...details } },
    };
  }
  return {
    status: 500,
    body: {
      error: {
        code: "internal_error",
        message: "Something failed on our side. The log has the details under this trace id.",
        trace_id: traceId,
      },
    },
  };
}
