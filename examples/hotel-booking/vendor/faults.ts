/**
 * Owns the failures an operator switches on to see what a client does about them. Rules are counted down as
 * requests meet them and live in memory only: a restarted vendor is a healthy one.
 */
import { ApiError } from "@concert/service-kit";
import type { FaultRule, Operation } from "./schemas.ts";

const DELAY_DEFAULT_MS = 1_000;

/** Thrown for `rate_limited`; the app turns it into 429 with Retry-After. */
export const RETRY_AFTER_SECONDS = 1;

export class Faults {
  #rules: FaultRule[] = [];

  /** The rules still armed, with the times they have left. */
  get rules(): readonly FaultRule[] {
    return this.#rules;
  }

  replace(rules: readonly FaultRule[]): void {
    this.#rules = rules.filter((rule) => rule.times > 0);
  }

  /**
   * Runs `commit` under the first armed rule for `operation`. `commit` is synchronous: when it returns, its
   * transaction is durable, so an "after commit" failure happens to a caller whose booking exists.
   */
  async around<T>(operation: Operation, commit: () => T): Promise<T> {
    const rule = this.#take(operation);
    if (rule === undefined) return commit();
    await beforeCommit(rule);
    const result = commit();
    await afterCommit(rule);
    return result;
  }

  #take(operation: Operation): FaultRule | undefined {
    const index = this.#rules.findIndex((rule) => rule.operation === operation);
    const rule = this.#rules[index];
    if (rule === undefined) return undefined;
    const left = { ...rule, times: rule.times - 1 };
    this.#rules = this.#rules.flatMap((one, at) => {
      if (at !== index) return [one];
      return left.times > 0 ? [left] : [];
    });
    return rule;
  }
}

async function beforeCommit(rule: FaultRule): Promise<void> {
  if (rule.mode === "rate_limited") {
    throw new ApiError(
      429,
      "rate_limited",
      `Too many requests; try again in ${RETRY_AFTER_SECONDS} s.`,
    );
  }
  if (rule.mode === "slow_before_commit") await Bun.sleep(rule.delay_ms ?? DELAY_DEFAULT_MS);
  if (rule.mode === "error_before_commit") throw broken();
}

async function afterCommit(rule: FaultRule): Promise<void> {
  if (rule.mode === "slow_after_commit") await Bun.sleep(rule.delay_ms ?? DELAY_DEFAULT_MS);
  if (rule.mode === "error_after_commit") throw broken();
}

function broken(): ApiError {
  return new ApiError(500, "vendor_failed", "The reservation system failed while answering.");
}
