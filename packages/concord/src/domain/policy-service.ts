/**
 * Owns looking at policies and asking what a change of them would have done. Refuses to own: changing what is
 * enforced, which contracts do.
 */
import type { Principal } from "../core/command.ts";
import { Refusal } from "../core/errors.ts";
import {
  type PolicyChange,
  type RecordedCase,
  type WhatIf,
  whatIf,
} from "../core/policy/what-if.ts";
import type { Policy } from "../core/policy.ts";
import type { PolicyCategory } from "../core/vocabulary.ts";
import type { TaskCatalog } from "./tasks.ts";

export interface CaseFilter {
  readonly taskName?: string;
  /** ISO 8601; commands made at or after. */
  readonly since?: string;
  /** ISO 8601; commands made before. */
  readonly until?: string;
  /** The newest that fit, 1 to 1000. */
  readonly limit: number;
}

/** A registered policy, as people may see it. */
export interface PolicySummary {
  readonly name: string;
  readonly version: string;
  readonly category: PolicyCategory;
  readonly mode: "enforce" | "shadow";
  readonly language: "code" | "cel" | "cedar";
  readonly tasks: readonly string[];
}

/** A change, by policies in code or by documents as they would be registered. */
export interface ProposedChange extends Omit<PolicyChange, "policies"> {
  readonly policies?: readonly Policy[];
  readonly documents?: readonly unknown[];
}

export interface PolicyService {
  list(): readonly PolicySummary[];
  /**
   * Replays the tenant's recorded commands under `proposed`. Throws `Refusal` `forbidden` unless the caller is an
   * owner or auditor, `validation_error` with every problem of a policy that cannot be used.
   */
  whatIf(principal: Principal, proposed: ProposedChange, filter: CaseFilter): Promise<WhatIf>;
}

export type CaseReader = (tenantId: string, filter: CaseFilter) => Promise<readonly RecordedCase[]>;

/** Payloads of other people are looked into, so this is not for everybody. */
const REPLAYERS: readonly string[] = ["owner", "auditor"];

/** `compile` reads a policy document; what is wrong with it stands in the policy's `problems`. */
export function createPolicyService(
  catalog: TaskCatalog,
  read: CaseReader,
  compile: (document: unknown) => Policy,
): PolicyService {
  return {
    list: () => catalog.policies().map((policy) => summaryOf(policy, catalog)),
    whatIf: async (principal, { policies = [], documents = [], ...rest }, filter) => {
      const change = { ...rest, policies: [...policies, ...documents.map(compile)] };
      if (!principal.roles.some((role) => REPLAYERS.includes(role))) {
        throw new Refusal("forbidden", `Only ${REPLAYERS.join(" or ")} may replay commands.`);
      }
      const problems = changeProblems(change, catalog);
      if (problems.length > 0) {
        const details = problems.map((message) => ({ path: "", message }));
        throw new Refusal("validation_error", problems.join("; "), details);
      }
      return whatIf(await read(principal.tenant, filter), change);
    },
  };
}

function changeProblems(change: PolicyChange, catalog: TaskCatalog): readonly string[] {
  const { policies, removed = [], tasks = [] } = change;
  const names = policies.map((policy) => policy.name);
  return [
    ...(policies.length + removed.length === 0 ? ["name a policy to change or to remove"] : []),
    ...policies.flatMap(({ name, problems = [] }) => problems.map((one) => `${name}: ${one}`)),
    ...names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((name) => `the policy "${name}" is given twice`),
    ...tasks
      .filter((name) => catalog.task(name) === undefined)
      .map((name) => `the task "${name}" is not registered`),
  ];
}

function summaryOf(policy: Policy, catalog: TaskCatalog): PolicySummary {
  const { name, version, category, mode = "enforce", language = "code" } = policy;
  const tasks = catalog
    .taskNames()
    .filter((task) => catalog.task(task)?.policies.includes(name) === true);
  return { name, version, category, mode, language, tasks };
}
