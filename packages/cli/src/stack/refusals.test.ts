import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireDatabase } from "./probes.ts";
import { takeRunLock } from "./run-lock.ts";

const reasonOf = (work: Promise<unknown>) =>
  work.then(
    () => "no refusal",
    (error: Error) => error.message,
  );

test("a database that does not answer is named at once, without its password", async () => {
  const closed = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  closed.stop(true);
  const reason = await reasonOf(requireDatabase(`postgres://u:hunter2@127.0.0.1:${closed.port}/x`));
  expect(reason).toContain(`127.0.0.1:${closed.port}/x does not answer a query`);
  expect(reason).toContain("its port");
  expect(reason).not.toContain("hunter2");
});

test("a data folder that cannot be made is refused with the flag that helps", () => {
  const folder = mkdtempSync(join(tmpdir(), "concert-lock-"));
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(() => takeRunLock(file)).toThrow(/cannot be used .*--data-dir/);
  rmSync(folder, { recursive: true });
});
