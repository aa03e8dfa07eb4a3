/** Owns the reading of what somebody wants of a hotel beside place and time: price, stars, taste, a named house. Pure. */
import { isKnownCity } from "./cities.ts";
import { folded, toCount } from "./words.ts";

/** Euros. */
export interface Budget {
  readonly amount: number;
  readonly per: "stay" | "night";
}

export interface Stars {
  readonly count: number;
  readonly orMore: boolean;
}

const AMOUNT = String.raw`(\d{1,3}(?:[,.]\d{3})+|\d{1,6})(?:[.,]\d{1,2})?`;
const LIMIT =
  "under|below|less than|at most|max(?:imum)?(?:\\s+of)?|up to|(?:no|not) more than|within|budget(?:\\s+(?:is|of))?|cheaper than|not exceed(?:ing)?|<=?";
const BUDGET = new RegExp(
  `(?:\\b(?:${LIMIT})|<)\\s*:?\\s*(?:about\\s+|around\\s+)?(€|eur(?:os?)?|[$£])?\\s*${AMOUNT}\\s*(€|eur(?:os?)?\\b|[$£]|dollars?|pounds?)?(?!\\s*(?:guests?|people|persons?|nights?|stars?|adults?|rooms?))`,
  "i",
);
const BUDGET_AFTER = new RegExp(
  `()${AMOUNT}\\s*(€|eur(?:os?)?|[$£]|dollars?|pounds?)\\s+(?:(?:per|a)\\s+night\\s+)?(?:max(?:imum)?|or less|at most|budget|tops)\\b`,
  "i",
);
const PER_NIGHT = /\b(?:per|a|each)\s+night\b|\/\s*night|\bnightly\b/i;
const SMALLEST_PLAIN_BUDGET = 20;

/** The most to pay; `foreign` when it is stated in another currency than euros. */
export function readBudget(text: string): Budget | "foreign" | undefined {
  const match = BUDGET.exec(text) ?? BUDGET_AFTER.exec(text);
  if (match?.[2] === undefined) return undefined;
  const currency = match[1] || match[3] || "";
  const amount = Number(match[2].replace(/[,.]/g, ""));
  if (currency === "" && amount < SMALLEST_PLAIN_BUDGET) return undefined;
  if (/[$£]|dollar|pound/i.test(currency)) return "foreign";
  return { amount, per: PER_NIGHT.test(text) ? "night" : "stay" };
}

export function readStars(text: string): Stars | undefined {
  const match = /\b(\d|one|two|three|four|five)[\s-]*(?:stars?\b|\*|★)/i.exec(text);
  if (match?.[1] === undefined) return undefined;
  const orMore = /\bat least\b|\bor (?:better|more|above|higher)\b|\bminimum\b/i.test(text);
  return { count: toCount(match[1]), orMore };
}

const CHEAPEST =
  /\bcheap(?:est|er|ly)?\b|\blowest\b|\bleast expensive\b|\binexpensive\b|\baffordable\b|\bbest (?:price|deal|value)\b/i;
const BEST =
  /\bbest\b|\bnicest\b|\bfinest\b|\bfanci(?:est|er)\b|\bluxur\w*|\btop[- ](?:rated|notch)\b|\bmost expensive\b|\bhighest\b/i;

export function readTaste(text: string): "cheapest" | "best" | undefined {
  if (CHEAPEST.test(text)) return "cheapest";
  return BEST.test(text) ? "best" : undefined;
}

const ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"];
const ORDINAL = new RegExp(
  `\\b(?:the\\s+)?(${ORDINALS.join("|")}|last|[1-9](?:st|nd|rd|th))(\\s+(?:one|hotel|option|offer|choice))?\\b`,
  "i",
);

/** The entry of `list` that "the second one", "option 2" or a bare "2" points at. */
export function readPointer(text: string, list: readonly string[]): string | undefined {
  if (list.length === 0) return undefined;
  const numbered =
    /(?:\b(?:number|option|no\.?|hotel)\s*|#)([1-9])\b|^\W*([1-9])\W*(?:please)?\W*$/i.exec(text);
  const digit = numbered?.[1] ?? numbered?.[2];
  if (digit !== undefined) return list[Number(digit) - 1];
  const ordinal = ORDINAL.exec(text);
  const word = ordinal?.[1]?.toLowerCase();
  const isPointing =
    /\bthe\b/i.test(ordinal?.[0] ?? "") ||
    ordinal?.[2] !== undefined ||
    text.trim().split(/\s+/).length <= 3;
  if (word === undefined || !isPointing) return undefined;
  if (word === "last") return list.at(-1);
  const index = ORDINALS.indexOf(word);
  return list[index === -1 ? Number(word[0]) - 1 : index];
}

const NAME_PART = String.raw`\p{Lu}[\p{L}'’&-]*`;
const NAMED = new RegExp(
  `\\b(?:[Bb]ook|[Rr]eserve|[Aa]t|called|named|[Pp]refer|[Tt]ake|[Tt]ry|[Cc]hoose|[Gg]o with|[Ss]tay at)\\s+(?:me\\s+|us\\s+|the\\s+|a room at\\s+)*(${NAME_PART}(?:\\s+(?:(?:de|do|da|du|di|del|das|la|le|les|el|am|i|y|of|and|&)\\s+)?${NAME_PART})*)`,
  "gu",
);
const LOWER_NAMED =
  /\b(?:book|reserve|stay at|at)\s+(?:me\s+|us\s+)?((?:[\p{L}'’&-]+\s+){1,5})in\s+\p{L}/iu;
const NOT_A_NAME = new Set(
  "i me us a an the hotel hotels room rooms double single twin family suite something somewhere anything one two three four five star stars best cheapest cheap cheaper nice nicest good great lovely decent quiet clean cosy cozy small big large central budget luxury affordable place places stay night nights accommodation apartment hostel please for of and in at to with my our your any some bed or option offer deal monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december guest guests people person persons adults adult first second third last".split(
    " ",
  ),
);

const UNWANTED =
  /\b(?:not|except|(?:any|anything|anywhere|everything|all) but|instead of|rather than|other than)\b(.*)$/is;

/** Splits "any but the Miramar" into what is wanted and what is not. */
export function readUnwanted(text: string): { readonly wanted: string; readonly unwanted: string } {
  const match = UNWANTED.exec(text);
  return { wanted: text.slice(0, match?.index), unwanted: match?.[1] ?? "" };
}

/** A house somebody names, known or not, so that another is never booked in its place. */
export function readNamedHotel(text: string): string | undefined {
  const names = [...text.matchAll(NAMED)].map((match) => match[1] ?? "");
  const lower = LOWER_NAMED.exec(text)?.[1];
  return [...names, ...(lower === undefined ? [] : [lower.trim()])].find(isName);
}

function isName(candidate: string): boolean {
  if (/\b(?:near|close|next|by|around|opposite|with|for|from|under|on)\b/i.test(candidate))
    return false;
  const words = folded(candidate).split(" ");
  return (
    !isKnownCity(candidate) &&
    words.some((word) => word.length > 2 && !NOT_A_NAME.has(word) && !/^\d/.test(word))
  );
}
