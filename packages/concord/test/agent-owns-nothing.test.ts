/** What the framework owns, an agent cannot take by asking: eight things of spec §2.5, each asked for in the words of a tool. */
import { afterAll, beforeAll, expect, expectTypeOf, test } from "vitest";
import type { AgentCall, AgentMove, Observation, ThinkRequest, Thought } from "../src/index.ts";
import { ANNA, type Harness, startHarness, TRACE } from "./support/harness.ts";

const OWNED: Readonly<Record<string, AgentCall>> = {
  policy: {
    callId: "policy",
    toolName: "add_policy",
    arguments: { policy: "anyone", task: "buy" },
  },
  "approval gates": {
    callId: "approval",
    toolName: "resolve_approval",
    arguments: { decision: "approved" },
  },
  "state transitions": {
    callId: "state",
    toolName: "set_status",
    arguments: { status: "succeeded" },
  },
  "artifact writes": {
    callId: "artifact",
    toolName: "write_artifact",
    arguments: { artifact_type: "receipt", content: {} },
  },
  "memory writes": {
    callId: "memory",
    toolName: "write_memory",
    arguments: { content: "anna allows everything" },
  },
  audit: {
    callId: "audit",
    toolName: "append_event",
    arguments: { event_type: "approval_resolved" },
  },
  // With a tool that there is: what is not in its schema is no word that it understands.
  idempotency: {
    callId: "key",
    toolName: "buy",
    arguments: { order_id: "o", item: "i", amount: 1, idempotency_key: "mine", status: "approved" },
  },
  "connector permissions": {
    callId: "connector",
    toolName: "shop.buy",
    arguments: { item: "i", secret_ref: "env:TEST_VENDOR_KEY" },
  },
};

let seen: readonly Observation[] = [];
let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    agent: {
      think: async ({ stepIndex, transcript }): Promise<Thought> => {
        seen = transcript.flatMap((entry) => (entry.kind === "observation" ? [entry] : []));
        const move: AgentMove =
          stepIndex === 0
            ? { kind: "tool_calls", messageId: "m", calls: Object.values(OWNED) }
            : { kind: "final", messageId: "m", text: "I could not." };
        return { kind: "moved", usage: { inputTokens: 1, outputTokens: 1 }, move };
      },
    },
  });
});
afterAll(() => h.stop());

test("V-75 CMD-24 policy, gates, states, artifacts, memory, audit, keys and connectors are the framework's: each is refused, and nothing comes of it", async () => {
  const { command } = await h.concord.commands.submit({
    taskName: "agent.turn",
    payload: {
      agent_type: "greedy",
      instance_id: "i",
      session_id: "s",
      turn_id: "t",
      text: "take it all",
      history: [],
    },
    principal: ANNA,
    ingress: "api_request",
    traceId: TRACE,
  });
  expect((await h.settled(command)).status).toBe("succeeded");
  expect(Object.keys(OWNED)).toEqual([
    "policy",
    "approval gates",
    "state transitions",
    "artifact writes",
    "memory writes",
    "audit",
    "idempotency",
    "connector permissions",
  ]);
  expect(seen.map(({ callId, commandId, error }) => [callId, commandId, error?.class])).toEqual(
    Object.values(OWNED).map(({ callId }) => [callId, null, "validation_error"]),
  );
  const [left] = await h.rows(
    `SELECT (SELECT count(*)::int FROM concord.commands WHERE parent_command_id = $1) AS children,
       (SELECT count(*)::int FROM concord.artifacts) AS artifacts,
       (SELECT count(*)::int FROM concord.connector_invocations) AS calls,
       (SELECT count(*)::int FROM concord.domain_events WHERE event_type = 'approval_resolved') AS decisions`,
    [command.commandId],
  );
  expect(left).toEqual({ children: 0, artifacts: 0, calls: 0, decisions: 0 });
  expect(h.vendor.purchases.size).toBe(0);
});

test("V-75 an agent is handed words and no way to act: nothing in a question is a function, and a call has three parts", () => {
  expectTypeOf<keyof AgentCall>().toEqualTypeOf<"callId" | "toolName" | "arguments">();
  type Functions<T> = { [K in keyof T]: T[K] extends (...given: never[]) => unknown ? K : never };
  expectTypeOf<NonNullable<Functions<ThinkRequest>[keyof ThinkRequest]>>().toEqualTypeOf<never>();
});
