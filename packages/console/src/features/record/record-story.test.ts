import { describe, expect, test } from "vitest";
import { readRecord } from "./record.ts";
import { groupsOf } from "./record-story.ts";

const TURN = "cmd_turn";
const CHILD = "cmd_child";
let cursor = 0;
const entry = (command_id: string, event_type: string, payload: object, more: object = {}) => ({
  cursor: String(++cursor),
  at: "2026-03-01T10:00:00Z",
  kind: "other",
  command_id,
  title: event_type,
  detail: null,
  actor: "ada",
  event_type,
  payload,
  ...more,
});
const created = (id: string, task: string) =>
  entry(id, "command_created", {}, { title: `Asked for ${task}` });
const judged = (policy: string, decision: string, reason: string) =>
  entry(CHILD, "policy_evaluated", { policy, decision, reasons: [reason] }, { detail: reason });
const moved = (to: string, detail: string | null = null) =>
  entry(CHILD, "state_transitioned", { from: "validated", to }, { detail });

const groups = (...entries: readonly object[]) =>
  groupsOf(
    readRecord({
      command: { command_id: TURN, task_name: "agent.turn", status: "running" },
      entries,
    }),
  );

const asked = [
  created(TURN, "agent.turn"),
  entry(TURN, "tool_call_proposed", { command_id: CHILD }, { actor: "agent:concierge" }),
  created(CHILD, "hotel_reservation.confirm"),
  judged("hotel.may_book_travel", "allow", "ada may"),
  judged("hotel.spending_limit", "require_approval", "640.00 EUR is over the limit"),
  entry(CHILD, "approval_requested", {}, { title: "Waits for finance" }),
  moved("waiting_for_approval"),
];

describe("a record in short", () => {
  test("groups by command and loses no entry", () => {
    const [turn, child] = groups(...asked);
    expect(turn).toMatchObject({ isTurn: true, status: "running" });
    expect(child).toMatchObject({ title: "Hotel reservation confirm" });
    expect([turn?.entries.length, child?.entries.length]).toEqual([1, 6]);
  });

  test("says who asked, what was allowed, and who is waited for", () => {
    const [, child] = groups(...asked);
    expect(child?.status).toBe("waiting_for_approval");
    expect(child?.story.map(({ text }) => text)).toEqual([
      "The agent asked, for ada",
      "Allowed by: may book travel",
      "Spending limit asks for a decision: 640.00 EUR is over the limit",
      "Waits for finance",
    ]);
  });

  test("shows the answer instead of the question, and what came of it", () => {
    const [, child] = groups(
      ...asked,
      entry(CHILD, "approval_resolved", {
        decision: "approved",
        decided_by: "ada",
        reason: "for the fair",
      }),
      entry(CHILD, "task_succeeded", {}, { title: "Done: hotel_booking.book" }),
      moved("succeeded"),
    );
    expect(child?.story.map(({ text }) => text).slice(3)).toEqual([
      "ada approved: “for the fair”",
      "Done: hotel_booking.book",
    ]);
  });

  test("a command that only read shows its call", () => {
    const call = entry(CHILD, "connector_called", {}, { title: "Called hotels.search: ok" });
    const [, child] = groups(created(CHILD, "hotel.search"), call, moved("succeeded"));
    expect(child?.story.map(({ text }) => text)).toEqual(["ada asked", "Called hotels.search: ok"]);
  });

  test("a cancelled command says that what it had done stands", () => {
    const [, child] = groups(
      ...asked,
      entry(CHILD, "task_succeeded", {}, { title: "Done: hotel_booking.book" }),
      moved("cancelled", "1 effect(s) had already happened and stand"),
    );
    expect(child?.story.at(-1)?.text).toContain("1 effect(s) had already happened");
  });
});
