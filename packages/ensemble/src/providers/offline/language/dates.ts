/**
 * Owns the reading of a stay's dates from one message: days and ranges by chrono-node (day before month, as
 * Europe writes it; always the next such day), lengths ("two nights", "a week") by rule. Pure: today is passed in.
 * Refuses to own: whether the dates make sense together; see `stay.ts`.
 */
import { en, type ParsedComponents, type ParsedResult } from "chrono-node";
import { addDays, longestMonth, nextDayOfMonth, weekdayOf } from "./days.ts";
import { COUNT, toCount } from "./words.ts";

export interface DateWords {
  readonly checkIn?: string;
  readonly checkOut?: string;
  readonly nights?: number;
  /** A day that no calendar has, as the person wrote it. */
  readonly impossibleDay?: string;
  /** The message without the words that were understood here. */
  readonly rest: string;
}

const MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec";
const MONTH_NAME =
  "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?";
const MONTH_FIRST = `(?<!\\d(?:st|nd|rd|th)?\\s+(?:of\\s+)?)\\b(${MONTH_NAME})\\.?\\s+(\\d{1,2})(?:st|nd|rd|th)?`;
/** "Dec 27 to 30": without help the European parser takes 27 for a year. */
const MONTH_FIRST_RANGE = new RegExp(
  `${MONTH_FIRST}\\s*(?:to|until|till|-|–|—)\\s*(\\d{1,2})(?:st|nd|rd|th)?\\b(?!\\s*(?:${MONTH_NAME})\\b)`,
  "gi",
);
const MONTH_FIRST_DAY = new RegExp(`${MONTH_FIRST}\\b`, "gi");
/** 03.03.-05.03.2027 */
const DOTTED_RANGE = /\b(\d{2})\.(\d{2})\.?\s*(?:-|–|to)\s*(\d{2})\.(\d{2})\.(20\d\d)\b/g;
const NEXT_DAY = /\bthe (?:day after|next day|following day)\b(?!\s+tomorrow)/i;
const NIGHTS = new RegExp(`\\b(?:for\\s+)?(${COUNT}|couple of)[\\s-]*nights?\\b`, "i");
const WEEKS = /\bfor\s+(a|one|two|three|1|2|3)\s+(?:whole\s+)?weeks?\b/i;
const LEAVING =
  /\b(?:until|till|to|out|leav\w*|depart\w*|return\w*|back|ends?|ending)\W+(?:on\W+|by\W+|the\W+)*$/i;
const ORDINAL_RANGE =
  /\b(\d{1,2})(?:st|nd|rd|th)?\s*(?:to|until|till|-|–|—)\s*(\d{1,2})(?:st|nd|rd|th)\b/i;
/** Where "3 March 2 guests" must be parted, or the parser reads "March 2". */
const BEFORE_COUNT =
  /\s+(?=\d{1,2}\s+(?:guests?|people|persons?|adults?|kids?|children|nights?|stars?)\b)/gi;
const LENGTH_OF_YEAR_DAYS = 365;

/** What `text` says about dates. `after` is the known check-in when a lone day is awaited as the check-out. */
export function readDates(text: string, todayIso: string, after?: string): DateWords {
  const length = readLength(text);
  const plain = normalised(length.rest, todayIso);
  const impossible = impossibleDay(plain);
  if (impossible !== undefined) return { impossibleDay: impossible, rest: plain };
  const results = en.GB.parse(plain, reference(todayIso), { forwardDate: true }).filter(namesDay);
  const days =
    results.length > 0 ? fromResults(results, plain) : fromOrdinals(plain, todayIso, after);
  const nights = length.nights === undefined ? {} : { nights: length.nights };
  return { ...days, ...nights, rest: withoutSpans(plain, results) };
}

function readLength(text: string): { nights?: number; rest: string } {
  const nights = NIGHTS.exec(text);
  if (nights?.[1] !== undefined) {
    const count = /couple/i.test(nights[1]) ? 2 : toCount(nights[1]);
    // "140 a night" is a price, and "a night" alone says nothing sure about the length.
    if (!/^an?$/i.test(nights[1]) || /for\s+a\s+night/i.test(nights[0])) {
      return { nights: count, rest: text.replace(nights[0], " ; ") };
    }
  }
  if (NEXT_DAY.test(text)) return { nights: 1, rest: text.replace(NEXT_DAY, " ; ") };
  const weeks = WEEKS.exec(text);
  if (weeks?.[1] === undefined) return { rest: text };
  return { nights: 7 * toCount(weeks[1]), rest: text.replace(weeks[0], " ; ") };
}

/** Rewrites what chrono does not know into what it does. */
function normalised(text: string, todayIso: string): string {
  return text
    .replace(/,(?!\s*20\d\d|\d{3})/g, " ; ")
    .replace(BEFORE_COUNT, " ; ")
    .replace(/\bthe\s+(?=\d{1,2}(?:st|nd|rd|th)\b)/gi, "")
    .replace(/\bbetween\b(.{1,24}?)\band\b/gi, "$1 to ")
    .replace(/\b(?:until|till|through|thru)\b/gi, "to")
    .replace(DOTTED_RANGE, "$5-$2-$1 to $5-$4-$3")
    .replace(MONTH_FIRST_RANGE, "$2 to $3 $1")
    .replace(MONTH_FIRST_DAY, "$2 $1")
    .replace(/\bfrom\s+(?=\d)/gi, " ")
    .replace(
      /(\d{1,2})\.\s*(?=[-–]|(?:to\s)|(?:\d{1,2}\.?\s*)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec))/gi,
      "$1 ",
    )
    .replace(/\b(?:(?:on|over|for)\s+)?(?:(this|next|the|coming)\s+)*weekend\b/i, (_all, which) =>
      weekend(String(which ?? ""), todayIso),
    );
}

