/** A tenant's registry is asked for while it is being made: nobody is refused. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as Effect from "effect/Effect";
import * as Layer from "effect/Layer";
import { AppConfig, type Settings } from "../src/app-config.ts";
import { WorkerManager } from "../src/db/WorkerManager.ts";

setDefaultTimeout(60_000);

const TENANTS = 60;
const READS = 40;

test("a registry that is being made can be asked about, and is made once", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "diminuendo-test-"));
  const settings = { dataDir } as unknown as Settings;
  const layer = WorkerManager.layer.pipe(Layer.provide(Layer.succeed(AppConfig, settings)));
  const program = Effect.gen(function* () {
    const workers = yield* WorkerManager;
    for (let n = 0; n < TENANTS; n += 1) {
      const tenantId = `t${n}`;
      const seen = { change: "seen", userId: "u", email: "u@new.test", role: "owner" } as const;
      const member = { ...seen, emailVerified: true };
      const change = {
        kind: "change_members",
        tenantId,
        member,
        nowMs: 1,
        remembered: null,
      } as const;
      const ask = { kind: "standing", tenantId, userId: "u" } as const;
      const reads = Array.from({ length: READS }, (_, index) =>
        Effect.andThen(Effect.sleep(index / 4), workers.read(ask)),
      );
      yield* Effect.all([workers.write(change), workers.write(change), ...reads], {
        concurrency: "unbounded",
      });
      expect(yield* workers.read(ask)).toMatchObject({ kind: "member" });
    }
  });
  try {
    await Effect.runPromise(Effect.scoped(Effect.provide(program, layer)));
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
});
