import { expect, test } from "vitest";
import { PLAIN_INPUT } from "../../test/support/policy-input.ts";
import type { Policy } from "../core/policy.ts";
import { evaluateInTime } from "./policy-evaluation.ts";

const INPUT = PLAIN_INPUT;
const named = (name: string, evaluate: Policy["evaluate"]): Policy => ({
  name,
  version: "1",
  category: "cost",
  evaluate,
});
const fine = (name: string) => named(name, () => ({ decision: "allow", reasons: [] }));
const endless = named("endless", () => {
  for (;;);
});
const stubborn = named("stubborn", () => {
  for (;;) {
    try {
      for (;;);
    } finally {
      // An ordinary exception would be caught here and swallowed.
    }
  }
});

test("POL-19 a policy that never ends is stopped and denies; the others are heard", () => {
  const found = evaluateInTime([fine("a"), endless, fine("b"), stubborn, fine("c")], INPUT, 50);
  expect(found.map((one) => [one.policy, one.decision])).toEqual([
    ["a", "allow"],
    ["endless", "deny"],
    ["b", "allow"],
    ["stubborn", "deny"],
    ["c", "allow"],
  ]);
  expect(found[1]?.reasons[0]).toContain("within 50 ms");
});

test("POL-19 what a policy throws does not end the others", () => {
  const throwing = named("throwing", () => {
    throw new Error("no rates");
  });
  const found = evaluateInTime([throwing, fine("a")], INPUT);
  expect(found.map((one) => one.decision)).toEqual(["deny", "allow"]);
  expect(found[0]?.reasons[0]).toContain("no rates");
  expect(evaluateInTime([], INPUT)).toEqual([]);
});
