/** Owns what turns cost: the shape of the price table, and the sum. Pure. Amounts are millionths of a credit. */
import * as Schema from "effect/Schema";

const Microcredits = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1e15 }));

/** What one turn of an agent type costs. */
export const Price = Schema.Struct({
  /** For 1,000 tokens the model reads. */
  inputPer1000: Microcredits,
  /** For 1,000 tokens the model writes. */
  outputPer1000: Microcredits,
  /** Put aside before the turn begins; a turn that costs more takes the rest afterwards. */
  reserve: Microcredits,
});
export type Price = typeof Price.Type;

export const PriceTable = Schema.Struct({
  /** What a tenant has when it is first seen. */
  grant: Microcredits,
  default: Price,
  /** By agent type, where it differs. */
  agentTypes: Schema.Record(Schema.String, Price),
});
export type PriceTable = typeof PriceTable.Type;

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
}
export const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0 };

export function priceOf(table: PriceTable, agentType: string): Price {
  return (
    (Object.hasOwn(table.agentTypes, agentType) && table.agentTypes[agentType]) || table.default
  );
}

/** Rounded up to a whole millionth. */
export function costOf(price: Price, { inputTokens, outputTokens }: Usage): number {
  return Math.ceil((inputTokens * price.inputPer1000 + outputTokens * price.outputPer1000) / 1_000);
}
