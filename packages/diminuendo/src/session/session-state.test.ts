import { expect, test } from "bun:test";
import { SESSION_STATUSES, type SessionStatus } from "../protocol/index.ts";
import { EMPTY_MODEL, moveTo } from "./session-model.ts";
import { applySessionTransition, pathToInactive } from "./session-state.ts";

/** The table once more, written as a drawing: rows from, columns to, in the order of SESSION_STATUSES. */
const DRAWING = `
              ina act rdy run wai dea err
inactive       .   x   .   .   .   .   .
activating     x   .   x   .   .   .   x
ready          x   .   .   x   .   x   x
running        .   .   x   .   x   x   x
waiting        .   .   x   x   .   x   x
deactivating   x   .   .   .   .   .   x
error          x   .   .   .   .   .   .
`;
const rows = DRAWING.trim()
  .split("\n")
  .slice(1)
  .map((line) => line.trim().split(/\s+/).slice(1));

for (const [i, from] of SESSION_STATUSES.entries()) {
  for (const [j, to] of SESSION_STATUSES.entries()) {
    const legal = rows[i]?.[j] === "x";
    test(`D4 ${from} → ${to} is ${legal ? "legal" : "refused"}`, () => {
      expect(applySessionTransition(from, to)).toBe(legal ? to : null);
      const change = moveTo(to)({ ...EMPTY_MODEL, status: from });
      expect(change.model.status).toBe(legal ? to : from);
      expect(change.drafts.length).toBe(legal ? 1 : 0);
    });
  }
}

test("D4 every state has a legal way down to inactive", () => {
  for (const start of SESSION_STATUSES) {
    const end = pathToInactive(start).reduce<SessionStatus>((at, next) => {
      expect(applySessionTransition(at, next)).toBe(next);
      return next;
    }, start);
    expect(end).toBe("inactive");
  }
});
