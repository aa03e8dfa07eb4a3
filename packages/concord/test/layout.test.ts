/** Where what stands, and what stands nowhere, read from the sources; docs/adr/0030 says where that is not as specified. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { filesUnder, ROOT, SOURCES, textOf } from "./support/sources.ts";

const foldersOf = (folder: string) =>
  readdirSync(join(ROOT, folder), { withFileTypes: true })
    .filter((one) => one.isDirectory())
    .map(({ name }) => name)
    .sort();
/** Files of `folder` whose text has `pattern`, from the package's sources. */
const having = (pattern: RegExp, folder = SOURCES) =>
  filesUnder(folder)
    .filter((path) => pattern.test(textOf(path)))
    .map((path) => path.slice(SOURCES.length + 1));

describe("rooms", () => {
  test("BND-7 X-8 the rooms are those of the plan", () => {
    expect(foldersOf(SOURCES)).toEqual([
      "adapters",
      "api",
      "client",
      "core",
      "declarations",
      "domain",
      "evidence",
      "postgres",
      "registry",
      "runtime",
      "server",
      "testing",
    ]);
    expect(foldersOf(`${SOURCES}/runtime`)).toEqual(["dbos", "memory", "protocol", "restate"]);
    for (const one of ["agents", "connectors", "policies", "webhooks"]) {
      expect(foldersOf(`${SOURCES}/adapters`)).toContain(one);
    }
    for (const one of ["migrations", "projections", "repositories"]) {
      expect(foldersOf(`${SOURCES}/postgres`)).toContain(one);
    }
    expect(foldersOf("examples").length).toBeGreaterThanOrEqual(3);
  });

  test("BND-7 X-8 there is no engine beside the durable runtimes, and none of them is named outside its room", () => {
    for (const older of ["engine", "worker", "workers", "scheduler"]) {
      expect(existsSync(join(ROOT, SOURCES, older))).toBe(false);
    }
  });
});

describe("the durable runtime in the code", () => {
  const DBOS = `${SOURCES}/runtime/dbos`;

  test("RUN-14 workflow, step, transaction, wait and queue are told apart: each has one place that asks DBOS for it", () => {
    expect(having(/DBOS\.registerWorkflow\(/)).toEqual([
      "runtime/dbos/runtime.ts",
      // A tick is a workflow of its own.
      "runtime/dbos/schedules.ts",
    ]);
    expect(having(/DBOS\.runStep\(/)).toEqual([
      "runtime/dbos/context.ts",
      "runtime/dbos/schedules.ts",
    ]);
    expect(having(/\brunTransaction\(/)).toEqual(["runtime/dbos/data-source.ts"]);
    expect(having(/DBOS\.recv\b/)).toEqual(["runtime/dbos/context.ts"]);
    expect(having(/DBOS\.registerQueue\(/)).toEqual(["runtime/dbos/runtime.ts"]);
    expect(having(/\benqueue(InTransaction)?\(/, DBOS)).toEqual(["runtime/dbos/messages.ts"]);
  });

  test("RUN-14 every workflow and every durable call has a name that a reader finds in the engine's own tables", () => {
    const bodies = having(/\.defineWorkflow\([A-Z_]+,/);
    expect(bodies).toEqual(["runtime/deliver-webhook.ts", "runtime/run-command.ts"]);
    for (const path of bodies) {
      const text = textOf(`${SOURCES}/${path}`);
      expect(text).toMatch(/const [A-Z_]+ = "concord\.[a-z_]+";/);
      // context.step("name", …), or a name that was handed on.
      for (const [, name] of text.matchAll(/context\.(?:step|transaction)\(([^,]+),/g)) {
        expect(name).toMatch(/^("[a-z_]+"|name)$/);
      }
    }
  });

  test("RTY-2 what is tried again, and how often, comes from one function; nobody else makes such a policy or hands one to a step", () => {
    const making = having(/\bcompilePolicy\(/);
    expect(making).toEqual([
      // Webhooks that leave, and the ticks of schedules, have no connector.
      "concord.ts",
      "core/retry.ts",
      "registry/catalog.ts",
      "registry/check-connectors.ts",
      "registry/describe-tasks.ts",
      "runtime/dbos/schedules.ts",
      // Looks whether what a connector declares can be kept.
      "testing/connector-contract.ts",
    ]);
    // Declarations stand with the operations that they are about.
    const literal = having(/\b(attemptsMax|maxAttempts|intervalSeconds|backoffRate): *[\d[]/);
    const declaring =
      /^(adapters|declarations)\/|^core\/retry\.ts$|^concord\.ts$|^runtime\/dbos\/schedules\.ts$/;
    expect(literal.filter((path) => !declaring.test(path))).toEqual([]);
    const options = having(/retriesAllowed|maxAttempts:/, `${SOURCES}/runtime`);
    expect(options).toEqual(["runtime/dbos/schedules.ts"]);
    expect(textOf(`${DBOS}/schedules.ts`)).toContain("maxAttempts: RETRY.attemptsMax");
  });

  test("RUN-15 V-66 no runner, worker, timer, lease, retry loop, backfill or recovery of our own: what repeats by itself is listed", () => {
    // Each looks at rows or tells who is alive; none claims work, and none waits in place of a run.
    expect(having(/\bsetInterval\(/)).toEqual(
      [
        "api/events.ts",
        "concord.ts",
        "domain/thinking.ts",
        "runtime/deadlines.ts",
        "runtime/deliver-webhook.ts",
        "runtime/dbos/take-over.ts",
        "runtime/reconcile.ts",
        "runtime/restate/relay.ts",
      ].sort(),
    );
    // A turn that might be parked passes over calls that somebody changes just now; it takes none.
    expect(having(/SKIP\s+LOCKED|skipLocked/i)).toEqual(["postgres/repositories/turns.ts"]);
    expect(having(/\b(lease_until|claimed_by|run_after)\b/)).toEqual([]);
    // Recovery is asked of DBOS: runs of the dead are handed to it, by their ids.
    expect(having(/DBOS\.resumeWorkflows\(/)).toEqual(["runtime/dbos/take-over.ts"]);
    expect(having(/DBOS\.backfillSchedule\(/)).toEqual(["runtime/dbos/schedules.ts"]);
    // The one runner that is ours serves tests, and programs that can lose checkpoints.
    expect(having(/class \w*(Worker|Scheduler|Runner)\b/)).toEqual([]);
  });
});
