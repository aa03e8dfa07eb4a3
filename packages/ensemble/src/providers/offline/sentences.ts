/**
 * Owns every sentence the offline model says about hotels, and the few marks by which it recognises its own
 * sentences in a later turn. Names and reasons from outside are shown as data: one line, bounded, without Markdown.
 */
import { nightsBetween, spokenStay } from "./language/days.ts";
import type { Confirmation, Offer, SearchResult } from "./observations.ts";
import type { Missing, Stay } from "./stay.ts";

/** Parts of a question; when one stands in our last answer, a bare reply is read as its answer. */
export const QUESTIONS = {
  city: "which city you would like to stay in",
  dates: "your check-in and check-out dates",
  checkIn: "the day you check in",
  checkOut: "the day you check out (or how many nights)",
  guests: "how many guests are coming",
} as const satisfies Record<Missing, string>;

/** `1. **Casa do Rossio** …` */
export const LIST_ENTRY = /^\d+\. \*\*(.+?)\*\*/gm;
/** Any `**Casa do Rossio**` of ours. */
export const HOTEL_NAME = /\*\*([^*\n]{3,80})\*\*/g;

const LIST_MAX = 10;
const QUOTE_CHARS_MAX = 240;

/** True for our own sentence about a finished booking. */
export function isConfirmation(text: string): boolean {
  return /Done! .*Confirmation code: `[^`]+`/s.test(text);
}

export function askFor(missing: readonly Missing[], city: string | undefined): string {
  const parts = missing.map((one) => QUESTIONS[one]);
  const last = parts.at(-1) ?? "";
  const list = parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${last}` : last;
  const about = city === undefined ? "" : ` in ${safe(city)}`;
  return `Happy to help you find a hotel${about}. Please tell me ${list}.`;
}

export function searching({ city, checkIn, checkOut, guests }: Stay): string {
  return `Let me look at hotels in ${safe(city)} for ${spokenStay(checkIn, checkOut)}, ${people(guests)}.`;
}

export function drafting(offer: Offer, nights: number): string {
  return `**${safe(offer.hotel_name)}** fits: ${offer.stars}★, ${safe(offer.room_type)} room, ${money(offer.total_amount, offer.currency)} for ${plural(nights, "night")}. I'll prepare the booking.`;
}

export function confirming(draft: {
  hotel_name: string;
  total_amount: number;
  currency: string;
}): string {
  return `The booking for **${safe(draft.hotel_name)}** is prepared at ${money(draft.total_amount, draft.currency)}. I'll ask for it to be confirmed now.`;
}

export function confirmed(booking: Confirmation): string {
  return [
    `Done! **${safe(booking.hotel_name)}** in ${safe(booking.city)} is booked.`,
    "",
    `- Dates: ${spokenStay(booking.check_in, booking.check_out)} (${plural(nightsBetween(booking.check_in, booking.check_out), "night")})`,
    `- Guests: ${booking.guests}`,
    `- Total: ${money(booking.total_amount, booking.currency)}`,
    `- Confirmation code: \`${safe(booking.confirmation_code)}\``,
  ].join("\n");
}

/** The offers as a numbered list. `canBook` decides whether the question at the end is asked. */
export function offerList(
  result: SearchResult,
  offers: readonly Offer[],
  canBook: boolean,
): string {
  const shown = offers.slice(0, LIST_MAX).map(offerLine);
  const more = offers.length > LIST_MAX ? [`…and ${offers.length - LIST_MAX} more.`] : [];
  const stay = spokenStay(result.check_in, result.check_out);
  return [
    `Hotels in ${safe(result.city)}, ${stay} (${plural(result.nights, "night")}, ${people(result.guests)}):`,
    "",
    ...shown,
    ...more,
    "",
    canBook
      ? 'Which one shall I book? You can say a name or "the second one".'
      : "I have no tool to book one in this conversation.",
  ].join("\n");
}

function offerLine(offer: Offer, index: number): string {
  return `${index + 1}. **${safe(offer.hotel_name)}** (${offer.stars}★, ${safe(offer.room_type)} room): ${money(offer.price_per_night, offer.currency)} a night, ${money(offer.total_amount, offer.currency)} in total`;
}

export function noSuchCity(result: SearchResult): string {
  const cities = (result.known_cities ?? []).slice(0, 40).map(safe);
  return `I have no hotels in "${safe(result.city)}". There are hotels in ${cities.join(", ")}. Please tell me ${QUESTIONS.city}.`;
}

export function nothingFree(result: SearchResult): string {
  const stay = spokenStay(result.check_in, result.check_out);
  return `No hotel in ${safe(result.city)} has a room for ${people(result.guests)} from ${stay}: they are sold out, or have no room that large. Would other dates, fewer guests to a room or another city do?`;
}

export function notOffered(name: string, city: string): string {
  return `I couldn't find "${safe(name)}" among the hotels available in ${safe(city)}, so I have booked nothing.`;
}

export function overBudget(cheapest: Offer, amount: number, per: "stay" | "night"): string {
  const limit = `${money(amount, cheapest.currency)}${per === "night" ? " a night" : ""}`;
  return `Nothing suitable is within ${limit}: the lowest price is ${money(cheapest.total_amount, cheapest.currency)} in total at **${safe(cheapest.hotel_name)}**. I have booked nothing.`;
}

export function noSuchStars(count: number): string {
  return `None of the available hotels has the ${count}★ you asked for, so I have booked nothing.`;
}

export function people(count: number): string {
  return plural(count, "guest");
}

export function money(amount: number, currency: string): string {
  return `${amount.toFixed(2)} ${safe(currency)}`;
}

/** Text from outside, fit to stand inside a sentence of ours. */
export function safe(text: string): string {
  const line = text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .replace(/[*`[\]<>|\\]/g, "")
    .trim();
  return line.length > QUOTE_CHARS_MAX ? `${line.slice(0, QUOTE_CHARS_MAX)}…` : line;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
