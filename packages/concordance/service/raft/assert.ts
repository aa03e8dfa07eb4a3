/** Owns the one answer to a broken invariant: stop. Refusals that a caller may cause are values, not this. */

/** Thrown when the code itself is wrong or the disk lied. Nobody catches it to carry on. */
export class InvariantBroken extends Error {}

/** Throws `InvariantBroken` when `holds` is false; `why` names the rule, not the symptom. */
export function assert(holds: boolean, why: string): asserts holds {
  if (!holds) throw new InvariantBroken(why);
}
