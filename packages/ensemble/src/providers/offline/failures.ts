/**
 * Owns how a failed tool call is told: truthfully, in terms of what the person asked, with a next step. The words of
 * the error are quoted, never followed. Pure.
 */
import type { Observation } from "./observations.ts";
import { safe } from "./sentences.ts";

type Kind =
  | "rejected"
  | "expired_approval"
  | "expired_offer"
  | "denied"
  | "sold_out"
  | "cancelled"
  | "vendor"
  | "other";

const DOING: Readonly<Record<string, string>> = {
  hotel_search: "search for hotels",
  hotel_draft: "prepare the booking",
  hotel_confirm: "confirm the booking",
};

/** What happened to `observation.call`, and what the person can do now. */
export function explainFailure(observation: Observation): string {
  const kind = kindOf(observation);
  const said = safe(observation.error?.message ?? "").replace(/[.\s]+$/, "");
  const reason = said === "" ? "" : ` The reason given: "${said}".`;
  const doing = DOING[observation.call.name] ?? `finish ${safe(observation.call.name)}`;
  return `${whatHappened(kind, doing)}${reason} ${whatNow(kind, observation.call.name)}`;
}

function kindOf({ status, error }: Observation): Kind {
  const about = `${error?.class ?? ""} ${error?.message ?? ""}`.toLowerCase();
  if (/quote.?expired|quote has expired|offer.?expired/.test(about)) return "expired_offer";
  if (/reject/.test(about)) return "rejected";
  if (status === "expired" || /approval.*expired|expired.*approval/.test(about))
    return "expired_approval";
  if (/policy|denied|forbidden|not allowed|not permitted|unauthori[sz]ed/.test(about))
    return "denied";
  if (/sold.?out|no (?:rooms?|availability)/.test(about)) return "sold_out";
  if (status === "cancelled") return "cancelled";
  if (
    /vendor|connector|timeout|timed out|unavailable|network|connect|rate.?limit|transient|external/.test(
      about,
    )
  ) {
    return "vendor";
  }
  return "other";
}

function whatHappened(kind: Kind, doing: string): string {
  const sentences: Readonly<Record<Kind, string>> = {
    rejected: "The approver rejected the booking, so it was not made.",
    expired_approval: "Nobody decided on the booking in time, so it was not made.",
    expired_offer: "The hotel's price offer ran out before the booking was made.",
    denied: `The rules here do not allow me to ${doing}.`,
    sold_out: "That room has just sold out.",
    cancelled: `The request to ${doing} was cancelled before it was done.`,
    vendor: `The hotel's reservation system failed when I tried to ${doing}.`,
    other: `I could not ${doing}.`,
  };
  return sentences[kind];
}

function whatNow(kind: Kind, tool: string): string {
  if (kind === "rejected") {
    return 'I can try a cheaper one (say "the cheapest"), another hotel, or other dates.';
  }
  if (kind === "expired_approval" || kind === "expired_offer") {
    return 'Say "try again" and I will ask anew at the current price.';
  }
  if (kind === "denied")
    return "Somebody with more rights would have to ask, or the rules would have to change.";
  if (kind === "sold_out")
    return 'Say "show me the options" and I will look for what is still free.';
  if (kind === "cancelled")
    return 'Nothing more will happen by itself; say "try again" if you still want it.';
  if (tool === "hotel_confirm") {
    return "I cannot say for certain that the hotel recorded nothing; the record of this request shows what was sent and answered. Please check it before trying again.";
  }
  return 'Nothing was booked. Say "try again" to repeat it.';
}
