/** Owns how a refusal of the gateway's own looks over HTTP: its status, and its code as on the socket. */
import { ApiError } from "@concert/service-kit/errors";
import type { ErrorCode } from "../../protocol/index.ts";
import { sanitizeMessage } from "../../security/error-message.ts";
import { Refusal } from "../../security/Refusal.ts";
import { SessionGone } from "../../session/session-log.ts";
import { type Refused, Unreachable } from "../../upstream/upstream-http.ts";

const STATUS: Readonly<Record<ErrorCode, number>> = {
  INVALID_JSON: 400,
  INVALID_MESSAGE: 400,
  MESSAGE_TOO_LARGE: 413,
  RATE_LIMITED: 429,
  AUTH_FAILED: 401,
  AUTH_RATE_LIMITED: 429,
  Unauthenticated: 401,
  PermissionDenied: 403,
  SessionNotFound: 404,
  SessionArchived: 409,
  TurnInProgress: 409,
  QueueFull: 409,
  InsufficientCredits: 402,
  NoActiveTurn: 409,
  ApprovalAlreadyDecided: 409,
  ApprovalNotFound: 404,
  NotApprover: 403,
  QuestionClosed: 409,
  QuestionNotFound: 404,
  InvalidAnswer: 400,
  FileNotFound: 404,
  MemberNotFound: 404,
  LastOwner: 409,
  AutomationNotFound: 404,
  InvalidAutomation: 400,
  AutomationConflict: 409,
  TooManyAutomations: 409,
  InboxItemNotFound: 404,
  DeliveryNotFound: 404,
  BlueprintNotFound: 404,
  UpstreamUnavailable: 503,
  IdempotencyConflict: 409,
  NotSupported: 501,
  InternalError: 500,
};

/** What the caller may hear of a failure; anything else is our fault and tells nothing. */
export function asApiError(error: unknown): unknown {
  if (error instanceof Refusal) {
    const { code, message, problems } = error;
    const details = problems === undefined ? undefined : { problems };
    return new ApiError(STATUS[code], code, sanitizeMessage(message), details);
  }
  if (error instanceof SessionGone) {
    return new ApiError(404, "SessionNotFound", "This session was deleted.");
  }
  return error instanceof Unreachable ? unavailable : error;
}

/** Concord's refusal as it stands; that our own key or signature was refused, the client could not mend. */
export const refusedByConcord = ({ status, code, message, details }: Refused) =>
  status === 401 ? unavailable : new ApiError(status, code, message, details);

export const unavailable = new ApiError(
  503,
  "upstream_unavailable",
  "A service behind the gateway does not answer now; try again shortly.",
);
