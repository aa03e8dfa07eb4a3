/** Marks are found again, several in a text, whatever stands between them. */
import { expect, test } from "bun:test";
import { forEachMark, mark } from "./marks.ts";

test("marks come out as they went in", () => {
  const text = `{"text":"${mark(7, 1_700_000_000_123.25)} and then ${mark(8, 1_700_000_000_124)}."}`;
  const found: [number, number][] = [];
  forEachMark(text, (...one) => found.push(one));
  expect(found).toEqual([
    [7, 1_700_000_000_123.25],
    [8, 1_700_000_000_124],
  ]);
});

test("a text without marks has none", () => {
  const found: number[] = [];
  forEachMark('{"type":"heartbeat","ts":1}', (number) => found.push(number));
  expect(found).toEqual([]);
});
