/** Owns the smallest pieces of reading: numbers in words, folding of case and accents, near-equality of words. Pure. */

const NUMBER_WORDS: Readonly<Record<string, number>> = {
  zero: 0,
  no: 0,
  a: 1,
  an: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  seven: 7,
  eight: 8,
  nine: 9,
  ten: 10,
  eleven: 11,
  twelve: 12,
};

/** Source of a pattern for a count such as `2`, `two`, `a`. Wrap it in a group of its own. */
export const COUNT = `-?\\d{1,3}|${Object.keys(NUMBER_WORDS).join("|")}`;

/** Like `COUNT` without the articles, for places where "a" is no count. */
export const EXACT_COUNT = COUNT.replace("|no|", "|").replace("|a|an|", "|");

export function toCount(word: string): number {
  return NUMBER_WORDS[word.toLowerCase()] ?? Number(word);
}

/** Lower case, without accents and punctuation, single spaces. */
export function folded(text: string): string {
  return text
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

/** True when two folded words are the same but for a typing slip: one in five letters, two in eight. */
export function isNear(a: string, b: string): boolean {
  if (a === b) return true;
  const shorter = Math.min(a.length, b.length);
  const slips = shorter >= 8 ? 2 : shorter >= 5 ? 1 : 0;
  return slips > 0 && Math.abs(a.length - b.length) <= slips && distance(a, b) <= slips;
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
