import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type AgentMove,
  type Command,
  encodeId,
  type ThinkRequest,
  type Thought,
} from "../src/index.ts";
import {
  ANNA,
  EVE,
  FRED,
  type Harness,
  refusalOf,
  startHarness,
  TRACE,
} from "./support/harness.ts";

let script: (request: ThinkRequest) => Thought;
let h: Harness;
beforeAll(async () => {
  h = await startHarness({ agent: { think: async (request) => script(request) } });
});
afterAll(() => h.stop());

const order = (order_id: string, more: object = {}, as = ANNA) =>
  h.submit({ order_id, ...more }, { task: "order", as });
const decide = async (command: Command, decision: "approved" | "rejected") =>
  h.concord.approvals.resolve({
    approvalId: encodeId("approval", (await h.approvalOf(command)).approvalId),
    decision,
    principal: FRED,
    traceId: TRACE,
  });

describe("a key the task derives", () => {
  test("EX-9 EX-14 a double tap, twenty times at once, is one command and one purchase", async () => {
    const taps = await Promise.all(Array.from({ length: 20 }, () => order("tapped")));
    expect(new Set(taps.map(({ command }) => command.commandId)).size).toBe(1);
    expect(taps.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const done = await h.settled(taps[0]?.command as Command);
    expect([done.status, done.idempotencyKey]).toEqual(["succeeded", "order:tapped"]);
    const late = await order("tapped");
    expect([late.replayed, late.command.result]).toEqual([true, done.result]);
  });

  test("EX-9 a caller's own key comes before the derived one", async () => {
    const mine = await h.submit({ order_id: "own" }, { task: "order", key: "my-key" });
    expect(mine.command.idempotencyKey).toBe("my-key");
    expect((await order("own")).command.commandId).not.toBe(mine.command.commandId);
  });

  test("CMD-15 the same derived key with another body is a conflict", async () => {
    await order("body");
    expect(await refusalOf(order("body", { amount: 7 }))).toBe("idempotency_conflict");
  });

  test("another tenant's derived key is another command", async () => {
    const mine = await order("tenants");
    const theirs = await order("tenants", {}, EVE);
    expect(theirs.command.commandId).not.toBe(mine.command.commandId);
  });

  test("parts cannot be shifted from one variable into the next", async () => {
    const one = await h.submit({ order_id: "a:b" }, { task: "order" });
    expect(one.command.idempotencyKey).toBe("order:a%3Ab");
  });

  test("after a failure that nobody decided, asking again is a new command; once it worked, it stays", async () => {
    const atWork = () =>
      h.rows("SELECT 1 FROM concord.commands WHERE status IN ('queued', 'running')");
    await expect.poll(async () => (await atWork()).length, { timeout: 20_000 }).toBe(0);
    h.vendor.faults.push("error_before", "error_before", "error_before", "error_before");
    const first = await order("retried");
    expect((await h.settled(first.command)).status).toBe("failed");
    const second = await order("retried");
    expect([second.replayed, second.command.idempotencyKey]).toEqual([false, "order:retried#2"]);
    expect((await h.settled(second.command)).status).toBe("succeeded");
    expect((await order("retried")).command.commandId).toBe(second.command.commandId);
  });

  test("a person's no stays a no, however often it is asked", async () => {
    const { command } = await order("refused", { amount: 900 });
    await decide(command, "rejected");
    const again = await order("refused", { amount: 900 });
    expect([again.command.commandId, again.command.errorClass]).toEqual([
      command.commandId,
      "approval_rejected",
    ]);
  });

  test("EX-9 an offer is found again until it is used up, or too old", async () => {
    const offer = () => h.submit({ order_id: "offered" }, { task: "offer" });
    const first = await offer();
    await h.settled(first.command);
    expect((await offer()).command.commandId).toBe(first.command.commandId);
    const { command } = await order("offered", { amount: 900 });
    expect((await offer()).command.commandId).toBe(first.command.commandId);
    await decide(command, "rejected");
    const second = await offer();
    expect(second.command.commandId).not.toBe(first.command.commandId);
    const aged = await h.submit({ order_id: "aged" }, { task: "offer" });
    await h.settled(aged.command);
    h.clock.aheadMs = 61_000;
    const later = await h.submit({ order_id: "aged" }, { task: "offer" });
    h.clock.aheadMs = 0;
    expect(later.command.commandId).not.toBe(aged.command.commandId);
  });

  test("POL-16 EX-11 the third within the hour is denied, also when all come at once; other people are not", async () => {
    const ask = (order_id: string, as = ANNA) =>
      h.submit({ order_id }, { task: "order_sparingly", as });
    const all = await Promise.all(["s1", "s2", "s3", "s4"].map((id) => ask(id)));
    const denied = all.filter(({ command }) => command.errorClass === "policy_denied");
    expect(denied).toHaveLength(2);
    expect(denied[0]?.command.error).toContain("the limit is 2 within 3600 s");
    const other = await ask("s5", { ...ANNA, user: "bert" });
    expect(other.command.status).toBe("queued");
  });
});

describe("agents and derived keys", () => {
  const usage = { inputTokens: 1, outputTokens: 1 };
  const say = (text: string): Thought => ({
    kind: "moved",
    usage,
    move: { kind: "final", messageId: "m", text },
  });
  const propose = (...calls: Extract<AgentMove, { kind: "tool_calls" }>["calls"][number][]) =>
    ({ kind: "moved", usage, move: { kind: "tool_calls", messageId: "m", calls } }) as Thought;
  const ordering = (callId: string, order_id: string, amount = 10) => ({
    callId,
    toolName: "order",
    arguments: { order_id, item: "desk", amount },
  });
  const seen = (request: ThinkRequest) =>
    request.transcript.flatMap((entry) => (entry.kind === "observation" ? [entry] : []));
  let turns = 0;
  const turn = async () => {
    turns += 1;
    const payload = {
      agent_type: "buyer",
      instance_id: "i",
      session_id: "s",
      turn_id: `k-${turns}`,
      text: "order",
      history: [],
    };
    const request = { taskName: "agent.turn", payload, principal: ANNA, traceId: TRACE } as const;
    return (await h.concord.commands.submit({ ...request, ingress: "api_request" })).command;
  };
  const observed: unknown[] = [];
  beforeEach(() => {
    observed.length = 0;
  });
  const watching = (calls: Thought) => (request: ThinkRequest) => {
    if (request.stepIndex === 0) return calls;
    observed.push(...seen(request).map(({ commandId, status }) => [commandId, status]));
    return say("done");
  };

  test("EX-14 one thing proposed twice in a turn is one command with two observations", async () => {
    script = watching(propose(ordering("c1", "in-one-turn"), ordering("c2", "in-one-turn")));
    expect((await h.settled(await turn())).status).toBe("succeeded");
    const [{ command_id: id } = { command_id: "" }] = await h.rows<{ command_id: string }>(
      "SELECT command_id FROM concord.commands WHERE derived_key = 'order:in-one-turn'",
    );
    expect(observed).toEqual([
      [id, "succeeded"],
      [id, "succeeded"],
    ]);
  });

  test("EX-14 a second turn that asks for the same gets the outcome of the first, and starts nothing", async () => {
    script = watching(propose(ordering("c1", "across")));
    await h.settled(await turn());
    const purchases = h.vendor.purchases.size;
    const second = await turn();
    expect((await h.settled(second)).status).toBe("succeeded");
    expect(observed[1]).toEqual(observed[0]);
    expect(h.vendor.purchases.size).toBe(purchases);
    const events = await h.rows<{ payload: { command_id: string } }>(
      "SELECT payload FROM concord.domain_events WHERE command_id = $1 AND event_type = 'tool_call_proposed'",
      [second.commandId],
    );
    expect(events[0]?.payload.command_id).toBe(encodeId("command", (observed[0] as [string])[0]));
  });

  test("EX-14 a turn that finds a command still waiting for a person waits with it and is woken by its end", async () => {
    script = watching(propose(ordering("c1", "pending", 900)));
    const first = await turn();
    const pending = () =>
      h.rows<{ command_id: string }>(
        "SELECT command_id FROM concord.commands WHERE derived_key = 'order:pending' AND status = 'waiting_for_approval'",
      );
    await expect.poll(async () => (await pending()).length, { timeout: 20_000 }).toBe(1);
    const second = await turn();
    const calls = () =>
      h.rows("SELECT 1 FROM concord.agent_calls WHERE command_id = $1", [second.commandId]);
    await expect.poll(async () => (await calls()).length, { timeout: 20_000 }).toBe(1);
    const { items } = await h.concord.approvals.list(FRED, { limit: 1, status: "pending" });
    await h.concord.approvals.resolve({
      approvalId: encodeId("approval", items[0]?.approvalId ?? ""),
      decision: "approved",
      principal: FRED,
      traceId: TRACE,
    });
    expect((await h.settled(first)).status).toBe("succeeded");
    expect((await h.settled(second)).status).toBe("succeeded");
    expect(observed).toHaveLength(2);
    expect(observed[0]).toEqual(observed[1]);
  });

  test("CAN-8 stopping a turn leaves a command alone that it only found", async () => {
    script = watching(propose(ordering("c1", "found", 900)));
    await turn();
    const command = async () =>
      (
        await h.rows<{ status: string }>(
          "SELECT status FROM concord.commands WHERE derived_key = 'order:found'",
        )
      )[0]?.status;
    await expect.poll(command, { timeout: 20_000 }).toBe("waiting_for_approval");
    const second = await turn();
    const calls = () =>
      h.rows("SELECT 1 FROM concord.agent_calls WHERE command_id = $1", [second.commandId]);
    await expect.poll(async () => (await calls()).length, { timeout: 20_000 }).toBe(1);
    await h.concord.commands.cancel(ANNA, encodeId("command", second.commandId));
    expect((await h.settled(second)).status).toBe("cancelled");
    expect(await command()).toBe("waiting_for_approval");
  });
});
