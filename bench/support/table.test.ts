/** Quantiles by nearest rank. */
import { expect, test } from "bun:test";
import { quantile, table } from "./table.ts";

test("a quantile is a measured value, by nearest rank", () => {
  const samples = [50, 10, 40, 20, 30];
  expect(quantile(samples, 0.5)).toBe(30);
  expect(quantile(samples, 0.99)).toBe(50);
  expect(quantile(samples, 0)).toBe(10);
  expect(quantile([7], 0.99)).toBe(7);
  expect(() => quantile([], 0.5)).toThrow("no samples");
});

test("a table has a head, a rule and rows", () => {
  expect(table(["a", "b"], [["1", "2"]])).toBe("| a | b |\n| --- | --- |\n| 1 | 2 |");
});
