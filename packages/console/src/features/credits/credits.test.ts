import { expect, test } from "vitest";
import { entryText, formatChange, formatCredits, limitRows, readCredits } from "./credits.ts";

test.each([
  ["12.5", 12_500_000],
  ["0,000001", 1],
  [" 3 ", 3_000_000],
])("%s is %i millionths", (text, microcredits) => {
  expect(readCredits(text)).toEqual({ microcredits });
});

test.each(["", "0", "-1", "ten", "1e12"])("%s is no amount", (text) => {
  expect(readCredits(text)).toHaveProperty("problem");
});

test("nothing may be a limit, but not a payment", () => {
  expect(readCredits("0", { zero: true })).toEqual({ microcredits: 0 });
});

test("amounts keep the digits that count", () => {
  expect(formatCredits(1_500_000)).toMatch(/^1.5$/);
  expect(formatCredits(400)).toMatch(/^0.0004$/);
  expect([1_000_000, -1_000_000, 0].map(formatChange)).toEqual(["+1", "−1", "0"]);
});

test("limits are lines, people last", () => {
  const limits = { tenant: null, everybody: 5, users: { ana: 7 } };
  expect(limitRows({ limits, spent: { tenant: 0, user: 0 } })).toEqual([
    { of: "tenant", userId: "", label: "The whole workspace", microcredits: null },
    { of: "everybody", userId: "", label: "Each person", microcredits: 5 },
    { of: "user", userId: "ana", label: "ana", microcredits: 7 },
  ]);
});

test("an entry of a kind that is new to us keeps its name", () => {
  expect([entryText("topup"), entryText("gift")]).toEqual(["Topped up", "gift"]);
});
