/**
 * Owns what the person has asked for so far: reads the conversation from its beginning, message by message, and
 * keeps the newest word on every point. A finished booking clears the table. Pure.
 * Refuses to own: how single words are read (`language/`), whether the stay is possible (`stay.ts`), what to do next.
 */
import type { Message } from "../../inference/types.ts";
import { findHotel } from "./hotel-names.ts";
import { readCity } from "./language/cities.ts";
import { readDates } from "./language/dates.ts";
import { addDays, nightsBetween, readSpokenStay } from "./language/days.ts";
import { isForOther, readGuests, readRooms } from "./language/guests.ts";
import {
  type Intent,
  isRetry,
  readIntent,
  readTalk,
  type Talk,
  wantsOtherThing,
} from "./language/intent.ts";
import {
  type Budget,
  readBudget,
  readNamedHotel,
  readPointer,
  readStars,
  readTaste,
  readUnwanted,
  type Stars,
} from "./language/wishes.ts";
import { HOTEL_NAME, isConfirmation, LIST_ENTRY, QUESTIONS } from "./sentences.ts";

/** Longer messages and older conversation are not read: bounded work for any input. */
const SAID_CHARS_MAX = 1_000;
const ANSWER_CHARS_MAX = 4_000;
const MESSAGES_MAX = 60;

/** How somebody chose, newest first in `Wish.picks`. `words` are kept for names that only an offer can confirm. */
export interface Pick {
  readonly words: string;
  /** Words about what it must not be. */
  readonly unwanted: string;
  readonly pointed?: string;
  readonly named?: string;
  readonly taste?: "cheapest" | "best";
}

export interface Wish {
  readonly intent?: Intent;
  readonly city?: string;
  readonly checkIn?: string;
  readonly checkOut?: string;
  readonly nights?: number;
  readonly guests?: number;
  /** Somebody else stays there. */
  readonly forOther?: true;
  readonly budget?: Budget;
  readonly stars?: Stars;
  readonly picks: readonly Pick[];
  /** What could not be understood as said; the newest message only. */
  readonly trouble?: {
    readonly kind: "impossible_day" | "foreign_currency" | "many_rooms";
    readonly text: string;
  };
}

export interface Reading {
  readonly wish: Wish;
  /** The newest message asks for something to be done about a hotel. */
  readonly isRequest: boolean;
  /** What the newest message is otherwise. */
  readonly talk: Talk;
}

interface Table {
  readonly wish: Wish;
  /** Hotels we listed last, in their order: what "the second one" points into. */
  readonly list: readonly string[];
  /** Hotels we ever named since the table was cleared. */
  readonly names: readonly string[];
  readonly asked: { readonly city: boolean; readonly dates: boolean; readonly guests: boolean };
}

const NOTHING_ASKED = { city: false, dates: false, guests: false };
const CLEAR: Table = { wish: { picks: [] }, list: [], names: [], asked: NOTHING_ASKED };

/** Reads `messages` up to and including the newest of the person. `todayIso` is `YYYY-MM-DD`. */
export function readConversation(messages: readonly Message[], todayIso: string): Reading {
  const said = messages
    .filter((message) => message.role === "user" || message.role === "assistant")
    .slice(-MESSAGES_MAX);
  let table = CLEAR;
  let reading: Reading = { wish: CLEAR.wish, isRequest: false, talk: "greeting" };
  for (const { role, content } of said) {
    if (role === "assistant") table = afterAnswer(table, content.slice(0, ANSWER_CHARS_MAX));
    else {
      const text = content.slice(0, SAID_CHARS_MAX).replace(/\s+/g, " ");
      reading = readMessage(text, table, todayIso);
      table = { ...table, wish: reading.wish };
    }
  }
  return reading;
}

/** What our own answer settles: a booking done, a list shown, a question put, "tomorrow" made a day. */
function afterAnswer(table: Table, text: string): Table {
  if (isConfirmation(text)) return CLEAR;
  if (text.trim() === "") return table;
  const stay = table.wish.checkIn === undefined ? undefined : readSpokenStay(text);
  return {
    wish: stay === undefined ? table.wish : { ...table.wish, ...stay },
    list: captured(text, LIST_ENTRY),
    names: [...new Set([...table.names, ...captured(text, HOTEL_NAME)])],
    asked: {
      city: text.includes(QUESTIONS.city),
      dates: text.includes(QUESTIONS.dates) || text.includes(QUESTIONS.checkOut),
      guests: text.includes(QUESTIONS.guests),
    },
  };
}

