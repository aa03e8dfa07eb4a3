/** When automations are due: cron and heartbeat against a dumb twin, across changes of clocks. */
import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { checkDefinition } from "../src/automations/core/check-definition.ts";
import { nextDue } from "../src/automations/core/due.ts";
import { planTicks } from "../src/automations/core/plan.ts";
import type { AutomationSchedule } from "../src/protocol/index.ts";
import { ticksTheDumbWay } from "./support/automation-world.ts";

setDefaultTimeout(120_000);

const at = (iso: string) => Date.parse(iso);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Three hours before and nine after clocks change, forwards and back, and a day on which they do not. */
const CHANGES = [
  ["Europe/Berlin", "2026-03-29T01:00:00Z"],
  ["Europe/Berlin", "2026-10-25T01:00:00Z"],
  ["America/New_York", "2026-03-08T07:00:00Z"],
  ["America/New_York", "2026-11-01T06:00:00Z"],
  ["Australia/Lord_Howe", "2026-04-04T15:00:00Z"],
  ["Australia/Lord_Howe", "2026-10-03T15:30:00Z"],
  ["Asia/Kolkata", "2026-06-01T00:00:00Z"],
  ["UTC", "2026-06-01T00:00:00Z"],
] as const;

const CRONS = [
  "*/15 * * * *",
  "0 * * * *",
  "30 2 * * *",
  "*/20 1-4 * * *",
  "0 5 * * *",
  "7 */2 * * *",
];

for (const [timeZone, changeAt] of CHANGES) {
  test(`ticks are those of the dumb twin: ${timeZone} around ${changeAt}`, () => {
    // Where clocks change by half an hour, times of the hours concerned are read as croner reads them.
    const isHalf = timeZone === "Australia/Lord_Howe";
    for (const cron of isHalf ? CRONS.filter((one) => !one.includes("1-4")) : CRONS) {
      const schedule: AutomationSchedule = { kind: "cron", cron, timeZone };
      const fromMs = at(changeAt) - 6 * HOUR;
      const toMs = at(changeAt) + 18 * HOUR;
      const found: number[] = [];
      for (let next = nextDue(schedule, 0, fromMs); next !== null && next <= toMs; ) {
        found.push(next);
        next = nextDue(schedule, 0, next);
      }
      const iso = (times: readonly number[]) => times.map((ms) => new Date(ms).toISOString());
      expect([cron, ...iso(found)]).toEqual([
        cron,
        ...iso(ticksTheDumbWay(schedule, 0, fromMs, toMs)),
      ]);
    }
  });
}

