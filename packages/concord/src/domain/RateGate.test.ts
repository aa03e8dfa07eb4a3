import { expect, test } from "vitest";
import { NO_RETRY } from "../core/retry.ts";
import type { ConnectorDefinition } from "./connectors.ts";
import { RateGate } from "./RateGate.ts";

const operation = {
  description: "reads",
  sideEffect: false,
  timeoutMs: 1,
  retry: NO_RETRY,
  call: async () => ({ ok: true, output: {} }) as const,
};
const shop: ConnectorDefinition = {
  name: "shop",
  connectorType: "http",
  riskLevel: "low",
  auth: { mode: "none" },
  rateLimit: { requestsMax: 2, perSeconds: 1 },
  operations: { operation },
};

test("CON-12 a burst up to the limit, then one every half second; connectors do not share", () => {
  const gate = new RateGate();
  expect([0, 0, 0].map((at) => gate.take(shop, at))).toEqual([0, 0, 500]);
  expect(gate.take({ ...shop, name: "other" }, 0)).toBe(0);
  expect(gate.take(shop, 499)).toBeGreaterThan(0);
  expect(gate.take(shop, 500)).toBe(0);
  expect(gate.take(shop, 501)).toBe(499);
});

test("CON-12 in any second no more than the burst and one second's refill get through", () => {
  const gate = new RateGate();
  let passed = 0;
  for (let at = 0; at < 10_000; at += 7) passed += gate.take(shop, at) === 0 ? 1 : 0;
  expect(passed).toBeLessThanOrEqual(2 + 20);
  expect(passed).toBeGreaterThanOrEqual(20);
});

test("CON-12 a clock that goes back refills nothing, and a connector without a limit is free", () => {
  const gate = new RateGate();
  gate.take(shop, 1_000);
  gate.take(shop, 1_000);
  expect(gate.take(shop, 0)).toBeGreaterThan(0);
  const { rateLimit: _none, ...free } = shop;
  expect(gate.take(free, 0)).toBe(0);
});
