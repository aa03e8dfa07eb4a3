import { describe, expect, test } from "vitest";
import { kindText, maySettle, needsNote, readIncidents, settlementsFor } from "./incidents.ts";

const wire = {
  incident_id: "inc_1",
  command_id: "cmd_1",
  kind: "compensation_exhausted",
  status: "open",
  message: "The hotel does not answer.",
  created_at: "2027-03-01T10:00:00.000Z",
  closed_by: null,
  action: null,
  note: null,
};

describe("incidents", () => {
  test("are read as Concord writes them, and anything else is refused", () => {
    expect(readIncidents({ items: [wire], next_cursor: "c" })).toEqual({
      items: [
        {
          id: "inc_1",
          commandId: "cmd_1",
          kind: "compensation_exhausted",
          isOpen: true,
          message: "The hotel does not answer.",
          createdAtMs: Date.parse("2027-03-01T10:00:00Z"),
          closedBy: null,
          action: null,
          note: null,
        },
      ],
      cursor: "c",
    });
    expect(() => readIncidents({ error: {} })).toThrow("no incidents");
  });

  test("are settled by owners and operators, each kind in its ways", () => {
    expect(maySettle(["member", "operator"])).toBe(true);
    expect(maySettle(["admin"])).toBe(false);
    expect(settlementsFor({ kind: "compensation_exhausted" })).toEqual([
      "retry",
      "skip",
      "resolve",
    ]);
    expect(settlementsFor({ kind: "outcome_unknown" })).toEqual(["resolve"]);
    expect([needsNote("retry"), needsNote("skip"), needsNote("resolve")]).toEqual([
      false,
      true,
      true,
    ]);
  });

  test("of a kind that is new to us keep its name", () => {
    expect(kindText("outcome_unknown")).toBe("Nobody knows whether it happened");
    expect(kindText("meteor")).toBe("meteor");
  });
});
