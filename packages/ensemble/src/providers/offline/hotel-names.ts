/**
 * Owns the question which hotel somebody means: names as people type them, with slips, without accents, in part
 * ("the miramar"). Pure.
 */
import { folded, isNear } from "./language/words.ts";

/** In so many names, or so common in speech, that alone they point at no house. */
const WEAK = new Set(
  "hotel hotels the de do da du di del das la le les el am i y of and in inn rooms room house casa villa grand garden palace palais palazzo crown square park parque canal residence boutique lock vista imperial royal petit pension hostal albergo guest city center central".split(
    " ",
  ),
);

/** The one name that `words` mean, or undefined when they mean none or several alike. */
export function findHotel(words: string, names: readonly string[]): string | undefined {
  const said = folded(words).split(" ");
  const scored = names
    .map((name) => ({ name, score: scoreOf(said, folded(name).split(" ")) }))
    .filter(({ score }) => score >= 0.5)
    .toSorted((a, b) => b.score - a.score);
  const [first, second] = scored;
  return first === undefined || first.score === second?.score ? undefined : first.name;
}

/** Half or more of the telling words must be there; the weak ones only break ties, or count all together. */
function scoreOf(said: readonly string[], name: readonly string[]): number {
  const strong = name.filter((word) => !WEAK.has(word) && word.length >= 3);
  const isSaid = (word: string) => said.some((one) => isNear(one, word));
  if (strong.length === 0) return name.every(isSaid) ? 1 : 0;
  const tie = name.filter(isSaid).length / name.length / 100;
  return strong.filter(isSaid).length / strong.length + tie;
}
