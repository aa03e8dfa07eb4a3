/** Owns what somebody wants done: book, look, drop it, or just talk. Pure; one message at a time. */

export type Intent = "book" | "list";

/** Said without wanting a hotel. */
export type Talk =
  | "greeting"
  | "thanks"
  | "praise"
  | "about"
  | "feelings"
  | "cancel_booking"
  | "other_booking"
  | "drop"
  | "yes"
  | "no"
  | "unknown";

const HOTEL =
  /\bhotels?\b|\brooms?\b|\baccommodation\b|\bplaces? to stay\b|\bsomewhere to stay\b|\bstay\b|\bhostels?\b|\binn\b|\boffers?\b|\boptions?\b/i;
const NOT_BOOKING =
  /\b(?:don'?t|do not|not|without|before|no need to|never)\s+(?:\w+\s+){0,2}book/i;
const QUESTION =
  /^\W*(?:what|which|how (?:do|can|does|would)|are there|is there|do you (?:have|know)|how much|have you|can you (?:show|list|find|tell)|could you (?:show|list|find|tell)|where)\b/i;
const STRONG_BOOK = /\b(?:re-?)?book(?:ing)?\b|\breserv(?:e|ation)\b/i;
const READ_A_BOOK = /\b(?:read\w*|good|this|that|my|wrote|novel)\s+(?:a\s+)?book\b/i;
const WEAK_BOOK =
  /\b(?:need|want|would like|i'd like|get me|get us|i'?ll take|i will take|take|go (?:with|for|ahead)|choose|pick|make it)\b/i;
const LOOK =
  /\b(?:show|list|compare|comparison|what|which|see|any|available|availability|options|offers|recommend\w*|suggest\w*|how much|prices?|search\w*|look\w*|find|tell me|check)\b/i;

/** `hasFacts`: the message also carries a city, a date, a wish. `isPicking`: it points into a list we showed. */
export function readIntent(
  text: string,
  { hasFacts, isPicking }: { hasFacts: boolean; isPicking: boolean },
): Intent | undefined {
  const isAboutHotels = HOTEL.test(text) || hasFacts;
  if (NOT_BOOKING.test(text)) return "list";
  if (QUESTION.test(text)) return isAboutHotels ? "list" : undefined;
  if (STRONG_BOOK.test(text) && !READ_A_BOOK.test(text)) return "book";
  if (isPicking) return "book";
  if (!isAboutHotels) return undefined;
  if (LOOK.test(text)) return "list";
  return WEAK_BOOK.test(text) ? "book" : undefined;
}

/** True for "try again" and its kin: the last request as it was. */
export function isRetry(text: string): boolean {
  return /\b(?:try|do it|once)\s+(?:it\s+|that\s+)?(?:again|more)\b|^\W*(?:again|retry|go ahead|do it|proceed)\b/i.test(
    text,
  );
}

const OTHER_THINGS =
  /\b(?:flights?|trains?|car|taxi|restaurants?|tables?|tickets?|cruise|bus|museum|ferry)\b/i;
const WANTS = /\b(?:book|reserve|find|get|need|want)\b/i;

/** In this order: the first that fits is meant. */
const TALK: readonly (readonly [RegExp, Talk])[] = [
  [/\bcancel\b.*\b(?:booking|reservation|hotel|room|stay)\b/i, "cancel_booking"],
  [/\bnever ?mind\b|\bforget (?:it|that|about it)\b|\bstart (?:over|again)\b/i, "drop"],
  [/^\W*(?:cancel|stop|abort)\b/i, "drop"],
  [/\bthank(?:s| you)?\b|\bcheers\b|\bobrigad[oa]\b/i, "thanks"],
  [/^\W*(?:perfect|great|excellent|wonderful|lovely)\W*$/i, "praise"],
  [/\bhow are you\b|\bhow(?:'s| is) it going\b/i, "feelings"],
  [/\bhelp\b|\b(?:what|who) are you\b|\bare you\b|\bcan you do\b|\bwhich model\b/i, "about"],
  [/\bwhat can you\b|\bhow do(?:es)? (?:this|it|i|you)\b/i, "about"],
  [/^\W*(?:hi|hiya|hello|hey|good (?:morning|afternoon|evening|day)|hola|bom dia)\b/i, "greeting"],
  [/^\W*(?:yes|yep|yeah|sure|ok|okay|please)\b/i, "yes"],
  [/^\W*(?:no|nope|nah|not now)\b/i, "no"],
];

/** What kind of talk a message is when nothing in it asks for a hotel. */
export function readTalk(text: string): Talk {
  return TALK.find(([pattern]) => pattern.test(text))?.[1] ?? "unknown";
}

/** True when a message is about booking something that is no hotel. */
export function wantsOtherThing(text: string): boolean {
  return OTHER_THINGS.test(text) && !HOTEL.test(text) && WANTS.test(text);
}
