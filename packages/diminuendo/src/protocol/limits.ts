/**
 * Owns the fixed numbers and vocabularies of protocol version 1 (docs/protocol.md): limits, error codes,
 * close codes. Both ends import them, so that neither has to copy a number.
 */

export const PROTOCOL_VERSION = 1;
/** Largest inbound text frame. */
export const FRAME_BYTES_MAX = 1_048_576;
export const TURN_TEXT_CHARS_MAX = 32_000;
export const EVENTS_PAGE_DEFAULT = 200;
export const EVENTS_PAGE_MAX = 1_000;
export const HEARTBEAT_INTERVAL_MS = 30_000;
export const RATE_LIMIT_MESSAGES = 60;
export const RATE_LIMIT_WINDOW_MS = 10_000;

/** Every `code` an `error` frame may carry. */
export const ERROR_CODES = [
  "INVALID_JSON",
  "INVALID_MESSAGE",
  "MESSAGE_TOO_LARGE",
  "RATE_LIMITED",
  "AUTH_FAILED",
  "Unauthenticated",
  "PermissionDenied",
  "SessionNotFound",
  "TurnInProgress",
  "NoActiveTurn",
  "ApprovalAlreadyDecided",
  "ApprovalNotFound",
  "NotApprover",
  "UpstreamUnavailable",
  "IdempotencyConflict",
  "NotSupported",
  "InternalError",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Why the server closed the socket. After `authentication` a new token is needed; after the others, reconnect. */
export const CLOSE_CODES = {
  tooLarge: 1009,
  authentication: 4001,
  slowReader: 4008,
  rateLimited: 4029,
  goingAway: 4100,
} as const;

/** Errors of `config/*`: JSON-RPC's own below -32600, Concordance's above -32010. */
export const RPC_ERRORS = {
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  upstreamUnavailable: -32000,
  permissionDenied: -32003,
  notFound: -32004,
} as const;
