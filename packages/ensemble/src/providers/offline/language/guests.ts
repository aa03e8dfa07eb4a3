/** Owns the reading of how many people stay. Pure. The number may be absurd (0, 40): judging it is not done here. */
import { EXACT_COUNT, toCount } from "./words.ts";

const RELATION =
  "wife|husband|partner|girlfriend|boyfriend|fianc[eé]e?|spouse|mother|mum|mom|father|dad|son|daughter|friend|colleague|boss|brother|sister";
const COUNTED = `(${EXACT_COUNT}|no)`;
const ADULTS = new RegExp(
  `(?<![\\w-])${COUNTED}\\s+(?:more\\s+|other\\s+)?(?:guests?|people|persons?|adults?|pax|travell?ers?|visitors?|of us)\\b`,
  "gi",
);
const CHILDREN = new RegExp(
  `(?<![\\w-])(${EXACT_COUNT}|a)\\s+(?:small\\s+|young\\s+)?(?:children|child|kids?|bab(?:y|ies)|infants?|toddlers?)\\b`,
  "gi",
);
const FRIENDS = new RegExp(
  `\\b(?:with|and|plus)\\s+(?:my\\s+)?(${EXACT_COUNT})\\s+(?:friends|colleagues|others|more|sisters|brothers|sons|daughters)\\b`,
  "gi",
);
const GROUP = new RegExp(
  `\\b(?:family|party|group)\\s+of\\s+(${EXACT_COUNT})\\b|\\bwe(?:'re| are)\\s+(${EXACT_COUNT})\\b`,
  "i",
);
const PAIR = /\bcouple\b(?!\s+of)|\bus two\b|\bboth of us\b|\btwosome\b/i;
const ALONE =
  /\b(?:just|only)\s+(?:for\s+)?(?:me|myself)\b|\b(?:by|for) myself\b|\balone\b|\bsolo\b|\bon my own\b|\bme only\b|\bsingle (?:person|travell?er|guest)\b/i;
const FOR_COUNT = new RegExp(
  `\\bfor\\s+(${EXACT_COUNT})\\b(?!\\s*(?:%|nights?|days?|weeks?|months?|euros?|eur\\b|€|dollars?|stars?|rooms?|hotels?|am\\b|pm\\b|[-–/.:,]\\d))`,
  "i",
);
const BARE = new RegExp(
  `^\\W*(?:it'?s|we'?re|we are|just|only|for|there are|make it)?\\s*(${EXACT_COUNT})\\W*(?:please|thanks?|thank you)?\\W*$`,
  "i",
);

/** The number of people in `text`; `isAwaited` when it answers our question, so that a bare "2" counts. */
export function readGuests(text: string, isAwaited: boolean): number | undefined {
  const adults = total(text, ADULTS);
  const children = total(text, CHILDREN);
  if (adults !== undefined) return adults + (children ?? 0);
  const group = GROUP.exec(text);
  const counted = group?.[1] ?? group?.[2];
  if (counted !== undefined) return toCount(counted);
  const company = companions(text);
  if (company > 0 || children !== undefined)
    return company + (children ?? 0) + withMe(text, company);
  if (PAIR.test(text)) return 2;
  if (ALONE.test(text)) return 1;
  const plain = FOR_COUNT.exec(text)?.[1] ?? (isAwaited ? BARE.exec(text)?.[1] : undefined);
  if (plain !== undefined) return toCount(plain);
  return /\bfor me\b(?!\s+to)/i.test(text) ? 1 : undefined;
}

const OTHER =
  /\b(?:for|on behalf of) (?:my|our|a|the|another) (?:colleague|boss|manager|director|client|customer|guest speaker|visitor|employee|assistant)\b(?! and (?:me|myself|I)\b)/i;

/** Whether somebody else will stay there, and not who speaks. */
export function isForOther(text: string): boolean {
  return OTHER.test(text);
}

/** How many rooms, where somebody wants more than one. */
export function readRooms(text: string): number | undefined {
  const match = new RegExp(
    `\\b(${EXACT_COUNT})\\s+(?:(?:separate|double|single|twin)\\s+)?rooms\\b`,
    "i",
  ).exec(text);
  return match?.[1] === undefined ? undefined : toCount(match[1]);
}

function total(text: string, pattern: RegExp): number | undefined {
  const counts = [...text.matchAll(pattern)].map((match) => toCount(match[1] ?? ""));
  return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
}

/** "my wife" counts where it stands among people who travel, not in "my wife says …". */
function companions(text: string): number {
  const joined = new RegExp(
    `(?:\\b(?:with|for|and|plus|me,?)\\s+|[,&]\\s*)my\\s+(?:${RELATION})\\b|\\bmy\\s+(?:${RELATION})(?:\\s+and\\b|\\s*[,&])`,
    "gi",
  );
  const friends = total(text, FRIENDS) ?? 0;
  return (text.match(joined)?.length ?? 0) + friends;
}

function withMe(text: string, company: number): number {
  if (/\b(?:and|&)\s+(?:I|me|myself)\b|\b(?:I|me|myself)\s*(?:and|&|,)|\bwith\s+my\b/i.test(text))
    return 1;
  return company === 0 && /\b(?:me|we|us|with)\b/i.test(text) ? 1 : 0;
}
