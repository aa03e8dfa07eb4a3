/** What a command and all that it set in motion cost. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentMove, defineContracts, encodeId, type Thought } from "../src/index.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

const usage = { inputTokens: 1_000, outputTokens: 200 };
const moved = (move: AgentMove): Thought => ({ kind: "moved", usage, move });
let answers: readonly ("fails" | "works")[] = [];
let made = 0;

let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    tokenCosts: { input: 0.5, output: 2 },
    agent: {
      think: async ({ stepIndex }) =>
        stepIndex === 0
          ? moved({
              kind: "tool_calls",
              messageId: "m",
              calls: [{ callId: "c", toolName: "render", arguments: {} }],
            })
          : moved({ kind: "final", messageId: "m", text: "done" }),
    },
    more: () =>
      defineContracts((catalog) => {
        catalog.connector({
          name: "farm",
          connectorType: "test",
          riskLevel: "low",
          auth: { mode: "none" },
          operations: {
            render: {
              description: "Render.",
              sideEffect: false,
              timeoutMs: 5_000,
              costUnits: 2.5,
              retry: { attemptsMax: 3, waitsSeconds: [0] },
              call: async () => {
                made += 1;
                return answers[made - 1] === "fails"
                  ? { ok: false, errorClass: "transient_connector_error", message: "busy" }
                  : { ok: true, output: {} };
              },
            },
            look: {
              description: "Look; it costs nothing.",
              sideEffect: false,
              timeoutMs: 5_000,
              call: async () => ({ ok: true, output: {} }),
            },
          },
        });
        const step = (id: string) => ({
          kind: "connector" as const,
          id,
          connector: "farm",
          operation: id,
          input: () => ({}),
        });
        catalog.task({
          name: "render",
          description: "Look, then render.",
          inputSchema: { type: "object" },
          policies: ["anyone"],
          steps: [step("look"), step("render")],
          result: () => ({}),
          tool: { name: "render" },
        });
      }),
  });
});
afterAll(() => h.stop());

test("OPS-6 each attempt that was made costs what its operation says, also one that failed; what declares nothing is counted and free", async () => {
  [answers, made] = [["fails", "works"], 0];
  const { command } = await h.submit({}, { task: "render" });
  expect((await h.settled(command)).status).toBe("succeeded");
  const id = encodeId("command", command.commandId);
  const { total, lines } = await h.concord.costs(ANNA, id);
  expect(total).toMatchObject({ calls: 3, callUnits: 5, thoughts: 0, tokenUnits: 0, units: 5 });
  expect(lines).toHaveLength(1);
  expect(await refusalOf(h.concord.costs(EVE, id))).toBe("not_found");
});

test("OPS-6 an agent's turn answers for its thoughts and for what it set in motion", async () => {
  [answers, made] = [[], 0];
  const { command } = await h.concord.commands.submit({
    taskName: "agent.turn",
    payload: {
      agent_type: "maker",
      instance_id: "i",
      session_id: "s",
      turn_id: "t",
      text: "render it",
      history: [],
    },
    principal: ANNA,
    ingress: "api_request",
    traceId: TRACE,
  });
  expect((await h.settled(command)).status).toBe("succeeded");
  const found = await h.concord.costs(ANNA, encodeId("command", command.commandId));
  expect(found.lines.map(({ taskName, calls, thoughts }) => [taskName, calls, thoughts])).toEqual([
    ["agent.turn", 0, 2],
    ["render", 2, 0],
  ]);
  expect(found.total).toEqual({
    calls: 2,
    callUnits: 2.5,
    thoughts: 2,
    inputTokens: 2_000,
    outputTokens: 400,
    tokenUnits: 1.8,
    units: 4.3,
  });
});
