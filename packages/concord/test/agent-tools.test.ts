/** What an agent is shown and may ask for: in a turn, and from elsewhere over HTTP. */
import { createLogger } from "@concert/service-kit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type ConcordApp, createConcordApp } from "../src/api/app.ts";
import { parseOperatorKey } from "../src/api/auth.ts";
import {
  type AgentMove,
  agentRiskPolicy,
  contractsFromYaml,
  defineContracts,
  encodeId,
  loadCatalog,
  type ThinkRequest,
  type Thought,
} from "../src/index.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

type Calls = Extract<AgentMove, { kind: "tool_calls" }>["calls"];
const asked: ThinkRequest[] = [];
let calls: Calls = [];
const usage = { inputTokens: 1, outputTokens: 1 };
const think = async (request: ThinkRequest): Promise<Thought> => {
  asked.push(request);
  const messageId = "m";
  if (request.stepIndex > 0) {
    return { kind: "moved", usage, move: { kind: "final", messageId, text: "done" } };
  }
  return { kind: "moved", usage, move: { kind: "tool_calls", messageId, calls } };
};

const input = {
  type: "object",
  required: ["what"],
  additionalProperties: false,
  properties: { what: { type: "string" } },
} as const;
const agents = defineContracts((catalog) => {
  catalog.agent({ agentType: "window_shopper", allowedTools: ["price", "order"] });
  catalog.agent({ agentType: "*", forbiddenTools: ["order"] });
  catalog.policy(
    agentRiskPolicy("careful", {
      alone: "low",
      approval: { approvalType: "purchase", approver: { kind: "group", name: "finance" } },
    }),
  );
  catalog.task({
    name: "note",
    description: "Writes something down.",
    inputSchema: input,
    policies: ["careful"],
    steps: [
      {
        kind: "artifact",
        id: "note",
        artifactType: "file",
        title: () => "A note",
        content: ({ payload }) => payload,
      },
    ],
    result: () => ({}),
    tool: { name: "note" },
  });
});

let h: Harness;
let app: ConcordApp;
beforeAll(async () => {
  h = await startHarness({ agent: { think }, more: () => agents });
  const operatorKeys = [
    parseOperatorKey("anna=t1:anna::buy"),
    parseOperatorKey("poor=t1:poor:"),
    parseOperatorKey("fred=t1:fred:finance|auditor"),
  ];
  const auth = { serviceKey: "service", internalSecret: "unused-in-this-test", operatorKeys };
  app = createConcordApp(h.concord, auth, createLogger("test", "silent"));
});
afterAll(() => h.stop());
beforeEach(() => {
  asked.length = 0;
});

let turns = 0;
async function turnOf(agentType: string, made: Calls) {
  turns += 1;
  calls = made;
  const { command } = await h.concord.commands.submit({
    taskName: "agent.turn",
    payload: {
      agent_type: agentType,
      instance_id: "i",
      session_id: "s",
      turn_id: `turn-${turns}`,
      text: "go on",
      history: [],
    },
    principal: ANNA,
    ingress: "api_request",
    traceId: TRACE,
  });
  await h.settled(command);
  const seen = asked.at(-1)?.transcript.flatMap((one) => (one.kind === "observation" ? [one] : []));
  return { turn: command, shown: asked[0]?.tools.map(({ name }) => name), seen: seen ?? [] };
}
const chair = (id: string) => ({ order_id: id, item: "chair", amount: 5 });