test("from wherever one looks, the next tick is the same", () => {
  const anyTime = fc.integer({ min: at("2026-03-28T00:00:00Z"), max: at("2026-03-30T00:00:00Z") });
  fc.assert(
    fc.property(fc.constantFrom(...CRONS), anyTime, anyTime, (cron, one, other) => {
      const schedule: AutomationSchedule = { kind: "cron", cron, timeZone: "Europe/Berlin" };
      const [early, late] = one < other ? [one, other] : [other, one];
      let next = nextDue(schedule, 0, early);
      while (next !== null && next <= late) next = nextDue(schedule, 0, next);
      expect(nextDue(schedule, 0, late)).toBe(next);
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
});

test("a heartbeat counts from its beginning, whatever the clocks show", () => {
  const schedule: AutomationSchedule = { kind: "heartbeat", everyMinutes: 90 };
  const anchor = at("2026-03-29T00:10:07Z");
  expect(nextDue(schedule, anchor, anchor)).toBe(anchor + 90 * MINUTE);
  expect(nextDue(schedule, anchor, anchor + 90 * MINUTE)).toBe(anchor + 180 * MINUTE);
  expect(nextDue(schedule, anchor, anchor - HOUR)).toBe(anchor + 90 * MINUTE);
});

test("a plan accounts for a very long absence in parts, and for each tick once", () => {
  const schedule: AutomationSchedule = { kind: "cron", cron: "* * * * *", timeZone: "UTC" };
  const nowMs = at("2026-06-03T12:00:30Z");
  for (const policy of ["skip", "run_once", "catch_up"] as const) {
    let cursorMs = at("2026-06-01T00:00:00Z");
    const all = ticksTheDumbWay(schedule, 0, cursorMs, nowMs);
    let missed = 0;
    const fired: number[] = [];
    for (;;) {
      const ticks = { schedule, missed: { policy, max: 100 }, anchorMs: 0, cursorMs };
      const plan = planTicks(ticks, nowMs);
      missed += plan.missed?.count ?? 0;
      fired.push(...plan.fire.map(({ dueMs }) => dueMs));
      cursorMs = plan.cursorMs;
      if ((plan.nextDueMs ?? 0) > nowMs) break;
    }
    // The newest is on time; what else runs is for the policy to say.
    const late = { skip: 0, run_once: 0, catch_up: 100 }[policy];
    expect([policy, fired]).toEqual([policy, all.slice(all.length - 1 - late)]);
    expect([policy, missed]).toEqual([policy, all.length - fired.length]);
  }
});

test("a definition that makes no sense is told everything at once, and where", () => {
  const checked = checkDefinition(
    {
      name: " ",
      schedule: { kind: "cron", cron: "61 * * * *", timeZone: "Europe/Berlin", every: 5 },
      prompt: "Hello {{who}}",
      variables: { Who: "x", due_at: "now" },
      execution: { mode: "main" },
      delivery: { inbox: "sometimes" },
      retries: { max: 11 },
      missed: { policy: "skip", max: 3 },
      limits: { runMinutes: 0.5 },
      color: "red",
    },
    at("2026-06-01T00:00:00Z"),
  );
  if (checked.ok) throw new Error("it was accepted");
  expect(checked.problems.map(({ path }) => path).toSorted()).toEqual([
    "color",
    "delivery.inbox",
    "execution.sessionId",
    "limits.runMinutes",
    "missed.max",
    "name",
    "prompt",
    "retries.max",
    "schedule.cron",
    "schedule.every",
    "variables.Who",
    "variables.due_at",
  ]);
  for (const { problem } of checked.problems) expect(problem.length).toBeGreaterThan(10);
});

test("crons that cannot be are refused with a reason", () => {
  const problems = (cron: string, timeZone = "UTC") => {
    const schedule = { kind: "cron", cron, timeZone };
    const execution = { mode: "isolated", agentType: "echo" };
    const checked = checkDefinition({ name: "n", prompt: "p", schedule, execution }, 0);
    return checked.ok ? [] : checked.problems.map(({ problem }) => problem);
  };
  expect(problems("0 9 * * MON-FRI")).toEqual([]);
  expect(problems("0 0 31 2 *")).toEqual(["this cron never comes due"]);
  expect(problems("* * * * * *")[0]).toContain("five fields");
  expect(problems("@daily")[0]).toContain("five fields");
  expect(problems("a b c d e")[0]).toContain("illegal characters");
  expect(problems("0 9 * * *", "Mars/Phobos")[0]).toContain("no time zone");
});

test("a definition is filled up with what its owner left out", () => {
  const checked = checkDefinition(
    {
      name: "Morning",
      prompt: "What is new, {{name}}?",
      variables: { name: "Ann" },
      schedule: { kind: "cron", cron: " 0  9 * * 1-5 " },
      execution: { mode: "isolated", agentType: "concierge" },
    },
    0,
  );
  expect(checked).toMatchObject({
    ok: true,
    definition: {
      schedule: { kind: "cron", cron: "0 9 * * 1-5", timeZone: "UTC" },
      delivery: { inbox: "always", sessionId: null },
      retries: { max: 2, backoffSeconds: 60 },
      missed: { policy: "run_once" },
      overlap: "skip",
      limits: { runMinutes: 60, failuresInARow: 5 },
    },
  });
});

test("no JSON whatever makes the check throw, and what it accepts it accepts again", () => {
  const field = fc.oneof(fc.jsonValue(), fc.string(), fc.integer(), fc.constant("cron"));
  const names = ["name", "schedule", "prompt", "execution", "missed", "limits", "__proto__"];
  const anything = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(field, fc.dictionary(fc.constantFrom("kind", "cron", "max", "mode"), field)),
    ),
  );
  fc.assert(
    fc.property(anything, (given) => {
      const checked = checkDefinition(given, 0);
      if (checked.ok) expect(checkDefinition(checked.definition, 0).ok).toBe(true);
      else expect(checked.problems.length).toBeGreaterThan(0);
    }),
    { numRuns: 500, seed: 20_261_121 },
  );
});
