/**
 * Owns ids that must be the same whenever a thought is repeated: pure functions of the step key, so that a
 * second attempt continues the same message and proposes the same calls (docs/wire.md §3).
 */
import { createHash } from "node:crypto";

/** The message of a step: `msg_<hex32>`. */
export function messageIdOf(stepKey: string): string {
  return `msg_${digest(stepKey)}`;
}

/** The call at `position` (from 0) of a step's move: `call_<hex32>`, short enough for every model provider. */
export function callIdOf(stepKey: string, position: number): string {
  return `call_${digest(`${stepKey}#${position}`)}`;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
