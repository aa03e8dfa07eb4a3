import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runTrace } from "../../test/trace.ts";

const FOLDER = join(import.meta.dir, "../../testdata");

describe("golden traces of the pure core (C1, C2, C5; pitfalls 1, 2, 7, 8, 15, 32)", () => {
  for (const name of readdirSync(FOLDER)) {
    test(name, async () => {
      const file = Bun.file(join(FOLDER, name));
      const expected = await file.text();
      const actual = runTrace(expected);
      if (process.env["UPDATE"] === "1") await Bun.write(file, actual);
      else expect(actual).toBe(expected);
    });
  }
});
