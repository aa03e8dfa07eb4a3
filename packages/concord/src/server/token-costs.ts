/** Owns reading `--token-costs`: `input=0.3,output=1.5`, cost units for a thousand tokens. */
import { config } from "@concert/service-kit";
import { NO_TOKEN_COSTS, type TokenCosts } from "../domain/costs.ts";

const PART = /^(input|output)=(\d+(?:\.\d+)?)$/;

export function parseTokenCosts(parts: readonly string[]): TokenCosts {
  const read = parts.map((part) => {
    const [, name, value] = PART.exec(part) ?? [];
    if (name !== undefined) return [name, Number(value)] as const;
    throw new config.SettingError(`"${part}" is none of input=<units>, output=<units>`);
  });
  return { ...NO_TOKEN_COSTS, ...Object.fromEntries(read) };
}
