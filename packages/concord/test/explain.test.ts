import { afterAll, beforeAll, expect, test } from "vitest";
import { type Command, encodeId, type Thought } from "../src/index.ts";
import { ANNA, EVE, type Harness, refusalOf, startHarness, TRACE } from "./support/harness.ts";

let think: () => Promise<Thought>;
let h: Harness;
beforeAll(async () => {
  h = await startHarness({ agent: { think: () => think() } });
});
afterAll(() => h.stop());

const why = async (command: Command) =>
  (await h.concord.explain(ANNA, encodeId("command", command.commandId))).reasons;
const kinds = async (command: Command) => (await why(command)).map((one) => one.kind);
const DEAR = { amount: 900 };
const turn = async (id: string) => {
  const payload = {
    agent_type: "buyer",
    instance_id: "i",
    session_id: "s",
    turn_id: id,
    text: "buy",
    history: [],
  };
  const request = { taskName: "agent.turn", payload, principal: ANNA, traceId: TRACE } as const;
  return (await h.concord.commands.submit({ ...request, ingress: "api_request" })).command;
};

test("a waiting command names who has to decide, about what, and until when", async () => {
  const { command } = await h.submit(DEAR);
  const approval = await h.approvalOf(command);
  await expect.poll(() => kinds(command), { timeout: 20_000 }).toEqual(["person"]);
  expect((await why(command))[0]).toMatchObject({
    until: approval.expiresAt,
    about: encodeId("approval", approval.approvalId),
  });
  expect(await refusalOf(h.concord.explain(EVE, encodeId("command", command.commandId)))).toBe(
    "not_found",
  );
});

test("a command at rest says why it rests", async () => {
  const { command } = await h.submit({}, { as: { ...ANNA, permissions: [] } });
  const [reason] = await why(command);
  expect(reason?.kind).toBe("at_rest");
  expect(reason?.text).toContain("lacks the permission");
});

test("a call that does not end, and a turn that waits for its child, say so", async () => {
  h.vendor.faults.push("stall_after");
  const calls = [
    { callId: "c", toolName: "buy", arguments: { order_id: "explained", item: "cup", amount: 1 } },
  ];
  const usage = { inputTokens: 1, outputTokens: 1 };
  think = async () => ({
    kind: "moved",
    usage,
    move: { kind: "tool_calls", messageId: "m", calls },
  });
  const parent = await turn("explained");
  await expect.poll(() => kinds(parent), { timeout: 20_000 }).toEqual(["child"]);
  const child = (await why(parent))[0]?.about ?? "";
  const reasons = async () => (await h.concord.explain(ANNA, child)).reasons;
  await expect
    .poll(async () => (await reasons()).map((one) => one.kind), { timeout: 4_000, interval: 20 })
    .toEqual(["call"]);
});

test("an agent that thinks is named as the reason", async () => {
  think = () => new Promise<Thought>(() => undefined);
  const parent = await turn("thinking");
  await expect.poll(() => kinds(parent), { timeout: 20_000 }).toEqual(["agent"]);
  await h.concord.commands.cancel(ANNA, encodeId("command", parent.commandId));
});

test("a silent executor, a run put aside and a missing run are told beside what is waited for", async () => {
  const { command: first } = await h.submit(DEAR);
  const { command } = await h.submit(DEAR);
  const id = encodeId("command", command.commandId);
  // What waits for another command as well has a run.
  const dependency = { commandId: encodeId("command", first.commandId) };
  await h.concord.commands.dependOn(ANNA, id, [dependency]);
  const waits = ["person", "dependency"];
  await expect.poll(() => kinds(command), { timeout: 20_000 }).toEqual(waits);
  const run = (change: string) =>
    h.pool.query(`UPDATE dbos.workflow_status SET ${change} WHERE workflow_uuid = $1`, [
      command.workflowId,
    ]);
  await run("status = 'MAX_RECOVERY_ATTEMPTS_EXCEEDED', executor_id = 'gone'");
  expect(await kinds(command)).toEqual([...waits, "given_up"]);
  await run("status = 'PENDING'");
  expect((await kinds(command))[2]).toBe("dead_executor");
  await run("status = 'ERROR'");
  expect(await kinds(command)).toEqual([...waits, "no_run"]);
});
