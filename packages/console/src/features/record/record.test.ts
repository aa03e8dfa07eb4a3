import { describe, expect, test } from "vitest";
import { readRecord } from "./record.ts";

const entry = (fields: object) => ({
  cursor: "1",
  at: "2026-03-01T10:00:00Z",
  kind: "policy",
  command_id: "cmd_1",
  title: "Policy travel-spend asked for approval",
  detail: null,
  actor: null,
  event_type: "policy_evaluated",
  payload: {},
  ...fields,
});
const read = (...entries: readonly object[]) =>
  readRecord({ command: { command_id: "cmd_1", task_name: "t", status: "running" }, entries });

describe("a record", () => {
  test("shows the reasons of a decision without opening it", () => {
    const payload = {
      decision: "require_approval",
      reasons: ["over 500.00", { reason: "new vendor" }],
    };
    const [first] = read(entry({ payload, detail: "over 500.00; new vendor" })).entries;
    expect(first).toMatchObject({ facts: ["over 500.00", "new vendor"], tone: "waiting" });
    expect(first?.atMs).toBe(Date.UTC(2026, 2, 1, 10));
  });

  test("keeps an entry of a kind it does not know", () => {
    const [first] = read(
      entry({ kind: "surprise", title: "", event_type: "something_new" }),
    ).entries;
    expect(first).toMatchObject({ kind: "other", title: "Something new" });
  });

  test.each([
    [{ event_type: "task_failed" }, "bad"],
    [{ event_type: "state_transitioned", payload: { from: "running", to: "succeeded" } }, "good"],
    [{ event_type: "approval_requested" }, "waiting"],
    [{ event_type: "connector_called" }, "neutral"],
    [{ event_type: "connector_called", payload: { ok: false } }, "bad"],
  ])("%o feels %s", (fields, tone) => {
    expect(read(entry(fields)).entries[0]?.tone).toBe(tone);
  });

  test("an answer that is no timeline is refused in words", () => {
    expect(() => readRecord({ oops: true })).toThrow(/makes no sense/);
  });
});
