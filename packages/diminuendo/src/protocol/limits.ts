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
export const SESSIONS_PAGE_MAX = 1_000;
export const DELETIONS_PAGE_MAX = 200;
export const HISTORY_PAGE_DEFAULT = 50;
export const HISTORY_PAGE_MAX = 200;
/** Turns and steering texts that may wait in one session. */
export const QUEUED_TURNS_MAX = 16;
export const AUTOMATIONS_PAGE_MAX = 200;
/** The most of what an automation may ask for (docs/automations.md). */
export const AUTOMATION_LIMITS = {
  perTenant: 500,
  nameChars: 100,
  cronChars: 200,
  promptChars: 16_000,
  variables: 20,
  variableChars: 4_000,
  everyMinutes: 44_640,
  retries: 10,
  backoffSeconds: 3_600,
  catchUp: 100,
  runMinutes: 1_440,
  runsPerDay: 1_440,
  failuresInARow: 100,
  tools: 100,
  urlChars: 2_048,
  payloadChars: 16_000,
  blueprints: 200,
  descriptionChars: 1_000,
} as const;
export const HEARTBEAT_INTERVAL_MS = 30_000;
/** Unless the gateway is told otherwise (`--messages-max`). */
export const RATE_LIMIT_MESSAGES = 60;
export const RATE_LIMIT_WINDOW_MS = 10_000;

/** Every `code` an `error` frame may carry. */
export const ERROR_CODES = [
  "INVALID_JSON",
  "INVALID_MESSAGE",
  "MESSAGE_TOO_LARGE",
  "RATE_LIMITED",
  "AUTH_FAILED",
  "AUTH_RATE_LIMITED",
  "Unauthenticated",
  "PermissionDenied",
  "SessionNotFound",
  "SessionArchived",
  "TurnInProgress",
  "QueueFull",
  "InsufficientCredits",
  "NoActiveTurn",
  "ApprovalAlreadyDecided",
  "ApprovalNotFound",
  "NotApprover",
  "QuestionClosed",
  "QuestionNotFound",
  "InvalidAnswer",
  "FileNotFound",
  "MemberNotFound",
  "LastOwner",
  "AutomationNotFound",
  "InvalidAutomation",
  "AutomationConflict",
  "TooManyAutomations",
  "InboxItemNotFound",
  "DeliveryNotFound",
  "BlueprintNotFound",
  "UpstreamUnavailable",
  "IdempotencyConflict",
  "NotSupported",
  "InternalError",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Why the server closed the socket; `CLOSE_MEANINGS` says what to do then. */
export const CLOSE_CODES = {
  tooLarge: 1009,
  authentication: 4001,
  forbidden: 4003,
  slowReader: 4008,
  rateLimited: 4029,
  goingAway: 4100,
} as const;

/** What each close code asks of a client. */
export const CLOSE_MEANINGS: Readonly<
  Record<keyof typeof CLOSE_CODES, { readonly reconnect: string; readonly why: string }>
> = {
  tooLarge: { reconnect: "yes, without that frame", why: "a frame over 2 MiB" },
  authentication: {
    reconnect: "only with a new token",
    why: "authentication failed, did not come in time, or ran out",
  },
  forbidden: { reconnect: "no", why: "this person is no member of the tenant any more" },
  slowReader: { reconnect: "yes, with the cursor", why: "more than 1 MiB waited to be read" },
  rateLimited: {
    reconnect: "yes, after a pause",
    why: "180 messages in 10 s (three times the limit), or 64 unanswered",
  },
  goingAway: { reconnect: "yes, after `going_away`'s pause", why: "the gateway ends" },
};

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
