/** What counts as a claim, and when claims fail. */
import { describe, expect, test } from "bun:test";
import { claimsIn, coverage, idsOf } from "./requirements.ts";

describe("requirements", () => {
  test("ids at the head of a name are claims, wherever the name stands", () => {
    const text = [
      `test("CMD-13 CMD-14 one key, one row", () => {});`,
      `test.each([[1]])("EX-10 %p", () => {});`,
      "  name: `RUN-11 APR-6 goes on`,",
      `describe("G4 EFF-7 exactly once", () => {});`,
    ].join("\n");
    expect([...claimsIn(text)].sort()).toEqual(
      ["APR-6", "CMD-13", "CMD-14", "EFF-7", "EX-10", "RUN-11"].sort(),
    );
  });

  test("an id elsewhere in a text, in a comment or alone is none", () => {
    const text = `// CMD-1 is proved below\nconst id = "CMD-2";\ntest("it follows CMD-3", () => {});`;
    expect([...claimsIn(text)]).toEqual([]);
  });

  test("what dropped out and what never was fails; what nobody claims yet is only told", () => {
    const ids = idsOf([{ prefix: "CMD", last: 4, title: "commands" }]);
    const found = coverage(ids, new Set(["CMD-1", "CMD-9"]), ["CMD-1", "CMD-2", "OLD-1"]);
    expect(found).toEqual({
      claimed: ["CMD-1"],
      unclaimed: ["CMD-2", "CMD-3", "CMD-4"],
      unknown: ["CMD-9"],
      dropped: ["CMD-2"],
    });
  });
});
