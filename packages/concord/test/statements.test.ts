import { afterAll, beforeAll, expect, test } from "vitest";
import { anyonePolicy, type ConnectorStep, defineContracts, NO_RETRY } from "../src/index.ts";
import { ANNA, type Harness, startHarness, TRACE } from "./support/harness.ts";
import { recordStatements } from "./support/statements.ts";

const step = (id: string): ConnectorStep => ({
  kind: "connector",
  id,
  connector: "nothing",
  operation: "do",
  effectType: `nothing.${id}`,
  input: ({ payload }) => payload,
});
const twoEffects = defineContracts((catalog) => {
  catalog.policy(anyonePolicy("free", "it is counted"));
  catalog.connector({
    name: "nothing",
    connectorType: "internal",
    riskLevel: "low",
    auth: { mode: "none" },
    operations: {
      do: {
        description: "Does nothing.",
        sideEffect: true,
        keyTemplate: "nothing:{id}",
        timeoutMs: 10_000,
        retry: NO_RETRY,
        compensation: { notNeeded: "nothing happened" },
        call: async (input) => ({ ok: true, output: input }),
      },
    },
  });
  catalog.task({
    name: "two_effects",
    description: "Two effects that do nothing.",
    inputSchema: { type: "object", required: ["id"], properties: { id: { type: "string" } } },
    policies: ["free"],
    steps: [step("first"), step("second")],
    result: () => ({}),
  });
});

/** Raise them only for something that is worth a round trip of every command. */
const COMMITS = 6;
const STATEMENTS = 44;
const ROUND_TRIPS = 25;

let harness: Harness;

beforeAll(async () => {
  harness = await startHarness({ more: () => twoEffects });
});
afterAll(() => harness.stop());

test("the plain command of two effects: what it asks of the database, from submission to end", async () => {
  const statements = recordStatements();
  const { command } = await harness.concord.commands.submit({
    taskName: "two_effects",
    payload: { id: "counted" },
    principal: ANNA,
    ingress: "user_request",
    traceId: TRACE,
  });
  // Looked at without naming it: naming it is what counts.
  const unfinished = () =>
    harness.rows("SELECT 1 FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING')");
  await expect.poll(unfinished, { timeout: 30_000 }).toEqual([]);
  statements.stop();
  const batches = statements.naming(command.commandId);
  const ofEach = batches.map((batch) => batch.length);
  expect(await harness.effects(command)).toMatchObject([
    { status: "succeeded", attempts: 1 },
    { status: "succeeded", attempts: 1 },
  ]);
  const told = batches.flat().map(({ text }) => text);
  expect(ofEach.filter((count) => count > 1).length, "commits").toBe(COMMITS);
  expect(told.length, told.join("\n")).toBe(STATEMENTS);
  const trips = batches.flat().filter(({ isBehind }) => !isBehind);
  expect(trips.length, trips.map(({ text }) => text).join("\n")).toBe(ROUND_TRIPS);
});
