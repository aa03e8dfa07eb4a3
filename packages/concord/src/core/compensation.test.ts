import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chainOrder,
  driftOf,
  isSameManifest,
  isWindowOpen,
  type LinkState,
  nextLink,
} from "./compensation.ts";

const manifest = (name: string, ...after: string[]) => ({
  name,
  connector: "c",
  operation: "o",
  produces: [],
  counterEffects: false,
  after,
});
const chain = (...links: readonly (readonly [string, ...string[]])[]) =>
  chainOrder(
    links.map(([name, ...after], ordinal) => ({ ordinal, manifest: manifest(name, ...after) })),
  ).map((one) => one.manifest.name);

describe("chains", () => {
  test("EFF-12 CMP-12 without constraints a chain is the exact reverse", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 12 }), (names) => {
        expect(chain(...names.map((name) => [name] as const))).toEqual([...names].reverse());
      }),
    );
  });

  test("CMP-13 X-16 a mail that has to follow goes out after the cancellation, the rest stays reversed", () => {
    expect(chain(["book"], ["pay"], ["mail", "book"])).toEqual(["pay", "book", "mail"]);
  });

  test("CMP-13 whatever the constraints, each link comes once and after those it follows", () => {
    const links = fc.integer({ min: 1, max: 8 }).chain((count) =>
      fc.array(fc.array(fc.nat({ max: count - 1 }), { maxLength: 3 }), {
        minLength: count,
        maxLength: count,
      }),
    );
    fc.assert(
      fc.property(links, (wishes) => {
        // Following only later effects keeps the graph free of circles.
        const after = wishes.map((wish, at) => wish.filter((one) => one < at).map(String));
        const order = chain(...after.map((one, at) => [String(at), ...one] as const));
        expect([...order].sort()).toEqual(after.map((_one, at) => String(at)).sort());
        after.forEach((names, at) => {
          for (const name of names) {
            expect(order.indexOf(name)).toBeLessThan(order.indexOf(String(at)));
          }
        });
      }),
    );
  });

  test("CMP-14 the first open link is next; a follower of a skipped one is skipped, of one done by hand it runs", () => {
    const link = (name: string, state: LinkState, ...after: string[]) => ({ name, state, after });
    expect(nextLink([link("a", "succeeded"), link("b", "open")])).toMatchObject({
      kind: "run",
      link: { name: "b" },
    });
    expect(nextLink([link("a", "skipped"), link("b", "open", "a")])).toMatchObject({
      kind: "skip",
      because: "a",
    });
    expect(nextLink([link("a", "by_hand"), link("b", "open", "a")]).kind).toBe("run");
    expect(nextLink([link("a", "skipped"), link("b", "succeeded")]).kind).toBe("done");
    expect(nextLink([]).kind).toBe("done");
  });
});

describe("drift and windows", () => {
  test("CMP-10 what happened beyond the declaration and what did not happen are told apart", () => {
    expect(driftOf(["mail"], ["mail"])).toBeUndefined();
    expect(driftOf([], [])).toBeUndefined();
    expect(driftOf([], ["credit", "credit"])).toEqual({ unexpected: ["credit"], missing: [] });
    expect(driftOf(["mail"], ["credit"])).toEqual({ unexpected: ["credit"], missing: ["mail"] });
  });

  test("CMP-10 a manifest is the same whatever the order of its lists, and no longer when a promise changed", () => {
    const planned = { ...manifest("undo", "a", "b"), produces: ["x", "y"] };
    expect(isSameManifest(planned, { ...planned, after: ["b", "a"], produces: ["y", "x"] })).toBe(
      true,
    );
    expect(isSameManifest(planned, { ...planned, operation: "other" })).toBe(false);
    expect(isSameManifest(planned, undefined)).toBe(false);
  });

  test.each([
    [-1, true],
    [0, true],
    [1, false],
  ])("CAN-12 EX-15 %d s from the end of 24 h: open is %p", (seconds, open) => {
    const endMs = 24 * 3_600_000;
    expect(isWindowOpen(0, 24 * 60, endMs + seconds * 1_000)).toBe(open);
    expect(isWindowOpen(0, undefined, 0)).toBe(false);
  });
});
