import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type AgentMove,
  type Command,
  encodeId,
  type ThinkRequest,
  type Thought,
} from "../src/index.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

/** A scripted host: each question is answered by the script, and kept. */
const asked: ThinkRequest[] = [];
let script: (request: ThinkRequest) => Thought | Promise<Thought>;

let h: Harness;
beforeAll(async () => {
  h = await startHarness({
    agent: {
      think: async (request) => {
        asked.push(request);
        return script(request);
      },
    },
  });
});
afterAll(() => h.stop());
beforeEach(() => {
  asked.length = 0;
});

const usage = { inputTokens: 3, outputTokens: 2 };
const say = (text: string): Thought => ({
  kind: "moved",
  usage,
  move: { kind: "final", messageId: "m", text },
});
const call = (
  ...calls: Extract<AgentMove, { kind: "tool_calls" }>["calls"][number][]
): Thought => ({
  kind: "moved",
  usage,
  move: { kind: "tool_calls", messageId: "m", calls },
});
const observations = (request: ThinkRequest) =>
  request.transcript.flatMap((entry) => (entry.kind === "observation" ? [entry] : []));
let turns = 0;
const submitTurn = async (principal = ANNA) => {
  turns += 1;
  const { command } = await h.concord.commands.submit({
    taskName: "agent.turn",
    payload: {
      agent_type: "buyer",
      instance_id: "i",
      session_id: "s",
      turn_id: `turn-${turns}`,
      text: "buy",
      history: [],
    },
    principal,
    ingress: "api_request",
    traceId: TRACE,
    idempotencyKey: `turn:turn-${turns}`,
  });
  return command;
};
const buyCall = (amount: number) => ({
  callId: `c-${turns}`,
  toolName: "buy",
  arguments: { order_id: `turn-${turns}`, item: "desk", amount },
});
const children = (turn: Command) =>
  h.rows<{
    command_id: string;
    status: string;
    requested_by: string;
    ingress: string;
    trace_id: string;
    idempotency_key: string;
  }>("SELECT * FROM concord.commands WHERE parent_command_id = $1", [turn.commandId]);

