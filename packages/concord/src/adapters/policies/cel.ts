/**
 * Owns policies as data whose conditions are CEL (Common Expression Language, spec of cel.dev): compiled once,
 * checked before the first use, with no way to reach a clock, randomness or I/O.
 */
import { Environment, type ParseResult } from "@marcbachmann/cel-js";
import {
  approvalTypesOf,
  conditionFacts,
  documentProblems,
  findingOf,
  type PolicyDocument,
} from "../../core/policy/document.ts";
import type { Policy } from "../../core/policy.ts";
import { unusablePolicy } from "./unusable.ts";

const LIMITS = { maxAstNodes: 2_000, maxDepth: 64 };

const ENVIRONMENT = new Environment({ unlistedVariablesAreDyn: false, limits: LIMITS })
  .registerVariable("requester", "map")
  .registerVariable("action", "map")
  .registerVariable("payload", "map")
  .registerVariable("facts", "map")
  .registerVariable("connectors", "list")
  .registerVariable("data_touched", "list<string>")
  .registerVariable("side_effects", "list<string>")
  .registerVariable("approval_always_required", "bool");

/**
 * A policy from data, e.g. read from a YAML or JSON file. Never throws: what is wrong with the document stands in
 * `problems`, all of it, and the catalog refuses it. At run time a condition that fails (a field that is not there;
 * use `has()`) makes the policy deny (POL-19).
 */
export function celPolicy(document: unknown): Policy {
  const problems = documentProblems(document);
  if (problems.length > 0) return unusablePolicy(document, "cel", problems);
  const checked = document as PolicyDocument;
  const conditions = checked.rules.map((rule) => compile(rule.when));
  const wrong = conditions.flatMap((one, index) =>
    "problem" in one ? [`/rules/${index}/when: ${one.problem}`] : [],
  );
  if (wrong.length > 0) return unusablePolicy(document, "cel", wrong);
  const run = conditions.flatMap((one) => ("run" in one ? [one.run] : []));
  const { name, version, category, mode = "enforce" } = checked;
  return {
    name,
    version,
    category,
    mode,
    language: "cel",
    approvalTypes: approvalTypesOf(checked),
    evaluate: (input) => {
      const facts = conditionFacts(input);
      return findingOf(checked, (rule, index) => isTrue(run[index]?.(facts), rule.when));
    },
  };
}

/** A condition over what has no declared type may turn out to be no bool; that must not pass for "no". */
function isTrue(answer: unknown, condition: string): boolean {
  if (typeof answer === "boolean") return answer;
  throw new Error(`the condition ${condition} is neither true nor false`);
}

type Compiled = { readonly run: ParseResult } | { readonly problem: string };

function compile(condition: string): Compiled {
  try {
    const run = ENVIRONMENT.parse(condition);
    const { valid, type, error } = run.check();
    if (!valid) return { problem: firstLine(error) };
    if (type !== "bool" && type !== "dyn") return { problem: `it is a ${type}, not a bool` };
    return { run };
  } catch (error) {
    return { problem: firstLine(error) };
  }
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? message;
}
