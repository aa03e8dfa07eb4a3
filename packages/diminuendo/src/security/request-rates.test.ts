import { expect, test } from "bun:test";
import { Buckets } from "./RequestRates.ts";

test("a minute's worth at once, then one each time the bucket has filled by one; others are not touched", () => {
  const buckets = new Buckets(60);
  const atOnce = Array.from({ length: 60 }, () => buckets.take("ann", 1_000));
  expect(atOnce.every((waitMs) => waitMs === 0)).toBe(true);
  expect(buckets.take("ann", 1_000)).toBe(1_000);
  expect(buckets.take("ann", 1_600)).toBe(400);
  expect(buckets.take("bob", 1_600)).toBe(0);
  expect(buckets.take("ann", 2_000)).toBe(0);
  expect(buckets.take("ann", 2_000)).toBeGreaterThan(0);
  expect(buckets.take("ann", 200_000)).toBe(0);
});

test("a clock that goes back gives nothing away, and people are forgotten before memory grows", () => {
  const buckets = new Buckets(1);
  expect(buckets.take("ann", 5_000)).toBe(0);
  expect(buckets.take("ann", 1_000)).toBeGreaterThan(0);
  for (let person = 0; person < 20_000; person += 1) buckets.take(`p${person}`, 6_000);
  expect(buckets.size).toBe(10_000);
});
