/** Verdicts: at most, at least, and no rounding in one's favour. */
import { expect, test } from "bun:test";
import { Board } from "./board.ts";

test("a bar that is met and one that is not", () => {
  const board = new Board();
  board.record("start", 200);
  board.record("roundtrip", 39_999);
  expect(board.text()).toContain("| 200 ms | ≤ 200 ms | met |");
  expect(board.text()).toContain("| 39,999/s | ≥ 40,000/s | **short** |");
});

test("nearly everything is not everything", () => {
  const board = new Board();
  board.record("stored-delivered", 99.999);
  expect(board.text()).toContain("| 99.9 % | ≥ 100 % | **short** |");
});

test("a row that nobody knows is a mistake", () => {
  expect(() => new Board().record("speed", 1)).toThrow("no row speed");
});
