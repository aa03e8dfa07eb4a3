/** Owns whether a run that failed is tried again, and when. Pure. */
import type { AutomationDefinition } from "../../protocol/index.ts";

/** What trying again would not mend. */
const LASTING: ReadonlySet<string> = new Set([
  "InsufficientCredits",
  "PermissionDenied",
  "OwnerGone",
  "SessionNotFound",
  "SessionArchived",
  "IdempotencyConflict",
  "INVALID_MESSAGE",
  "policy_denied",
  "validation_error",
  "unknown_agent_type",
]);
const PAUSE_MAX_MS = 6 * 60 * 60 * 1_000;

/** When attempt `attempt + 1` begins, or null if there is none. `random` in [0, 1). */
export function nextAttemptMs(
  { retries }: Pick<AutomationDefinition, "retries">,
  attempt: number,
  code: string,
  nowMs: number,
  random: number,
): number | null {
  if (attempt > retries.max || LASTING.has(code)) return null;
  const pauseMs = Math.min(PAUSE_MAX_MS, retries.backoffSeconds * 1_000 * 2 ** (attempt - 1));
  // Up to a tenth later, so that what failed together does not come back together.
  return nowMs + Math.round(pauseMs * (1 + random / 10));
}