/** Friday to Sunday; from Saturday on when Friday is over. */
function weekend(which: string, todayIso: string): string {
  const weekday = weekdayOf(todayIso);
  const sunday = addDays(todayIso, (7 - weekday) % 7);
  const shift = which.toLowerCase() === "next" ? 7 : 0;
  const friday = addDays(sunday, -2);
  const start = friday < todayIso ? todayIso : friday;
  const starts = shift > 0 ? friday : start;
  if (starts === sunday && shift === 0) return weekend("next", todayIso);
  return `${addDays(starts, shift)} to ${addDays(sunday, shift)}`;
}

/** Noon of today on the machine's own clock face: chrono then reckons in one zone, whichever that is. */
function reference(todayIso: string): Date {
  const [year = 0, month = 1, day = 1] = todayIso.split("-").map(Number);
  return new Date(year, month - 1, day, 12);
}

/** "next week", "for 3 days" or "at 5" name no day that could be booked. */
function namesDay({ text, start }: ParsedResult): boolean {
  if (/\b(?:quarters?|seconds?|minutes?|mins?|hours?|now)\b/i.test(text)) return false;
  if (/\b(?:days?|weeks?|months?|years?)\b/i.test(text)) {
    return /\b(?:in|after|from|later|ago)\b/i.test(text);
  }
  return start.isCertain("day") || start.isCertain("weekday");
}

function fromResults(results: readonly ParsedResult[], text: string) {
  const range = results.find((result) => result.end);
  if (range?.end) {
    const checkIn = isoOf(range.start);
    return { checkIn, checkOut: unwrapped(checkIn, isoOf(range.end), text) };
  }
  const isLeaving = (result: ParsedResult) => LEAVING.test(text.slice(0, result.index));
  const leaving = results.find(isLeaving);
  const arriving = results.find((result) => !isLeaving(result));
  const second = results.find((result) => result !== arriving && !isLeaving(result));
  const last = leaving ?? second;
  return {
    ...(arriving === undefined ? {} : { checkIn: isoOf(arriving.start) }),
    ...(last === undefined ? {} : { checkOut: isoOf(last.start) }),
  };
}

/** "5 March to 3 March" is a slip, not a stay of a year: the parser's extra year is taken back. */
function unwrapped(checkIn: string, checkOut: string, text: string): string {
  const isLong = checkOut > addDays(checkIn, LENGTH_OF_YEAR_DAYS / 2);
  if (!isLong || /\b20\d\d\b/.test(text)) return checkOut;
  return `${Number(checkOut.slice(0, 4)) - 1}${checkOut.slice(4)}`;
}

/** "the 3rd to the 5th" without a month: the next such days. */
function fromOrdinals(text: string, todayIso: string, after: string | undefined) {
  const range = ORDINAL_RANGE.exec(text);
  if (range?.[1] !== undefined) {
    const checkIn = nextDayOfMonth(Number(range[1]), todayIso);
    const checkOut = checkIn === undefined ? undefined : nextDayOfMonth(Number(range[2]), checkIn);
    return checkIn === undefined || checkOut === undefined ? {} : { checkIn, checkOut };
  }
  const single = after === undefined ? null : /\b(\d{1,2})(?:st|nd|rd|th)\b/i.exec(text);
  if (single === null || after === undefined) return {};
  const checkOut = nextDayOfMonth(Number(single[1]), addDays(after, 1));
  return checkOut === undefined ? {} : { checkOut };
}

function impossibleDay(text: string): string | undefined {
  const pattern = new RegExp(
    `\\b(\\d{1,2})(?:st|nd|rd|th)?\\s+(?:of\\s+)?(${MONTH})\\w*|\\b(${MONTH})\\w*\\s+(\\d{1,2})(?:st|nd|rd|th)?\\b(?!\\s*(?:guests?|people|nights?|adults?))|\\b\\d{4}-(\\d{2})-(\\d{2})\\b`,
    "gi",
  );
  for (const match of text.matchAll(pattern)) {
    const name = (match[2] ?? match[3] ?? "").toLowerCase();
    const month = match[5] === undefined ? MONTH.split("|").indexOf(name) + 1 : Number(match[5]);
    const day = Number(match[1] ?? match[4] ?? match[6]);
    if (month < 1 || month > 12 || day < 1 || day > longestMonth(month)) return match[0].trim();
  }
  return undefined;
}

function isoOf(components: ParsedComponents): string {
  const part = (name: "month" | "day") => String(components.get(name) ?? 1).padStart(2, "0");
  return `${String(components.get("year") ?? 0).padStart(4, "0")}-${part("month")}-${part("day")}`;
}

function withoutSpans(text: string, results: readonly ParsedResult[]): string {
  return results.reduceRight(
    (rest, result) =>
      `${rest.slice(0, result.index)} ; ${rest.slice(result.index + result.text.length)}`,
    text,
  );
}
