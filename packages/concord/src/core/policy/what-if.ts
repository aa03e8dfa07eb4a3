/**
 * Owns asking what a changed policy would have decided (replay over recorded commands): pure, from what was recorded
 * when each command was judged. Policies that did not change keep the decision on record, so nothing but the change
 * is evaluated again, and a policy that is long gone still counts.
 */
import {
  type CombinedDecision,
  combineDecisions,
  deepFreeze,
  judge,
  type Policy,
  type PolicyDecision,
  type PolicyInput,
} from "../policy.ts";
import type { PolicyOutcome } from "../vocabulary.ts";

/** A command as it was judged. */
export interface RecordedCase {
  readonly commandId: string;
  readonly taskName: string;
  readonly createdAt: string;
  readonly input: PolicyInput;
  readonly decisions: readonly PolicyDecision[];
  /**
   * `masked`: the payload was redacted before it was stored; `changed`: it is no longer what was judged. In both
   * cases the replay sees what is on record now.
   */
  readonly inputs: "exact" | "masked" | "changed";
}

export interface PolicyChange {
  /** Policies that take the place of the one with the same name, or join where `adding` says. */
  readonly policies: readonly Policy[];
  /** Names of policies that no longer count. */
  readonly removed?: readonly string[];
  /** Tasks that a new policy would be added to; absent: every task of the replay. */
  readonly tasks?: readonly string[];
}

export interface CaseDifference {
  readonly commandId: string;
  readonly taskName: string;
  readonly createdAt: string;
  readonly inputs: RecordedCase["inputs"];
  readonly before: CombinedDecision;
  readonly after: CombinedDecision;
  /** The new policies' own decisions. */
  readonly judged: readonly PolicyDecision[];
}

export interface WhatIf {
  readonly replayed: number;
  /** Cases whose combined decision, or whose required approvals or redactions, would differ; in order. */
  readonly differences: readonly CaseDifference[];
  /** How many cases went from one decision to another, e.g. `allow → deny`. */
  readonly moves: readonly {
    readonly from: PolicyOutcome;
    readonly to: PolicyOutcome;
    readonly count: number;
  }[];
}

/** A shadow policy is replayed as if it were enforced: what it would do is the question. */
export function whatIf(cases: readonly RecordedCase[], change: PolicyChange): WhatIf {
  const differences = cases.map((one) => compare(one, change)).filter(isDifferent);
  const counted = new Map<string, number>();
  for (const { before, after } of differences) {
    const key = `${before.decision}/${after.decision}`;
    counted.set(key, (counted.get(key) ?? 0) + 1);
  }
  const moves = [...counted].map(([key, count]) => {
    const [from, to] = key.split("/") as [PolicyOutcome, PolicyOutcome];
    return { from, to, count };
  });
  return { replayed: cases.length, differences, moves };
}

function compare(one: RecordedCase, change: PolicyChange): CaseDifference {
  const { removed = [], tasks } = change;
  const recorded = new Set(one.decisions.map((decision) => decision.policy));
  const concerns = (policy: Policy) =>
    recorded.has(policy.name) || tasks === undefined || tasks.includes(one.taskName);
  const input = deepFreeze(one.input);
  const judged = change.policies
    .filter(concerns)
    .map((policy) => ({ ...judge(policy, input), mode: "enforce" as const }));
  const gone = new Set([...removed, ...judged.map((decision) => decision.policy)]);
  const kept = one.decisions.filter((decision) => !gone.has(decision.policy));
  const { commandId, taskName, createdAt, inputs } = one;
  return {
    commandId,
    taskName,
    createdAt,
    inputs,
    before: combineDecisions(one.decisions),
    after: combineDecisions([...kept, ...judged]),
    judged,
  };
}

function isDifferent({ before, after }: CaseDifference): boolean {
  const whatFollows = ({ decision, requiredApprovals, redactions }: CombinedDecision) =>
    JSON.stringify([decision, requiredApprovals, redactions]);
  return whatFollows(before) !== whatFollows(after);
}
