/** Owns what makes a wish complete and possible: what is still missing, what cannot be. Pure. */
import { addDays, nightsBetween, spoken } from "./language/days.ts";
import { QUESTIONS } from "./sentences.ts";
import type { Wish } from "./wish.ts";

const GUESTS_MAX = 20;
const NIGHTS_MAX = 30;
const DAYS_AHEAD_MAX = 700;

export type Missing = "city" | "dates" | "checkIn" | "checkOut" | "guests";

/** Everything a search needs. */
export interface Stay {
  readonly city: string;
  readonly checkIn: string;
  readonly checkOut: string;
  readonly guests: number;
}

/** What to ask for, in the order people think of it. */
export function missing({ city, checkIn, checkOut, nights, guests }: Wish): readonly Missing[] {
  const hasEnd = checkOut !== undefined || nights !== undefined;
  const dates: readonly Missing[] =
    checkIn === undefined
      ? hasEnd
        ? ["checkIn"]
        : ["dates"]
      : checkOut === undefined
        ? ["checkOut"]
        : [];
  return [
    ...(city === undefined ? (["city"] as const) : []),
    ...dates,
    ...(guests === undefined ? (["guests"] as const) : []),
  ];
}

export function complete({ city, checkIn, checkOut, guests }: Wish): Stay | undefined {
  if (
    city === undefined ||
    checkIn === undefined ||
    checkOut === undefined ||
    guests === undefined
  ) {
    return undefined;
  }
  return { city, checkIn, checkOut, guests };
}

/** A kind sentence about what cannot be, or undefined. */
export function impossibility(wish: Wish, todayIso: string): string | undefined {
  if (wish.trouble?.kind === "impossible_day") {
    return `I can't find "${wish.trouble.text}" in the calendar. Please tell me ${QUESTIONS.dates}.`;
  }
  if (wish.trouble?.kind === "foreign_currency") {
    return "I only know prices in euros. Could you give me your limit in euros?";
  }
  if (wish.trouble?.kind === "many_rooms") {
    return `I book one room at a time, not ${wish.trouble.text}. For the first room, please tell me ${QUESTIONS.guests}.`;
  }
  return guestProblem(wish.guests) ?? dateProblem(wish, todayIso);
}

function guestProblem(guests: number | undefined): string | undefined {
  if (guests === undefined) return undefined;
  if (!Number.isInteger(guests) || guests < 1) {
    return `A room needs at least one guest. Please tell me ${QUESTIONS.guests}.`;
  }
  if (guests > GUESTS_MAX) {
    return `I can book for up to ${GUESTS_MAX} guests at a time, and ${guests} is more than that. For the first part of the group, please tell me ${QUESTIONS.guests}.`;
  }
  return undefined;
}

function dateProblem({ checkIn, checkOut, nights }: Wish, todayIso: string): string | undefined {
  if (nights !== undefined && nights < 1)
    return "A stay needs at least one night. How many shall it be?";
  if (checkIn === undefined) return undefined;
  if (checkIn < todayIso) {
    return `${spoken(checkIn)} is already in the past (today is ${spoken(todayIso)}). Please tell me ${QUESTIONS.dates}.`;
  }
  if (checkIn > addDays(todayIso, DAYS_AHEAD_MAX)) {
    return `${spoken(checkIn)} is too far ahead: hotels open their calendars about two years before. Please tell me ${QUESTIONS.dates}.`;
  }
  if (checkOut === undefined) return undefined;
  if (checkOut <= checkIn) {
    return `Your check-out (${spoken(checkOut)}) is not after your check-in (${spoken(checkIn)}). Please tell me ${QUESTIONS.dates}.`;
  }
  const count = nightsBetween(checkIn, checkOut);
  if (count > NIGHTS_MAX) {
    return `That would be ${count} nights, and I can book at most ${NIGHTS_MAX} at a time. Please tell me ${QUESTIONS.dates}.`;
  }
  return undefined;
}
