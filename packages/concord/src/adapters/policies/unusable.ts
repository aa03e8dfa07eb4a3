/** Owns what stands for a policy that could not be read: it says why, and denies if it were ever asked. */
import type { Policy } from "../../core/policy.ts";

export function unusablePolicy(
  document: unknown,
  language: "cel" | "cedar",
  problems: readonly string[],
): Policy {
  const { name, version } = (document ?? {}) as Partial<Record<"name" | "version", unknown>>;
  return {
    name: typeof name === "string" && name !== "" ? name : "(without a name)",
    version: typeof version === "string" && version !== "" ? version : "(without a version)",
    category: "permission",
    language,
    problems,
    evaluate: () => {
      throw new Error(problems.join("; "));
    },
  };
}
