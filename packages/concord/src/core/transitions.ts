/**
 * Owns the command state machine as data: the 35 edges of spec §12, nine guarded ones, and one of our own for APR-13 (STM-1…STM-3).
 * Invariant G2: no status change outside this table. Pure and total.
 */
import type { ApprovalStatus, ArtifactStatus, CommandStatus, EffectStatus } from "./vocabulary.ts";

const SPEC_EDGES: Readonly<Record<CommandStatus, readonly CommandStatus[]>> = {
  created: ["validated", "failed", "cancelled"],
  validated: [
    "waiting_for_input",
    "waiting_for_approval",
    "queued",
    "running",
    "failed",
    "cancelled",
  ],
  waiting_for_input: ["validated", "cancelled", "expired"],
  waiting_for_approval: ["approved", "cancelled", "expired", "failed"],
  approved: ["queued", "running", "cancelled"],
  queued: ["running", "cancelled", "failed"],
  running: ["succeeded", "failed", "cancelled", "blocked"],
  blocked: ["queued", "running", "failed", "cancelled"],
  failed: ["queued", "compensating", "cancelled"],
  compensating: ["compensated", "failed"],
  cancelling: [],
  compensated: [],
  succeeded: [],
  cancelled: [],
  expired: [],
};

/** What the guarded edges ask about the command. */
export interface TransitionFacts {
  readonly cancelRequested: boolean;
  /** A succeeded effect of a compensate_then_stop command whose compensation can run. */
  readonly compensatable: boolean;
  readonly changesRequested: boolean;
  /** The cancellation window after success is still open. */
  readonly windowOpen: boolean;
  readonly someEffectSucceeded: boolean;
  /** A person said no, and what is left of the command is still wanted (APR-13). */
  readonly goesOnWithout: boolean;
}

export const NO_FACTS: TransitionFacts = {
  cancelRequested: false,
  compensatable: false,
  changesRequested: false,
  windowOpen: false,
  someEffectSucceeded: false,
  goesOnWithout: false,
};

type Guard = (facts: TransitionFacts) => boolean;

const GUARDED_EDGES: readonly (readonly [CommandStatus, CommandStatus, Guard])[] = [
  ["waiting_for_approval", "waiting_for_input", (facts) => facts.changesRequested],
  ["waiting_for_approval", "queued", (facts) => facts.goesOnWithout],
  ["running", "cancelling", (facts) => facts.cancelRequested],
  ["running", "waiting_for_approval", () => true],
  ["running", "waiting_for_input", () => true],
  ["blocked", "cancelling", (facts) => facts.cancelRequested && facts.someEffectSucceeded],
  ["cancelling", "cancelled", (facts) => !facts.compensatable],
  ["cancelling", "compensating", (facts) => facts.compensatable],
  ["compensated", "cancelled", (facts) => facts.cancelRequested],
  ["succeeded", "cancelling", (facts) => facts.compensatable && facts.windowOpen],
];

/** Whether a command may move `from` → `to`, given what is known about it. */
export function canTransition(
  from: CommandStatus,
  to: CommandStatus,
  facts: TransitionFacts = NO_FACTS,
): boolean {
  if (SPEC_EDGES[from].includes(to)) return true;
  return GUARDED_EDGES.some(([a, b, guard]) => a === from && b === to && guard(facts));
}

/** Effect moves (EFF-4); `failed → executing` is a retry. */
export function canMoveEffect(from: EffectStatus, to: EffectStatus): boolean {
  const edges: Readonly<Record<EffectStatus, readonly EffectStatus[]>> = {
    planned: ["executing"],
    executing: ["succeeded", "failed"],
    failed: ["executing"],
    succeeded: [],
  };
  return edges[from].includes(to);
}

/** Approval moves (APR-2): only out of `pending`, once. */
export function canResolveApproval(from: ApprovalStatus, to: ApprovalStatus): boolean {
  return from === "pending" && to !== "pending";
}

const ARTIFACT_EDGES: Readonly<Record<ArtifactStatus, readonly ArtifactStatus[]>> = {
  draft: ["created", "failed", "deleted"],
  created: ["validated", "failed", "archived", "deleted"],
  validated: ["published", "archived", "failed"],
  published: ["archived"],
  archived: ["deleted"],
  deleted: [],
  failed: [],
};

/** Artifact moves (ART-3); what was undone before it was ever finished is kept as archived too. */
export function canMoveArtifact(
  from: ArtifactStatus,
  to: ArtifactStatus,
  { isUndone = false }: { readonly isUndone?: boolean } = {},
): boolean {
  return ARTIFACT_EDGES[from].includes(to) || (isUndone && from === "draft" && to === "archived");
}