describe("in a turn", () => {
  test("TOL-5 an agent is shown its catalog; a hidden tool is answered word for word like one that is not there", async () => {
    const { turn, shown, seen } = await turnOf("window_shopper", [
      { callId: "hidden", toolName: "buy", arguments: chair("h-1") },
      { callId: "absent", toolName: "rob", arguments: chair("h-1") },
    ]);
    expect(shown).toEqual(["price", "order"]);
    const [hidden, absent] = seen.map(({ callId: _callId, toolName, ...rest }) =>
      JSON.stringify(rest).replace(toolName, "…"),
    );
    expect(hidden).toContain('There is no tool \\"…\\"; there are: price, order.');
    expect(hidden).toBe(absent);
    const children = "SELECT 1 FROM concord.commands WHERE parent_command_id = $1";
    expect(await h.rows(children, [turn.commandId])).toEqual([]);
    expect(await h.eventTypes(turn)).toContain("tool_call_denied");
  });

  test("TOL-5 the star holds for types without a catalog of their own, and arguments make no difference", async () => {
    const { shown, seen } = await turnOf("anybody", [
      { callId: "wrong", toolName: "order", arguments: { nonsense: true } },
    ]);
    expect(shown).not.toContain("order");
    expect(shown).toContain("buy");
    expect(seen[0]?.error?.message).toMatch(/^There is no tool "order"/);
  });

  test("PLN-5 a plan of several calls: the forbidden one is rejected, each other one is judged by itself", async () => {
    const { turn, seen } = await turnOf("window_shopper", [
      { callId: "ask", toolName: "price", arguments: chair("p-1") },
      { callId: "forbidden", toolName: "buy", arguments: chair("p-1") },
      { callId: "order", toolName: "order", arguments: chair("p-2") },
    ]);
    expect(seen.map(({ callId, status }) => [callId, status])).toEqual([
      ["ask", "succeeded"],
      ["forbidden", "failed"],
      ["order", "succeeded"],
    ]);
    expect([...h.vendor.purchases.keys()].filter((key) => key.includes(":p-"))).toEqual([
      "buy:p-2",
    ]);
    const judged = await h.rows<{ task_name: string; policies: string }>(
      `SELECT c.task_name, count(d.*) AS policies FROM concord.commands c
       JOIN concord.policy_decisions d ON d.command_id = c.command_id
       WHERE c.parent_command_id = $1 GROUP BY 1 ORDER BY 1`,
      [turn.commandId],
    );
    expect(judged).toEqual([
      { task_name: "order", policies: "2" },
      { task_name: "price", policies: "1" },
    ]);
  });
});

describe("a catalog of tools", () => {
  test("TOL-5 CMP-8 a tool that nobody has cannot be forbidden by a slip of the pen", () => {
    const wrong = () =>
      loadCatalog([
        agents,
        contractsFromYaml("agent: { type: window_shopper, forbidden_tools: [notes] }"),
        contractsFromYaml("agent: { type: b, allowed_tools: [note], forbidden_tools: [note] }"),
      ]);
    for (const problem of [
      'the agent "window_shopper" is registered twice',
      'agent "window_shopper" names the unknown tool "notes"',
      'agent "b" is both allowed and forbidden the tool "note"',
    ]) {
      expect(wrong).toThrow(problem);
    }
  });
});

