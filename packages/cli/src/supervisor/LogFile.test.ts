/** Rotation, and lines that arrive in pieces. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogFile } from "./LogFile.ts";

const folder = mkdtempSync(join(tmpdir(), "concert-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("rotates by size and keeps three files, the newest lines in the plain one", () => {
  const log = new LogFile(join(folder, "rotating.log"), () => undefined, 100);
  for (let number = 0; number < 50; number += 1) log.write(`line number ${number}\n`);
  const files = readdirSync(folder).filter((name) => name.startsWith("rotating.log"));
  expect(files.sort()).toEqual(["rotating.log", "rotating.log.1", "rotating.log.2"]);
  expect(readFileSync(log.path, "utf8")).toEndWith("line number 49\n");
  expect(readFileSync(`${log.path}.1`, "utf8")).not.toContain("line number 49");
});

test("gives whole lines although they arrive in pieces, and the unfinished one last", () => {
  const seen: string[] = [];
  const log = new LogFile(join(folder, "pieces.log"), (line) => seen.push(line));
  log.write("one\ntw");
  log.write("o\nthr");
  expect(seen).toEqual(["one", "two"]);
  expect(log.tail(2)).toEqual(["two", "thr"]);
});

test("goes on where an earlier run stopped", () => {
  new LogFile(join(folder, "again.log"), () => undefined).write("first run\n");
  const log = new LogFile(join(folder, "again.log"), () => undefined);
  log.write("second run\n");
  expect(readFileSync(log.path, "utf8")).toBe("first run\nsecond run\n");
});
