/**
 * Owns which models exist, who runs each and what a token costs. Models are data; lookup is exact. Refuses to own:
 * how a provider is reached.
 */
import { config } from "@concert/service-kit";

/** US dollars for a million tokens. */
export interface Price {
  readonly inputPerMillion: number;
  readonly outputPerMillion: number;
}

export interface Model {
  readonly id: string;
  readonly provider: "offline" | "openai-compatible";
  readonly title: string;
  readonly capabilities: { readonly streaming: boolean; readonly tools: boolean };
  /** Absent when nobody has stated one; its cost is then reported as zero. */
  readonly price?: Price;
}

export const OFFLINE_MODEL_ID = "concert-offline-1";

const OFFLINE: Model = {
  id: OFFLINE_MODEL_ID,
  provider: "offline",
  title: "Concert offline 1: rules instead of a network, the same answer every time",
  capabilities: { streaming: true, tools: true },
  price: { inputPerMillion: 0, outputPerMillion: 0 },
};

/** The offline model and those of the configured endpoint. An id that is named twice stands once. */
export function buildCatalog(
  openaiModels: readonly string[],
  prices: ReadonlyMap<string, Price>,
): readonly Model[] {
  const ids = new Set(openaiModels.filter((id) => id !== OFFLINE_MODEL_ID));
  return [OFFLINE, ...[...ids].map((id) => compatible(id, prices.get(id)))];
}

export function findModel(catalog: readonly Model[], id: string): Model | undefined {
  return catalog.find((model) => model.id === id);
}

/** Dollars with six decimals. A price per million tokens times tokens is micro-dollars, so rounding happens once. */
export function costOf(
  price: Price | undefined,
  inputTokens: number,
  outputTokens: number,
): string {
  const { inputPerMillion, outputPerMillion } = price ?? {
    inputPerMillion: 0,
    outputPerMillion: 0,
  };
  const microDollars = Math.round(inputTokens * inputPerMillion + outputTokens * outputPerMillion);
  return (microDollars / 1_000_000).toFixed(6);
}

/** One `model=input/output` of `--openai-prices`. Throws `SettingError`. */
export function parsePrice(text: string): readonly [model: string, price: Price] {
  const match = /^(.+)=(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)$/.exec(text);
  if (match?.[1] === undefined) {
    throw new config.SettingError(
      `needs model=input/output in dollars per million tokens, got "${text}"`,
    );
  }
  return [match[1], { inputPerMillion: Number(match[2]), outputPerMillion: Number(match[3]) }];
}

function compatible(id: string, price: Price | undefined): Model {
  return {
    id,
    provider: "openai-compatible",
    title: id,
    capabilities: { streaming: true, tools: true },
    ...(price === undefined ? {} : { price }),
  };
}
