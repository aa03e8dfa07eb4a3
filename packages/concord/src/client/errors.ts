/** Owns the one error of the client: what Concord refused, or that it could not be reached. */

export class ConcordError extends Error {
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** A code of the wire vocabulary, `unreachable`, or `internal_error`. */
  readonly code: string;
  readonly details: unknown;
  readonly traceId: string | undefined;

  constructor(
    status: number,
    code: string,
    message: string,
    more: { readonly details?: unknown; readonly traceId?: string; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.name = "ConcordError";
    this.status = status;
    this.code = code;
    this.details = more.details;
    this.traceId = more.traceId;
  }

  /** Whether the same call may succeed later without being changed. */
  get isTransient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  static async from(response: Response): Promise<ConcordError> {
    // The status alone decides what a caller does; a body that is cut or not ours only lacks the words.
    const body: unknown = await response.json().catch(() => undefined);
    const error = field(body, "error");
    const code = field(error, "code");
    const message = field(error, "message");
    const traceId = field(error, "trace_id");
    return new ConcordError(
      response.status,
      typeof code === "string" ? code : "internal_error",
      typeof message === "string" ? message : `Concord answered ${response.status}`,
      { details: field(error, "details"), ...(typeof traceId === "string" ? { traceId } : {}) },
    );
  }
}

export function unreachable(cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new ConcordError(0, "unreachable", `Concord could not be reached: ${why}`, { cause });
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
