import { describe, expect, test } from "vitest";
import { actionsFor, laterTimes, markOf } from "./inbox.ts";

const item = { kind: "failure", state: "unread", runId: "r1", snoozedUntil: null } as const;
const anyone = { mayRetry: true, nowMs: 1_000 };

describe("what can be done about an item", () => {
  test("a failure is run again by who may, and only if a run is behind it", () => {
    expect(actionsFor(item, anyone)).toEqual(["retry", "done", "snooze", "read"]);
    expect(actionsFor(item, { ...anyone, mayRetry: false })).not.toContain("retry");
    expect(actionsFor({ ...item, runId: null }, anyone)).not.toContain("retry");
    expect(actionsFor({ ...item, kind: "result" }, anyone)).not.toContain("retry");
  });

  test("what is done comes back only as open, what is put off at once", () => {
    expect(actionsFor({ ...item, state: "done" }, anyone)).toEqual(["reopen"]);
    const later = { ...item, kind: "result", state: "read", snoozedUntil: 2_000 } as const;
    expect(actionsFor(later, anyone)).toEqual(["done", "reopen", "unread"]);
    expect(actionsFor(later, { ...anyone, nowMs: 3_000 })).toContain("snooze");
  });
});

test("later is always later, in the morning of the reader's day", () => {
  // A Monday: "Monday morning" is the next one.
  const monday = new Date(2027, 2, 1, 10, 30).getTime();
  const [hour, tomorrow, next] = laterTimes(monday).map((one) => new Date(one.untilMs));
  expect([hour?.getHours(), hour?.getMinutes()]).toEqual([11, 30]);
  expect([tomorrow?.getDate(), tomorrow?.getHours()]).toEqual([2, 9]);
  expect([next?.getDate(), next?.getDay(), next?.getHours()]).toEqual([8, 1, 9]);
});

test.each([
  ["result", "Result"],
  ["failure", "Failed"],
  ["attention", "Needs you"],
] as const)("%s reads as %s", (kind, label) => {
  expect(markOf({ kind }).label).toBe(label);
});
