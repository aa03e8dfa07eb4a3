/**
 * Owns the arithmetic of a stay: which nights it has, what it costs, which room fits. Pure: no clock, no store.
 * Dates are `YYYY-MM-DD`; amounts are integer cents until they leave through `decimal`.
 */
import type { Hotel, RoomType } from "./catalog.ts";

const DAY_MS = 86_400_000;
export const NIGHTS_MAX = 60;
/** How far ahead the vendor sells. */
export const DAYS_AHEAD_MAX = 730;

export interface Stay {
  readonly check_in: string;
  readonly check_out: string;
  readonly guests: number;
}

/** True for a day that exists: 2027-02-30 is refused. */
export function isDay(text: string): boolean {
  const parsed = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return !Number.isNaN(parsed) && dayOf(parsed) === text;
}

/** The UTC day of an instant. */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

export function nightsBetween(checkIn: string, checkOut: string): number {
  return Math.round((Date.parse(checkOut) - Date.parse(checkIn)) / DAY_MS);
}

/** The evenings of the stay: check-in included, check-out not. */
export function nightsOf(stay: Stay): readonly string[] {
  const first = Date.parse(stay.check_in);
  const count = nightsBetween(stay.check_in, stay.check_out);
  return Array.from({ length: count }, (_, index) => dayOf(first + index * DAY_MS));
}

/** What is wrong with the dates, or undefined. */
export function dateProblem(stay: Stay, today: string): string | undefined {
  const nights = nightsBetween(stay.check_in, stay.check_out);
  if (nights < 1) return `check_out (${stay.check_out}) must be after check_in (${stay.check_in}).`;
  if (nights > NIGHTS_MAX)
    return `A stay has at most ${NIGHTS_MAX} nights; this one has ${nights}.`;
  if (stay.check_in < today)
    return `check_in (${stay.check_in}) is in the past; today is ${today}.`;
  if (nightsBetween(today, stay.check_in) > DAYS_AHEAD_MAX) {
    return `Rooms are sold at most ${DAYS_AHEAD_MAX} days ahead; check_in is ${stay.check_in}.`;
  }
  return undefined;
}

/** Room types that hold the guests, cheapest first. */
export function fittingRooms(hotel: Hotel, guests: number): readonly RoomType[] {
  return hotel.roomTypes
    .filter((room) => room.guestsMax >= guests)
    .toSorted((a, b) => a.pricePerNightCents - b.pricePerNightCents);
}

export function totalCents(room: RoomType, stay: Stay): number {
  return room.pricePerNightCents * nightsBetween(stay.check_in, stay.check_out);
}

/** Cents as the decimal number that goes over the wire. */
export function decimal(cents: number): number {
  return cents / 100;
}

/** Folds case, accents and punctuation, so that "lisbon" and "Lisbon " are one city. */
export function folded(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
}
