/** How the file is opened. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "./schema.ts";

test("a commit is on disk before anybody hears of it, when the file is new and when it is opened again", () => {
  const dir = mkdtempSync(join(tmpdir(), "podium-"));
  const FULL = 2;
  for (const _time of ["new", "again"]) {
    const db = openDatabase(join(dir, "podium.db"));
    expect(db.query("PRAGMA synchronous").get()).toEqual({ synchronous: FULL });
    expect(db.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    db.close();
  }
  rmSync(dir, { recursive: true });
});
