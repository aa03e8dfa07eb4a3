/** How approvals and records read on a terminal. */
import { expect, test } from "bun:test";
import { tellReviewPacket, tellTimeline } from "./transcript.ts";

test("the card shows what is affected, and leaves out what the packet does not say", () => {
  const packet = {
    action: "Confirm the booking",
    affected: [{ label: "Total", value: 612.5 }, "nonsense"],
    risk_level: "high",
    expires_at: null,
  };
  expect(tellReviewPacket(packet)).toBe(
    [
      "  ┌ approval needed",
      "  │ action  Confirm the booking",
      "  │ Total   612.5",
      "  │ risk    high",
      "  └",
    ].join("\n"),
  );
});

test("the record counts time from its first entry and sets in what belongs to children", () => {
  const entry = { command_id: "cmd_1", detail: null };
  const told = tellTimeline([
    { ...entry, at: "2026-03-01T10:00:00.000Z", kind: "status", title: "Received" },
    {
      ...entry,
      at: "2026-03-01T10:00:00.500Z",
      kind: "status",
      title: "Child",
      command_id: "cmd_2",
    },
    { ...entry, at: "2026-03-01T10:00:01.250Z", kind: "approval", title: "Approved", detail: "ok" },
  ]);
  expect(told.split("\n")).toEqual([
    "   +0.000 s  status    Received",
    "   +0.500 s  status      Child",
    "   +1.250 s  approval  Approved (ok)",
  ]);
});

test("an empty record is empty", () => {
  expect(tellTimeline([])).toBe("");
});
