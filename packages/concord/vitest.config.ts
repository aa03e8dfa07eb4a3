/**
 * Owns how Concord's tests run: on Node, each file in a process of its own, since DBOS is one per process; and the levels
 * they can be run by: `npx vitest run --project safety`.
 */
import { defineConfig } from "vitest/config";
import { LEVELS, levelOf, testFiles } from "./test/support/levels.ts";

const files = testFiles();

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: LEVELS.map((name) => ({
      extends: true as const,
      test: { name, include: files.filter((one) => levelOf(one) === name) },
    })),
  },
});
