/** Owns which JSON-RPC error a refusal of the gateway is for a client of the Agent Client Protocol. */
import { RequestError } from "@agentclientprotocol/sdk";
import { GatewayError } from "@concert/sdk";

const NOT_SIGNED_IN: ReadonlySet<string> = new Set([
  "AUTH_FAILED",
  "AUTH_RATE_LIMITED",
  "TokenRequired",
  "Unauthenticated",
]);
const INVALID: ReadonlySet<string> = new Set(["INVALID_MESSAGE", "MESSAGE_TOO_LARGE"]);

/** What went wrong, with the gateway's own code in `data`. */
export function asRpcError(error: unknown, sessionId?: string): RequestError {
  if (error instanceof RequestError) return error;
  if (!(error instanceof GatewayError)) {
    return RequestError.internalError(undefined, error instanceof Error ? error.message : "");
  }
  const { code, message } = error;
  if (NOT_SIGNED_IN.has(code)) return RequestError.authRequired({ code }, message);
  if (INVALID.has(code)) return RequestError.invalidParams({ code }, message);
  if (code === "SessionNotFound" && sessionId !== undefined) {
    return RequestError.sessionNotFound(sessionId);
  }
  return RequestError.internalError({ code }, message);
}
