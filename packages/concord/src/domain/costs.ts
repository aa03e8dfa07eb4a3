/**
 * Owns what a command cost (OPS-6): calls at what their operations declare, thoughts by their tokens, for the command and
 * all below it, so that an agent's turn answers for what it set in motion. Pure. Refuses to own: billing anybody.
 */
import type { CommandId } from "../core/ids.ts";

/** Cost units for a thousand tokens; a unit is whatever the operator says it is. */
export interface TokenCosts {
  readonly input: number;
  readonly output: number;
}

export const NO_TOKEN_COSTS: TokenCosts = { input: 0, output: 0 };

/** What is on record. */
export interface CostFigures {
  readonly calls: number;
  readonly callUnits: number;
  readonly thoughts: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface CostLine extends CostFigures {
  readonly commandId: CommandId;
  readonly taskName: string;
}

export interface Costs {
  readonly total: CostFigures & { readonly tokenUnits: number; readonly units: number };
  readonly tokenCosts: TokenCosts;
  /** The command, then those below it. */
  readonly lines: readonly CostLine[];
}

export function costsOf(lines: readonly CostLine[], tokenCosts: TokenCosts): Costs {
  const sum = (of: (line: CostLine) => number) => lines.reduce((all, one) => all + of(one), 0);
  const inputTokens = sum((one) => one.inputTokens);
  const outputTokens = sum((one) => one.outputTokens);
  const callUnits = sum((one) => one.callUnits);
  const tokenUnits = (inputTokens * tokenCosts.input + outputTokens * tokenCosts.output) / 1_000;
  const total = {
    calls: sum((one) => one.calls),
    callUnits,
    thoughts: sum((one) => one.thoughts),
    inputTokens,
    outputTokens,
    tokenUnits,
    units: callUnits + tokenUnits,
  };
  return { total, tokenCosts, lines };
}