describe("an agent's turn", () => {
  test("thinks, has its proposal governed as a child of the same person, and answers", async () => {
    script = (request) => (request.stepIndex === 0 ? call(buyCall(20)) : say("done"));
    const turn = await submitTurn();
    const done = await h.settled(turn);
    expect(done.result).toEqual({
      text: "done",
      steps: 2,
      usage: { input_tokens: 6, output_tokens: 4 },
    });
    const [child] = await children(turn);
    expect(child).toMatchObject({
      status: "succeeded",
      requested_by: "anna",
      ingress: "agent_action",
      trace_id: TRACE,
      idempotency_key: `${encodeId("command", turn.commandId)}:c-${turns}`,
    });
    const second = asked[1];
    if (second === undefined) throw new Error("there was no second thought");
    expect(observations(second)[0]).toMatchObject({
      status: "succeeded",
      result: { bought: { item: "desk" } },
    });
    expect(asked.map((one) => one.stepKey)).toEqual(
      [0, 1].map((n) => `${encodeId("command", turn.commandId)}:think:${n}`),
    );
    expect(await h.eventTypes(turn)).toEqual(
      expect.arrayContaining(["agent_started", "tool_call_proposed", "agent_completed"]),
    );
  });

  test("APR-6 waits durably for a person, also across a restart", async () => {
    script = (request) =>
      request.stepIndex === 0
        ? call(buyCall(900))
        : say(observations(request)[0]?.status ?? "nothing");
    const turn = await submitTurn();
    await expect
      .poll(async () => (await children(turn))[0]?.status, { timeout: 20_000 })
      .toBe("waiting_for_approval");
    await h.restart();
    const { items } = await h.concord.approvals.list(FRED, {
      limit: 1,
      status: "pending",
      commandId: turn.commandId,
    });
    const approval = items[0];
    if (approval === undefined) throw new Error("no approval under the turn");
    await h.concord.approvals.resolve({
      approvalId: encodeId("approval", approval.approvalId),
      decision: "approved",
      principal: FRED,
      traceId: TRACE,
    });
    expect((await h.settled(turn)).result).toMatchObject({ text: "succeeded" });
    expect(asked).toHaveLength(2);
  });

  test("RUN-11 a turn whose first act after a restart is to propose does not outrun the start", async () => {
    script = () => new Promise<Thought>(() => undefined);
    const turn = await submitTurn();
    await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(1);
    const { callId, toolName, arguments: given } = buyCall(30);
    const calls = [{ callId, toolName, arguments: given }];
    const move = JSON.stringify({ kind: "tool_calls", messageId: "m", calls });
    await h.restart(async () => {
      script = () => say("went on");
      await h.pool.query(
        "INSERT INTO concord.agent_moves (command_id, step_index, move, usage) VALUES ($1, 0, $2, $3)",
        [turn.commandId, move, JSON.stringify(usage)],
      );
    });
    expect((await h.settled(turn)).result).toMatchObject({ text: "went on" });
    expect((await children(turn)).map((one) => one.status)).toEqual(["succeeded"]);
  });

  test("bad arguments and unknown tools come back as observations, not as a crash", async () => {
    script = (request) =>
      request.stepIndex === 0
        ? call(
            { callId: "a", toolName: "buy", arguments: { item: 7 } },
            { callId: "b", toolName: "launch_rocket", arguments: {} },
          )
        : say("sorry");
    const turn = await submitTurn();
    expect((await h.settled(turn)).status).toBe("succeeded");
    const seen = observations(asked[1] ?? (asked[0] as ThinkRequest));
    expect(seen.map((one) => one.error?.class)).toEqual(["validation_error", "validation_error"]);
    expect(await children(turn)).toEqual([]);
    expect(await h.eventTypes(turn)).toContain("tool_call_denied");
  });

  test("G7 a child has no more rights than the person: denied, told to the agent", async () => {
    script = (request) => (request.stepIndex === 0 ? call(buyCall(5)) : say("no"));
    const turn = await submitTurn({ ...ANNA, permissions: [] });
    await h.settled(turn);
    expect(observations(asked[1] as ThinkRequest)[0]).toMatchObject({
      status: "failed",
      error: { class: "policy_denied" },
    });
    expect(await h.eventTypes(turn)).toContain("tool_call_denied");
  });

  test("an agent that never finishes is stopped after twelve thoughts", async () => {
    script = (request) =>
      call({ callId: `n${request.stepIndex}`, toolName: "nothing", arguments: {} });
    const done = await h.settled(await submitTurn());
    expect([done.status, done.errorClass, asked.length]).toEqual(["failed", "agent_failed", 12]);
  });

  test("a host that fails for a while is asked again with the same key; one that refuses ends the turn", async () => {
    script = () =>
      asked.length < 3 ? { kind: "failed", again: true, message: "away" } : say("back");
    expect((await h.settled(await submitTurn())).result).toMatchObject({ text: "back" });
    expect(new Set(asked.map((one) => one.stepKey)).size).toBe(1);
    script = () => ({ kind: "failed", again: false, message: "model_refused" });
    const done = await h.settled(await submitTurn());
    expect([done.status, done.errorClass]).toEqual(["failed", "agent_failed"]);
  });

  test("a host that repeats a call_id or sends what cannot be stored fails the turn, not the process", async () => {
    script = () =>
      call(
        { callId: "x", toolName: "buy", arguments: {} },
        { callId: "x", toolName: "buy", arguments: {} },
      );
    expect((await h.settled(await submitTurn())).errorClass).toBe("agent_failed");
    script = () => say("half \ud800");
    expect((await h.settled(await submitTurn())).errorClass).toBe("agent_failed");
  });

  test("CAN-8 stopping a turn stops its children and their questions", async () => {
    script = () => call(buyCall(900));
    const turn = await submitTurn();
    await expect
      .poll(async () => (await children(turn))[0]?.status, { timeout: 20_000 })
      .toBe("waiting_for_approval");
    await h.concord.commands.cancel(ANNA, encodeId("command", turn.commandId), "enough");
    expect((await h.settled(turn)).status).toBe("cancelled");
    expect((await children(turn)).map((one) => one.status)).toEqual(["cancelled"]);
  });

  test("CAN-8 stopping a turn does not wait for a host that does not answer", async () => {
    script = () => new Promise<Thought>((answer) => setTimeout(answer, 1_500, say("late")));
    const turn = await submitTurn();
    await expect.poll(() => asked.length, { timeout: 20_000 }).toBe(1);
    await h.concord.commands.cancel(ANNA, encodeId("command", turn.commandId));
    expect((await h.settled(turn)).status).toBe("cancelled");
  });
});
