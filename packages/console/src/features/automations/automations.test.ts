import type { Automation } from "@concert/sdk";
import { expect, test } from "vitest";
import { mayChange, nextText, runText, runTone, scheduleText } from "./automations.ts";

const zone = "Europe/Berlin";
const cron = (text: string) => ({ kind: "cron", cron: text, timeZone: zone }) as const;

test.each([
  [cron("0 9 * * *"), "Every day at 09:00 (Europe/Berlin)"],
  [cron("5 17 * * 1-5"), "Monday to Friday at 17:05 (Europe/Berlin)"],
  [cron("0 8 * * 1"), "Every Monday at 08:00 (Europe/Berlin)"],
  [cron("*/5 * * * *"), "*/5 * * * * (Europe/Berlin)"],
  [cron("0 9 1 * *"), "0 9 1 * * (Europe/Berlin)"],
  [{ kind: "heartbeat", everyMinutes: 30 } as const, "Every 30 minutes"],
])("a schedule reads as words, or as it is", (schedule, text) => {
  expect(scheduleText(schedule)).toBe(text);
});

test("says why it does not run, or when it does", () => {
  const of = (more: Partial<Automation>) =>
    nextText({ paused: null, nextDueAt: 3_601_000, ...more } as Automation, 1_000);
  expect(of({})).toBe("Next in 1 h");
  expect(of({ nextDueAt: 500 })).toBe("Due now");
  expect(of({ paused: "failures" })).toContain("failed too often");
  expect(of({ paused: "person" })).toBe("Paused");
});

test("a run's end is told and coloured", () => {
  const run = { status: "waiting", missed: null } as Parameters<typeof runText>[0];
  expect([runText(run), runTone("waiting")]).toEqual(["Waits for a person", "waiting"]);
  const missed = { ...run, status: "missed", missed: { count: 3, throughAt: 1 } } as typeof run;
  expect(runText(missed)).toBe("Missed 3");
  expect([runTone("succeeded"), runTone("timed_out"), runTone("skipped")]).toEqual([
    "good",
    "bad",
    "quiet",
  ]);
});

test.each([
  ["me", { write: true, manage: false }, true],
  ["other", { write: true, manage: false }, false],
  ["other", { write: true, manage: true }, true],
  ["me", { write: false, manage: false }, false],
])("an automation of %s with %o may be changed: %s", (ownerId, rights, may) => {
  expect(mayChange({ ownerId }, "me", rights)).toBe(may);
});
