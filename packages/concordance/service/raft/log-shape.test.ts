import { expect, test } from "bun:test";
import fc from "fast-check";
import { EMPTY_LOG, termAt, termStart, withTerms } from "./log-shape.ts";

/** One append: where, counted back from the end, and by how much the term grows at each entry. */
const appends = fc.array(
  fc.record({ back: fc.nat(4), growth: fc.array(fc.nat(2), { maxLength: 5 }) }),
  { maxLength: 20 },
);

test("a log shape says the same as the full list of terms", () => {
  fc.assert(
    fc.property(appends, (operations) => {
      let shape = EMPTY_LOG;
      let terms: number[] = [];
      for (const { back, growth } of operations) {
        const kept = terms.slice(0, Math.max(0, terms.length - back));
        const added: number[] = [];
        for (const step of growth) added.push((added.at(-1) ?? kept.at(-1) ?? 1) + step);
        shape = withTerms(shape, kept.length + 1, added);
        terms = [...kept, ...added];
        expect(shape.lastIndex).toBe(terms.length);
        for (const [offset, term] of terms.entries()) {
          expect(termAt(shape, offset + 1)).toBe(term);
          expect(termStart(shape, offset + 1)).toBe(terms.indexOf(term) + 1);
        }
        expect(termAt(shape, 0)).toBe(0);
        expect(termAt(shape, terms.length + 1)).toBeNull();
      }
    }),
    { numRuns: 300 },
  );
});

test("a log with a hole or a falling term is a broken invariant", () => {
  expect(() => withTerms(EMPTY_LOG, 2, [1])).toThrow("no holes");
  expect(() => withTerms(EMPTY_LOG, 1, [2, 1])).toThrow("never decrease");
});