function captured(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

/** One message on top of what was known. */
function readMessage(text: string, table: Table, todayIso: string): Reading {
  const { wish: known, list, names, asked } = table;
  const { trouble: _old, ...before } = known;
  const talk = readTalk(text);
  if (talk === "drop") return { wish: CLEAR.wish, isRequest: false, talk };
  if (talk === "cancel_booking") return { wish: before, isRequest: false, talk };
  if (wantsOtherThing(text)) return { wish: before, isRequest: false, talk: "other_booking" };
  const facts = readFacts(text, table, todayIso);
  const { pick } = facts;
  const isAwaited = asked.city || asked.dates || asked.guests;
  // "Thanks, maybe tomorrow" closes a conversation; it moves no booking to tomorrow.
  const isUnderWay = Object.keys(before).length > 1 && (talk !== "thanks" || isAwaited);
  const isNaming = !text.includes("?") && findHotel(pick.words, names) !== undefined;
  const isPicking =
    pick.pointed !== undefined || isNaming || (list.length > 0 && pick.taste !== undefined);
  const hasFacts =
    tellsEnough(facts.said, isUnderWay) ||
    facts.trouble !== undefined ||
    (isUnderWay && (pick.taste !== undefined || pick.named !== undefined));
  const intent = readIntent(text, { hasFacts, isPicking });
  const isRequest = hasFacts || isPicking || intent !== undefined || (isUnderWay && isRetry(text));
  if (!isRequest) return { wish: before, isRequest, talk };
  const other = isForOther(text) ? ({ forOther: true } as const) : {};
  const wish = { ...merged(before, facts, intent ?? before.intent), ...other };
  return {
    wish: facts.trouble === undefined ? wish : { ...wish, trouble: facts.trouble },
    isRequest,
    talk,
  };
}

/** Out of the blue one lone number or day ("see you tomorrow") asks for nothing; a city does. */
function tellsEnough(said: Said, isUnderWay: boolean): boolean {
  const count = Object.keys(said).length;
  return said.city !== undefined || count >= (isUnderWay ? 1 : 2);
}

type Said = Omit<Wish, "picks" | "intent" | "trouble" | "forOther">;
interface Facts {
  readonly said: Said;
  readonly pick: Pick;
  readonly trouble: Wish["trouble"];
}

function readFacts(text: string, table: Table, todayIso: string): Facts {
  const { wish, asked, list } = table;
  const awaitedOut = asked.dates && wish.checkOut === undefined ? wish.checkIn : undefined;
  const dates = readDates(text, todayIso, awaitedOut);
  const budget = readBudget(dates.rest);
  const pointed = asked.guests
    ? undefined
    : (readPointer(dates.rest, list) ?? agreedOn(text, list));
  const guests = pointed === undefined ? readGuests(dates.rest, asked.guests) : undefined;
  const stars = readStars(dates.rest);
  const taste = readTaste(dates.rest);
  const isElse = guests !== undefined || pointed !== undefined || taste !== undefined;
  const city = readCity(dates.rest, asked.city && !isElse);
  const { wanted, unwanted } = readUnwanted(dates.rest);
  const named = readNamedHotel(wanted);
  const pick: Pick = {
    words: wanted,
    unwanted,
    ...(pointed === undefined ? {} : { pointed }),
    ...(named === undefined || named === city ? {} : { named }),
    ...(taste === undefined ? {} : { taste }),
  };
  const { rest: _rest, impossibleDay, ...days } = dates;
  const said: Said = {
    ...days,
    ...(city === undefined ? {} : { city }),
    ...(guests === undefined ? {} : { guests }),
    ...(stars === undefined ? {} : { stars }),
    ...(budget === undefined || budget === "foreign" ? {} : { budget }),
  };
  return { said, pick, trouble: troubleOf(impossibleDay, budget, readRooms(dates.rest) ?? 1) };
}

/** A plain yes to a list of one means that one. */
function agreedOn(text: string, list: readonly string[]): string | undefined {
  return list.length === 1 && readTalk(text) === "yes" ? list[0] : undefined;
}

function troubleOf(
  impossibleDay: string | undefined,
  budget: Budget | "foreign" | undefined,
  rooms: number,
): Wish["trouble"] {
  if (impossibleDay !== undefined) return { kind: "impossible_day", text: impossibleDay };
  if (rooms > 1) return { kind: "many_rooms", text: String(rooms) };
  return budget === "foreign" ? { kind: "foreign_currency", text: "" } : undefined;
}

function merged(before: Wish, { said, pick }: Facts, intent: Intent | undefined): Wish {
  const { checkIn: _in, checkOut: _out, nights: _nights, ...others } = said;
  const { checkIn: _oldIn, checkOut: _oldOut, nights: _oldNights, ...kept } = before;
  const isElsewhere =
    said.city !== undefined && before.city !== undefined && said.city !== before.city;
  return {
    ...kept,
    ...others,
    ...mergedStay(before, said),
    ...(intent === undefined ? {} : { intent }),
    picks: [pick, ...(isElsewhere ? [] : before.picks)],
  };
}

/** A lone day after a lone check-in is the check-out; a new check-in keeps the length of the stay. */
function mergedStay(before: Said, said: Said): Dates {
  const { checkIn, checkOut, nights } = said;
  if (checkIn !== undefined && checkOut !== undefined) return { checkIn, checkOut };
  if (checkIn !== undefined) {
    const awaitsEnd =
      before.checkIn !== undefined && before.checkOut === undefined && before.nights === undefined;
    if (awaitsEnd && nights === undefined && checkIn > before.checkIn) {
      return { checkIn: before.checkIn, checkOut: checkIn };
    }
    return lasting(checkIn, nights ?? before.nights ?? lengthOf(before));
  }
  const start = before.checkIn;
  if (checkOut !== undefined)
    return start === undefined ? { checkOut } : { checkIn: start, checkOut };
  if (nights !== undefined) return start === undefined ? { nights } : lasting(start, nights);
  return stayOf(before);
}

type Dates = { readonly checkIn?: string; readonly checkOut?: string; readonly nights?: number };

function stayOf({ checkIn, checkOut, nights }: Said): Dates {
  return {
    ...(checkIn === undefined ? {} : { checkIn }),
    ...(checkOut === undefined ? {} : { checkOut }),
    ...(nights === undefined ? {} : { nights }),
  };
}

function lasting(checkIn: string, nights: number | undefined): Dates {
  return nights === undefined ? { checkIn } : { checkIn, checkOut: addDays(checkIn, nights) };
}

function lengthOf({ checkIn, checkOut }: Said): number | undefined {
  if (checkIn === undefined || checkOut === undefined) return undefined;
  return nightsBetween(checkIn, checkOut);
}
