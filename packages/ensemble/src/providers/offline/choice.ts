/** Owns the choice among offers: what the person named or pointed at, else their taste, within their limits. Pure. */
import { findHotel } from "./hotel-names.ts";
import { folded } from "./language/words.ts";
import type { Offer } from "./observations.ts";
import type { Pick, Wish } from "./wish.ts";

export type Choice =
  | { readonly kind: "chosen"; readonly offer: Offer }
  /** The person named a house that is not on offer. */
  | { readonly kind: "not_offered"; readonly name: string }
  /** Everything costs more than the person wants to pay. */
  | { readonly kind: "over_budget"; readonly cheapest: Offer }
  /** No house has the stars that were asked for. */
  | { readonly kind: "no_such_stars" }
  | { readonly kind: "nothing" };

export function choose(offers: readonly Offer[], wish: Wish, nights: number): Choice {
  const names = [...new Set(offers.map((offer) => offer.hotel_name))];
  const taste = newestTaste(wish.picks, names);
  if (taste.kind === "not_offered") return taste;
  const wanted =
    taste.kind === "named"
      ? offers.filter((offer) => offer.hotel_name === taste.name)
      : offers.filter((offer) => !isUnwanted(offer, wish.picks, names));
  const roomy = ofRoomType(wanted, wish.picks);
  const [cheapest] = roomy.toSorted(byPrice);
  if (cheapest === undefined) return { kind: "nothing" };
  const affordable = roomy.filter((offer) => isWithin(offer, wish, nights));
  if (affordable.length === 0) return { kind: "over_budget", cheapest };
  if (taste.kind === "named") return first(affordable.toSorted(byPrice));
  const starred = affordable.filter((offer) => hasStars(offer, wish));
  if (starred.length === 0) return { kind: "no_such_stars" };
  return first(starred.toSorted(taste.kind === "cheapest" ? byPrice : byStars));
}

/** The offers of houses within the limits, one a house, cheapest first; all of them when none is within. */
export function shortlist(offers: readonly Offer[], wish: Wish, nights: number): readonly Offer[] {
  const within = offers.filter((offer) => isWithin(offer, wish, nights) && hasStars(offer, wish));
  const pool = ofRoomType(within.length > 0 ? within : offers, wish.picks).toSorted(byPrice);
  return pool.filter(
    (offer, index) => pool.findIndex((other) => other.hotel_name === offer.hotel_name) === index,
  );
}

type Taste =
  | { readonly kind: "named"; readonly name: string }
  | { readonly kind: "not_offered"; readonly name: string }
  | { readonly kind: "cheapest" | "best" };

/** The newest message that says anything about the choice decides. */
function newestTaste(picks: readonly Pick[], names: readonly string[]): Taste {
  for (const { words, pointed, named, taste } of picks) {
    const name = findHotel(pointed ?? words, names);
    if (name !== undefined) return { kind: "named", name };
    const absent = pointed ?? named;
    if (absent !== undefined) return { kind: "not_offered", name: absent };
    if (taste !== undefined) return { kind: taste };
  }
  return { kind: "best" };
}

function isUnwanted(offer: Offer, picks: readonly Pick[], names: readonly string[]): boolean {
  return picks.some(({ unwanted }) => findHotel(unwanted, names) === offer.hotel_name);
}

/** "a family room", "the suite": only where somebody says so, and only if it is on offer. */
function ofRoomType(offers: readonly Offer[], picks: readonly Pick[]): readonly Offer[] {
  const said = picks.map((pick) => ` ${folded(pick.words)} `).join(" ");
  const asked = offers.filter(({ room_type }) => {
    const type = folded(room_type);
    return said.includes(` ${type} room`) || (type === "suite" && said.includes(" suite "));
  });
  return asked.length > 0 ? asked : offers;
}

function isWithin(offer: Offer, { budget }: Wish, nights: number): boolean {
  if (budget === undefined) return true;
  const price =
    budget.per === "night" ? offer.total_amount / Math.max(nights, 1) : offer.total_amount;
  return price <= budget.amount;
}

function hasStars(offer: Offer, { stars }: Wish): boolean {
  if (stars === undefined) return true;
  return stars.orMore ? offer.stars >= stars.count : offer.stars === stars.count;
}

function byPrice(a: Offer, b: Offer): number {
  return a.total_amount - b.total_amount || b.stars - a.stars;
}

function byStars(a: Offer, b: Offer): number {
  return b.stars - a.stars || a.total_amount - b.total_amount;
}

function first(offers: readonly Offer[]): Choice {
  const [offer] = offers;
  return offer === undefined ? { kind: "nothing" } : { kind: "chosen", offer };
}
