import fc from "fast-check";
import { expect, test } from "vitest";
import { PLAIN_INPUT } from "../../../test/support/policy-input.ts";
import { combineDecisions, evaluatePolicies, type Policy, type PolicyInput } from "../policy.ts";
import { POLICY_OUTCOMES } from "../vocabulary.ts";
import { maskAt, pointerTo } from "./pointers.ts";
import { type RecordedCase, whatIf } from "./what-if.ts";

const INPUT: PolicyInput = {
  ...PLAIN_INPUT,
  action: { ...PLAIN_INPUT.action, taskName: "pay", commandType: "pay" },
};
const limitOf = (limit: number, name = "limit"): Policy => ({
  name,
  version: String(limit),
  category: "cost",
  evaluate: ({ facts }) => ({
    decision: Number(facts["amount"]) > limit ? "deny" : "allow",
    reasons: [`limit ${limit}`],
  }),
});
const anyone: Policy = {
  name: "anyone",
  version: "1",
  category: "permission",
  evaluate: () => ({ decision: "allow", reasons: [] }),
};
const caseOf = (amount: number, policies: readonly Policy[], commandId = "c"): RecordedCase => {
  const input = { ...INPUT, facts: { amount } };
  return {
    commandId,
    taskName: "pay",
    createdAt: "2026-01-01T00:00:00.000Z",
    input,
    decisions: evaluatePolicies(policies, input),
    inputs: "exact",
  };
};

test("POL-8 a lower limit: only the cases between the two limits differ, each with both decisions", () => {
  const cases = [100, 400, 600].map((amount) =>
    caseOf(amount, [anyone, limitOf(500)], `c${amount}`),
  );
  const found = whatIf(cases, { policies: [limitOf(300)] });
  expect(found.replayed).toBe(3);
  expect(
    found.differences.map((one) => [one.commandId, one.before.decision, one.after.decision]),
  ).toEqual([["c400", "allow", "deny"]]);
  expect(found.moves).toEqual([{ from: "allow", to: "deny", count: 1 }]);
  expect(found.differences[0]?.judged.map((one) => one.version)).toEqual(["300"]);
});

test("POL-8 a policy that is gone keeps the word that is on record", () => {
  const gone: Policy = { ...limitOf(500, "gone") };
  const [one] = whatIf([caseOf(600, [gone])], { policies: [limitOf(1_000)] }).differences;
  expect(one).toBeUndefined();
  const removed = whatIf([caseOf(600, [gone, anyone])], { policies: [], removed: ["gone"] });
  expect(removed.moves).toEqual([{ from: "deny", to: "allow", count: 1 }]);
});

test("POL-8 removing the only policy denies: silence is not consent", () => {
  const found = whatIf([caseOf(1, [anyone])], { policies: [], removed: ["anyone"] });
  expect(found.moves).toEqual([{ from: "allow", to: "deny", count: 1 }]);
});

test("POL-8 a new policy concerns the tasks it is added to; a shadow is replayed as if it counted", () => {
  const strict = { ...limitOf(0, "new"), mode: "shadow" as const };
  const cases = [caseOf(5, [anyone])];
  expect(whatIf(cases, { policies: [strict], tasks: ["other"] }).differences).toEqual([]);
  expect(whatIf(cases, { policies: [strict], tasks: ["pay"] }).moves).toHaveLength(1);
});

test("POL-19 a replayed policy that throws counts as a denial with its reason", () => {
  const broken: Policy = {
    ...anyone,
    evaluate: () => {
      throw new Error("no rates");
    },
  };
  const [one] = whatIf([caseOf(1, [anyone])], { policies: [broken] }).differences;
  expect([one?.after.decision, one?.after.reasons[0]]).toEqual([
    "deny",
    expect.stringContaining("no rates"),
  ]);
});

test("POL-8 replaying what is already there changes nothing; replaying any change equals judging afresh", () => {
  const outcome = fc.constantFrom(...POLICY_OUTCOMES);
  const policy = fc.record({ name: fc.constantFrom("a", "b", "c", "d"), outcome });
  const set = fc.uniqueArray(policy, { selector: (one) => one.name, minLength: 1 });
  const make = ({
    name,
    outcome: decision,
  }: {
    name: string;
    outcome: (typeof POLICY_OUTCOMES)[number];
  }): Policy => ({
    name,
    version: "1",
    category: "cost",
    evaluate: () => ({ decision, reasons: [decision] }),
  });
  fc.assert(
    fc.property(set, set, (old, changed) => {
      const before = old.map(make);
      const one = caseOf(1, before);
      expect(whatIf([one], { policies: before }).differences).toEqual([]);
      const after = changed.map(make);
      const names = new Set(after.map((each) => each.name));
      const afresh = [...before.filter((each) => !names.has(each.name)), ...after];
      const expected = combineDecisions(evaluatePolicies(afresh, INPUT)).decision;
      const found = whatIf([one], { policies: after });
      const replayed =
        found.differences[0]?.after.decision ?? combineDecisions(one.decisions).decision;
      expect(replayed).toBe(expected);
    }),
  );
});

test("POL-12 a mask hides the named place, whatever its name, and nothing else", () => {
  const key = fc.string({ minLength: 1, maxLength: 4 }).filter((one) => one !== "__proto__");
  fc.assert(
    fc.property(key, key, (outer, inner) => {
      const value = { [outer]: { [inner]: "secret", kept: [1, { [inner]: "secret" }] }, kept: "x" };
      fc.pre(inner !== "kept" && outer !== "kept");
      const masked = maskAt(value, [
        pointerTo([outer, inner]),
        pointerTo([outer, "kept", 1, inner]),
      ]);
      expect(JSON.stringify(masked)).not.toContain("secret");
      expect(Object.keys(masked)).toEqual(Object.keys(value));
      expect(masked["kept"]).toBe("x");
    }),
  );
  expect(maskAt({ a: 1 }, ["/b", "/a/c"])).toEqual({ a: 1 });
  expect(() => maskAt({ a: 1 }, ["a"])).toThrow("JSON Pointer");
});
