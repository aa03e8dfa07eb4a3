/** Owns the refusal of work for a turn that is over, or that somebody wants stopped. */
import { ApiError } from "@concert/service-kit";
import type { Turn } from "../store/turns.ts";

/** Throws `ApiError` 409 `turn_stopped`. */
export function refuseEnded(turn: Turn): void {
  if (turn.stopActor !== null || turn.status !== "open") throw turnStopped(turn.turnId);
}

export function turnStopped(turnId: string): ApiError {
  return new ApiError(409, "turn_stopped", `Turn ${turnId} was stopped or has ended.`);
}
