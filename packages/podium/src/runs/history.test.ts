/** The bounds of an agent's memory of earlier turns. */
import { expect, test } from "bun:test";
import { chooseHistory, historyMessages } from "./history.ts";

const turn = (turnSeq: number, chars = 1) => ({
  turnSeq,
  text: `q${turnSeq}`,
  finalText: "a".repeat(chars),
});

test("at most 40 messages, the newest turns, told oldest first", () => {
  const newestFirst = Array.from({ length: 30 }, (_, index) => turn(30 - index));
  const chosen = chooseHistory(newestFirst);
  expect(historyMessages(chosen)).toHaveLength(40);
  expect(chosen[0]?.turnSeq).toBe(11);
  expect(chosen.at(-1)?.turnSeq).toBe(30);
});

test("a bound on characters leaves out older turns whole, never the middle", () => {
  const chosen = chooseHistory([turn(3, 50_000), turn(2, 80_000), turn(1, 1)]);
  expect(chosen.map((one) => one.turnSeq)).toEqual([3]);
});
