import { expect, test } from "vitest";
import { readPages } from "./use-pages.ts";

const LIST = ["a", "b", "c", "d", "e"];
const asked: (string | null)[] = [];
const readPage = async (cursor: string | null) => {
  asked.push(cursor);
  const from = Number(cursor ?? 0);
  const next = from + 2 < LIST.length ? String(from + 2) : null;
  return { items: LIST.slice(from, from + 2), next };
};

test("as many pages are read as were shown, each on from the one before, and no further than there are", async () => {
  const itemsOf = async (count: number) =>
    (await readPages(count, readPage)).flatMap(({ items }) => items);
  expect(await itemsOf(1)).toEqual(["a", "b"]);
  asked.length = 0;
  expect(await itemsOf(2)).toEqual(["a", "b", "c", "d"]);
  expect(asked).toEqual([null, "2"]);
  expect(await itemsOf(9)).toEqual(LIST);
});
