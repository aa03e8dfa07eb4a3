/** Owns what the engine tells the runtime to do next, and ending a command with a failure. */
import type { Command, Effect } from "../core/command.ts";
import type { Failure } from "../core/errors.ts";
import { moveCommand } from "./move.ts";
import type { StepHistory, Tx } from "./store.ts";

/** One call of a step; within the transaction that locked the command, which is here as it now is. */
export interface Attempt {
  readonly kind: "attempt";
  readonly command: Command;
  readonly stepId: string;
  readonly history: StepHistory;
  /** The effect of the step, locked, when it was read already; undefined for a step without one. */
  readonly effect?: Effect | undefined;
}

/** What the runtime does before it asks again. */
export type Directive =
  | { readonly kind: "done" }
  /** Sleep until woken or `untilMs`. */
  | { readonly kind: "wait"; readonly untilMs: number | null }
  /** The next attempt, or the one that was cut off, going by what is known of earlier ones. */
  | Attempt
  | { readonly kind: "think"; readonly stepIndex: number };

export const DONE: Directive = { kind: "done" };

export async function failWith(tx: Tx, command: Command, failure: Failure): Promise<Directive> {
  await moveCommand(tx, command, "failed", { failure });
  return DONE;
}
