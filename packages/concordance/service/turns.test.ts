import { expect, test } from "bun:test";
import { takingTurns } from "./turns.ts";

test("pieces come in the order asked for, one at a time, also those that others asked for, and one that failed holds nobody up", () => {
  const later: (() => void)[] = [];
  const inTurn = takingTurns((goOn) => later.push(goOn));
  const done: string[] = [];
  inTurn(() => done.push("a"));
  inTurn(() => {
    inTurn(() => done.push("d"));
    throw new Error("b failed");
  });
  inTurn(() => done.push("c"));
  expect(done).toEqual([]);
  const turn = () => {
    expect(later).toHaveLength(1);
    later.shift()?.();
  };
  turn();
  expect(turn).toThrow("b failed");
  turn();
  turn();
  expect(done).toEqual(["a", "c", "d"]);
  expect(later).toEqual([]);
  inTurn(() => done.push("e"));
  turn();
  expect(done.at(-1)).toBe("e");
});
