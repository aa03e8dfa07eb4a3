/**
 * Owns the reading of a city from one message: a list of well-known names (any case, with other-language names),
 * then the words after "in" or "to". Which cities a vendor really serves is the vendor's to say. Pure.
 */
import { folded } from "./words.ts";

const NAMES =
  "Amsterdam|Antwerp|Athens|Barcelona|Belfast|Belgrade|Berlin|Bern|Bilbao|Bologna|Bordeaux|Boston|Bratislava|Bruges|Brussels|Bucharest|Budapest|Cairo|Chicago|Cologne|Copenhagen|Dresden|Dubai|Dublin|Dubrovnik|Edinburgh|Faro|Florence|Frankfurt|Geneva|Genoa|Ghent|Glasgow|Gothenburg|Granada|Hamburg|Helsinki|Istanbul|Krakow|Leipzig|Lille|Lisbon|Liverpool|Ljubljana|London|Los Angeles|Luxembourg|Lyon|Madrid|Malaga|Manchester|Marseille|Miami|Milan|Montreal|Moscow|Munich|Naples|New York|Oslo|Palermo|Palma|Paris|Porto|Prague|Reykjavik|Riga|Rome|Rotterdam|Salzburg|San Francisco|San Sebastian|Seville|Singapore|Sofia|Stockholm|Stuttgart|Sydney|Tallinn|The Hague|Tokyo|Toronto|Toulouse|Turin|Valencia|Venice|Verona|Vienna|Vilnius|Warsaw|Zagreb|Zurich".split(
    "|",
  );

const OTHER_NAMES: Readonly<Record<string, string>> = {
  lisboa: "Lisbon",
  lissabon: "Lisbon",
  oporto: "Porto",
  wien: "Vienna",
  roma: "Rome",
  munchen: "Munich",
  koln: "Cologne",
  milano: "Milan",
  firenze: "Florence",
  venezia: "Venice",
  napoli: "Naples",
  praha: "Prague",
  sevilla: "Seville",
  nyc: "New York",
};

const CANONICAL = new Map([
  ...NAMES.map((name) => [folded(name), name] as const),
  ...Object.entries(OTHER_NAMES),
]);

/** Every known name in its folded form, longest first, so that a long name wins over its part. */
const KNOWN = [...CANONICAL.keys()].toSorted((a, b) => b.length - a.length);

const NO_CITY = new Set(
  "i me my a an the it this that these those our your any some all one two three advance april august autumn bed december english eur euro euros february friday general july june january march may monday november october person saturday september spring summer sunday thursday town tuesday wednesday winter total case fact hotel hotels room rooms book booking reserve see know stay have be get find show compare list go travel visit somewhere anywhere there here us you total city center centre downtown hostel yes no ok okay hello hi hey thanks thank please help sure today tomorrow tonight maybe what which who why how when where".split(
    " ",
  ),
);

const CAPITALISED =
  /\b(?:in|to|near|around|visit|visiting|for)\s+(\p{Lu}[\p{L}'’-]+(?:\s+(?:de|do|da|la|of|am|\p{Lu}[\p{L}'’-]+))*)/gu;
const LOWER =
  /\b(?:hotels?|rooms?|stay|staying|nights?|trip|weekend|accommodation|somewhere|travel\w*|go|going|fly|flying)\s+(?:in|to)\s+(\p{L}[\p{L}'’-]{2,})/giu;
const FILLER =
  /\b(?:in|to|at|the|city|of|let'?s|try|go|with|how|about|what|then|ok|okay|please|maybe|rather|instead|i|want|would|like|prefer|is|it|thanks|thank|you|say)\b/gi;

/** The city in `text`; `isAwaited` when it answers our question, so that a bare unknown name counts. */
export function readCity(text: string, isAwaited: boolean): string | undefined {
  return knownCity(text) ?? namedAfterIn(text) ?? (isAwaited ? bareAnswer(text) : undefined);
}

/** True for a name this file knows, in any spelling it knows. */
export function isKnownCity(text: string): boolean {
  return CANONICAL.has(folded(text));
}

function knownCity(text: string): string | undefined {
  const plain = ` ${folded(text)} `;
  const found = KNOWN.map((name) => ({ name, at: plain.indexOf(` ${name} `) }))
    .filter(({ at }) => at >= 0)
    .map(({ name, at }) => ({ name, at, before: plain.slice(0, at).split(" ").at(-1) ?? "" }))
    .filter(({ before }) => before !== "from" && before !== "not");
  const preferred = found
    .filter(({ before }) => before === "in" || before === "to")
    .concat(found.toSorted((a, b) => a.at - b.at));
  return CANONICAL.get(preferred[0]?.name ?? "");
}

function namedAfterIn(text: string): string | undefined {
  const names = [...text.matchAll(CAPITALISED), ...text.matchAll(LOWER)].map(
    (match) => match[1] ?? "",
  );
  const name = names.find((candidate) => !NO_CITY.has(folded(candidate).split(" ")[0] ?? ""));
  return name === undefined ? undefined : titled(name);
}

function bareAnswer(text: string): string | undefined {
  const rest = text
    .replace(FILLER, " ")
    .replace(/[^\p{L}\s'’-]/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  const words = rest.split(" ");
  const isName = rest.length >= 3 && rest.length <= 40 && words.length <= 3;
  if (!isName || words.some((word) => NO_CITY.has(folded(word)))) return undefined;
  return titled(rest);
}

function titled(name: string): string {
  return name.replace(
    /(^|\s)(\p{L})/gu,
    (_all, space: string, letter: string) => space + letter.toUpperCase(),
  );
}
