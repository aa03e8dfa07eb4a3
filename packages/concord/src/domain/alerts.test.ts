import fc from "fast-check";
import { expect, test } from "vitest";
import { ALERT_LIMITS, ALERTS, type AlertFigures, alertChanges, alertsOf } from "./alerts.ts";

const QUIET: AlertFigures = {
  oldestQueuedSeconds: 0,
  expiredApprovals: 0,
  connectorCalls: 0,
  failedCalls: 0,
  exhaustedCommands: 0,
  silentExecutors: 0,
  policyDenials: 0,
};

test("V-64 OPS-2 the alerts are these six, and there are no others", () => {
  expect([...ALERTS].sort()).toEqual([
    "approvals_expired",
    "connector_errors",
    "executor_silent",
    "policy_denials",
    "queued_too_long",
    "retries_exhausted",
  ]);
});

test.each([
  ["queued_too_long", { oldestQueuedSeconds: 600 }, { oldestQueuedSeconds: 599 }],
  ["approvals_expired", { expiredApprovals: 1 }, { expiredApprovals: 0 }],
  [
    "connector_errors",
    { connectorCalls: 10, failedCalls: 5 },
    { connectorCalls: 10, failedCalls: 4 },
  ],
  [
    "connector_errors",
    { connectorCalls: 10, failedCalls: 10 },
    { connectorCalls: 9, failedCalls: 9 },
  ],
  ["retries_exhausted", { exhaustedCommands: 1 }, { exhaustedCommands: 0 }],
  ["executor_silent", { silentExecutors: 1 }, { silentExecutors: 0 }],
  ["policy_denials", { policyDenials: 50 }, { policyDenials: 49 }],
] as const)("OPS-2 %s is raised at its limit and not below", (name, at, below) => {
  const raised = (figures: Partial<AlertFigures>) =>
    alertsOf({ ...QUIET, ...figures }, ALERT_LIMITS).map((one) => one.name);
  expect(raised(at)).toEqual([name]);
  expect(raised(below)).toEqual([]);
});

test("OPS-2 limits can be set, one for all, and a limit of nothing is never reached by nothing", () => {
  const busy = { ...QUIET, policyDenials: 3, oldestQueuedSeconds: 5 };
  const limits = { ...ALERT_LIMITS, policyDenials: 3, queuedSeconds: 6 };
  expect(alertsOf(busy, limits).map((one) => one.name)).toEqual(["policy_denials"]);
  const none = Object.fromEntries(Object.keys(ALERT_LIMITS).map((name) => [name, 0]));
  expect(alertsOf(QUIET, none as unknown as typeof ALERT_LIMITS)).toEqual([]);
});

test("OPS-2 however figures go up and down, each alert is told once as raised and once as over, by turns", () => {
  const figures = fc.record({
    oldestQueuedSeconds: fc.constantFrom(0, 700),
    expiredApprovals: fc.nat({ max: 1 }),
    connectorCalls: fc.constantFrom(0, 20),
    failedCalls: fc.constantFrom(0, 20),
    exhaustedCommands: fc.nat({ max: 2 }),
    silentExecutors: fc.nat({ max: 2 }),
    policyDenials: fc.constantFrom(0, 60),
  });
  fc.assert(
    fc.property(fc.array(figures, { maxLength: 20 }), (looks) => {
      let before: ReturnType<typeof alertsOf> = [];
      const told = new Map<string, boolean>();
      for (const look of looks) {
        const now = alertsOf(look, ALERT_LIMITS);
        const { raised, cleared } = alertChanges(before, now);
        for (const [some, is] of [
          [raised, true],
          [cleared, false],
        ] as const) {
          for (const { name } of some) {
            expect(told.get(name) ?? false).toBe(!is);
            told.set(name, is);
          }
        }
        for (const name of ALERTS) {
          expect(told.get(name) ?? false).toBe(now.some((one) => one.name === name));
        }
        before = now;
      }
    }),
  );
});
