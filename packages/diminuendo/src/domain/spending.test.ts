import { expect, test } from "bun:test";
import { isLimited, limitAgainst, NO_LIMITS } from "./spending.ts";

const wish = { userId: "ann", microcredits: 10 };

test("a limit may be reached and not passed; the person's own goes before everybody's", () => {
  expect(limitAgainst(NO_LIMITS, { tenant: 1e15, user: 1e15 }, wish)).toBe(null);
  const limits = { tenant: 100, everybody: 20, users: { ann: 50, zero: 0 } };
  expect(limitAgainst(limits, { tenant: 90, user: 40 }, wish)).toBe(null);
  expect(limitAgainst(limits, { tenant: 90, user: 41 }, wish)).toBe("user");
  expect(limitAgainst(limits, { tenant: 91, user: 0 }, wish)).toBe("tenant");
  expect(limitAgainst(limits, { tenant: 0, user: 11 }, { ...wish, userId: "bob" })).toBe("user");
  expect(limitAgainst(limits, { tenant: 0, user: 0 }, { ...wish, userId: "zero" })).toBe("user");
  expect(limitAgainst(limits, { tenant: 0, user: 11 }, { ...wish, userId: "toString" })).toBe(
    "user",
  );
});

test("what costs nothing is never refused", () => {
  const limits = { tenant: 0, everybody: 0, users: {} };
  expect(isLimited(limits)).toBe(true);
  expect(limitAgainst(limits, { tenant: 5, user: 5 }, { ...wish, microcredits: 0 })).toBe(null);
});
