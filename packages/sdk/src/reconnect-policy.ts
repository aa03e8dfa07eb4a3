/**
 * Owns when a lost connection is tried again, and when it is not. Pure: randomness comes in as a number.
 * Source: docs/protocol.md, "Close codes".
 */
import { CLOSE } from "./protocol.ts";

export type AfterClose =
  | { readonly kind: "stop"; readonly reason: string }
  | { readonly kind: "retry"; readonly pauseMsMin: number; readonly reason: string };

const RATE_LIMIT_PAUSE_MS = 5_000;
const DELAY_MS_MAX = 30_000;

/** What a close code asks of the client. Codes unknown to it are worth another try. */
export function afterClose(code: number): AfterClose {
  switch (code) {
    case CLOSE.authentication:
      return { kind: "stop", reason: "The sign-in is not valid or has expired." };
    case CLOSE.forbidden:
      return { kind: "stop", reason: "You are no member of this tenant any more." };
    case CLOSE.rateLimited:
      return {
        kind: "retry",
        pauseMsMin: RATE_LIMIT_PAUSE_MS,
        reason: "The gateway asked for a pause: too many messages.",
      };
    case CLOSE.slowReader:
      return { kind: "retry", pauseMsMin: 0, reason: "This client read too slowly." };
    case CLOSE.goingAway:
      return { kind: "retry", pauseMsMin: 0, reason: "The gateway is restarting." };
    default:
      return { kind: "retry", pauseMsMin: 0, reason: "The connection was lost." };
  }
}

/**
 * Milliseconds until attempt number `attempt` (1 is the first). Doubles from `baseMs` up to 30 s, and
 * spreads over the upper half, so that a thousand clients of one lost gateway do not return as one.
 */
export function retryDelayMs(
  attempt: number,
  baseMs: number,
  pauseMsMin: number,
  random: number,
): number {
  const ceilingMs = Math.min(DELAY_MS_MAX, baseMs * 2 ** Math.min(attempt - 1, 16));
  return pauseMsMin + Math.round(ceilingMs / 2 + (ceilingMs / 2) * random);
}
