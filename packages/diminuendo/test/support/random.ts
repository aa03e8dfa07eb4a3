/** Owns numbers that a seed decides, so that what went wrong once can be had again. */

export type Random = (below: number) => number;

/** The same numbers each time for the same seed. */
export function randomOf(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state >>> 8) % below;
  };
}
