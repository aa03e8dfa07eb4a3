/** Handles in number and in what they hold: the one unused longest goes first, whoever is used keeps what it has. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DbLruCache } from "./db-lru-cache.ts";

let folder: string;
let opened: string[];
let cache: DbLruCache;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "diminuendo-test-"));
  opened = [];
  cache = new DbLruCache(2);
});
afterEach(() => {
  cache.closeAll();
  rmSync(folder, { recursive: true });
});

const use = (name: string, nowMs: number): Database =>
  cache.get(join(folder, name), nowMs, (path) => {
    opened.push(name);
    return new Database(path, { create: true });
  });

test("of more than it may hold, the handle unused longest is closed and opened anew", () => {
  for (const name of ["a", "b", "a", "c", "a", "b"]) use(name, 0);
  expect(opened).toEqual(["a", "b", "c", "b"]);
  expect(cache.size).toBe(2);
});

test("who was not used since is closed, and nobody else", () => {
  use("a", 1);
  const b = use("b", 3);
  cache.closeUnused(2);
  expect(cache.size).toBe(1);
  expect(use("b", 4)).toBe(b);
  use("a", 5);
  expect(opened).toEqual(["a", "b", "a"]);
});

test("a handle that gave its pages back finds them again", () => {
  const a = use("a", 1);
  a.run("CREATE TABLE x (y)");
  a.run("INSERT INTO x VALUES (7)");
  cache.shrinkUnused(2);
  cache.shrinkUnused(2);
  expect(use("a", 3).query("SELECT y FROM x").get()).toEqual({ y: 7 });
  expect(opened).toEqual(["a"]);
});
