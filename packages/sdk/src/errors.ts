/** Owns how a request or a connection fails for a caller of the SDK. */
import type { ErrorCode, Problem } from "./protocol.ts";

/** Failures that the SDK itself finds; the gateway's own codes are in docs/protocol.md. */
export type ClientErrorCode =
  /** The connection ended before the answer came, and asking again by itself could do harm. */
  | "ConnectionLost"
  /** `disconnect()` was called, or the client never connected. */
  | "Disconnected"
  /** No answer in time. Whether the request took effect is unknown. */
  | "Timeout"
  /** The gateway wants a token and none was given. */
  | "TokenRequired"
  /** No `WebSocket` in this runtime and none was injected. */
  | "NoWebSocket"
  /** The same approval is being answered already. */
  | "RequestInFlight"
  /** `config/*` refused; the message carries the JSON-RPC error. */
  | "ConfigFailed";

/** A failed request or connection. `code` is stable; `message` is for people. */
export class GatewayError extends Error {
  readonly _tag = "GatewayError";
  readonly code: ErrorCode | ClientErrorCode;
  /** Of `InvalidAutomation`: everything that is wrong, and where. */
  readonly problems: readonly Problem[];

  constructor(
    code: ErrorCode | ClientErrorCode,
    message: string,
    problems: readonly Problem[] = [],
  ) {
    super(message);
    this.name = "GatewayError";
    this.code = code;
    this.problems = problems;
  }
}