const act = async (body: object, key = "anna") => {
  const response = await app.request("/agent-actions", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: "it was asked for", ...body }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
interface Answer {
  readonly status: string;
  readonly risk_level: string;
  readonly review_packet: { readonly risk_level: string };
  readonly items: readonly { readonly name: string; readonly payload: object }[];
}
const get = async (path: string, key = "anna") =>
  (await (
    await app.request(path, { headers: { authorization: `Bearer ${key}` } })
  ).json()) as Answer;

describe("from elsewhere", () => {
  test("API-4 what is allowed runs once, as a command with its reason, and the agent is told", async () => {
    const wish = { tool_name: "buy", payload: chair("a-1"), idempotency_key: "once" };
    const [first, second] = [await act(wish), await act(wish)];
    expect([first.status, first.body["decision"]]).toEqual([200, "allow"]);
    expect(second.body["command_id"]).toBe(first.body["command_id"]);
    await expect
      .poll(async () => (await get(`/commands/${first.body["command_id"]}`)).status)
      .toBe("succeeded");
    expect(h.vendor.purchases.has("buy:a-1")).toBe(true);
    const [row] = await h.rows(
      "SELECT ingress, requested_by, context->'metadata' AS said FROM concord.commands WHERE idempotency_key = 'once'",
    );
    expect(row).toEqual({
      ingress: "agent_action",
      requested_by: "anna",
      said: { tool_name: "buy", reason: "it was asked for" },
    });
  });

  test("API-4 denied: nothing happens, and why is told", async () => {
    const { status, body } = await act({ tool_name: "buy", payload: chair("a-2") }, "poor");
    expect([status, body["decision"], body["status"]]).toEqual([200, "deny", "failed"]);
    expect(body["message"]).toMatch(/permission/);
    expect(h.vendor.purchases.has("buy:a-2")).toBe(false);
  });

  test("API-4 a person has to agree: which question that is, and then it goes on", async () => {
    const payload = { ...chair("a-3"), amount: 900 };
    const { body } = await act({ tool_name: "buy", payload });
    expect(body).toMatchObject({ decision: "require_approval", status: "waiting_for_approval" });
    expect(body["message"]).toMatch(/^group finance has to agree first/);
    const approvalId = String(body["approval_id"]);
    await h.concord.approvals.resolve({
      approvalId,
      decision: "approved",
      principal: FRED,
      traceId: TRACE,
    });
    await expect
      .poll(async () => (await get(`/commands/${body["command_id"]}`)).status)
      .toBe("succeeded");
  });

  test("API-4 X-43 the caller's word on the risk raises that of the task and never lowers it", async () => {
    const note = { tool_name: "note", payload: { what: "milk" } };
    expect((await act(note)).body["decision"]).toBe("allow");
    expect((await act({ ...note, risk_level: "low" })).body["decision"]).toBe("allow");
    const { body } = await act({ ...note, risk_level: "high", action_type: "tool_call" });
    expect(body["decision"]).toBe("require_approval");
    const approval = await get(`/approvals/${body["approval_id"]}`, "fred");
    expect([approval.risk_level, approval.review_packet.risk_level]).toEqual(["high", "high"]);
  });

  test("API-4 TOL-5 what the agent's type hides is not there, on record like any refusal; so is what is no tool", async () => {
    const hidden = await act({ tool_name: "buy", payload: {}, agent_type: "window_shopper" });
    const absent = await act({ tool_name: "offer", payload: {}, agent_type: "window_shopper" });
    for (const [name, { status, body }] of [
      ["buy", hidden],
      ["offer", absent],
    ] as const) {
      expect([status, body["error"]]).toMatchObject([
        404,
        { code: "unknown_task", message: `There is no tool "${name}"; there are: price, order.` },
      ]);
    }
    const shown = await get("/tools?agent_type=window_shopper");
    expect(shown.items.map((one) => one.name)).toEqual(["price", "order"]);
    const { items } = await get("/audit/events?event_type=command_rejected", "fred");
    expect(items[0]?.payload).toMatchObject({ code: "unknown_task", ingress: "agent_action" });
  });

  test("API-4 what does not fit the tool is refused with its place, before any policy", async () => {
    const { status, body } = await act({ tool_name: "price", payload: { item: 7 } });
    expect([status, body["error"]]).toMatchObject([400, { code: "validation_error" }]);
    expect((await act({ tool_name: "price", payload: {}, action_type: "spell" })).status).toBe(400);
  });

  test("CAN-6 the command of an agent's action is stopped like any other", async () => {
    const payload = { ...chair("a-4"), amount: 900 };
    const { body } = await act({ tool_name: "buy", payload });
    const stopped = await h.concord.commands.cancel(ANNA, String(body["command_id"]));
    expect(encodeId("command", stopped.commandId)).toBe(body["command_id"]);
    expect(stopped.status).toBe("cancelled");
  });
});
