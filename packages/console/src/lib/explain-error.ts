/** Owns how failures are told to people: what happened and what to do. */
import { GatewayError } from "@concert/sdk";

const SENTENCES: Readonly<Record<string, string>> = {
  ApprovalAlreadyDecided: "Somebody has decided this already.",
  ApprovalNotFound: "This approval no longer exists.",
  NotApprover: "You are not among the people who may decide this.",
  QuestionClosed: "This question was answered or closed before.",
  QuestionNotFound: "This question no longer exists.",
  InvalidAnswer: "The answer does not fit what is asked. See the fields above.",
  PermissionDenied: "Your role does not allow this. Ask an owner of the workspace.",
  SessionNotFound: "This session does not exist, or belongs to another workspace.",
  TurnInProgress: "The agent is still working. Wait for it, or stop it first.",
  NoActiveTurn: "Nothing is running any more.",
  AutomationConflict:
    "Somebody has changed it meanwhile. Copy what you typed, cancel, and change the newest version.",
  RATE_LIMITED: "That was a lot at once. Wait a few seconds and try again.",
  UpstreamUnavailable:
    "A service behind the gateway is not available right now. Try again shortly.",
  ConnectionLost:
    "The connection was lost before the answer came. Check what happened and try again.",
  Timeout: "The gateway did not answer in time. Trying again is safe.",
  MESSAGE_TOO_LARGE: "The message is too long. Shorten it and try again.",
  FileNotFound: "There is no such file any more. Go back to the list.",
  InternalError: "Something failed inside the gateway. Its log has the details.",
};

/** One or two sentences for a person; never a stack. */
export function explainError(error: unknown): string {
  if (error instanceof GatewayError) return SENTENCES[error.code] ?? error.message;
  if (error instanceof Error) return error.message;
  return "Something went wrong.";
}
