/** One command that serves calls of two conversations: its approval is shown, and its answer told, in both. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { AgentClient } from "./support/agent-client.ts";
import type { ConcordServer } from "./support/concord-server.ts";
import type { PodiumProcess } from "./support/podium-process.ts";
import { PodiumWorld } from "./support/podium-world.ts";

let world: PodiumWorld;
let concord: ConcordServer;
let podium: PodiumProcess;

beforeEach(async () => {
  world = await PodiumWorld.start();
  ({ concord, podium } = world);
});
afterEach(() => world.end());

async function conversation(instanceId: string, turnId: string): Promise<AgentClient> {
  await podium.createInstance("concierge", instanceId);
  const client = await AgentClient.connect(podium, instanceId);
  await client.ask(turnId, "Book the Aurora");
  await client.event("created", turnId);
  return client;
}

const confirm = { command: "cmd_confirm", task: "hotel.confirm" };
const ofFirst = { ...confirm, root: "cmd_1", parent: "cmd_1" };
const propose = (turn: string, callId: string) =>
  concord.emit({
    type: "tool_call_proposed",
    command: turn,
    root: turn,
    payload: { call_id: callId, tool_name: "hotel_confirm", command_id: "cmd_confirm" },
  });
const request = () =>
  concord.emit({
    type: "approval_requested",
    ...ofFirst,
    payload: { approval_id: "appr_1", approval_type: "spend", review_packet: { action: "x" } },
  });
const decide = () =>
  concord.emit({
    type: "approval_resolved",
    ...ofFirst,
    payload: { approval_id: "appr_1", decision: "approved", decided_by: "bob" },
  });

for (const order of ["before", "after"] as const) {
  test(`asked for ${order} the second conversation meets it: one card and one answer in each`, async () => {
    const first = await conversation("i1", "t1");
    const second = await conversation("i2", "t2");
    concord.emit({ type: "command_created", ...ofFirst });
    propose("cmd_1", "call_a");
    if (order === "before") request();
    propose("cmd_2", "call_b");
    if (order === "after") request();
    const cards = [
      await first.event("tool.permission_requested"),
      await second.event("tool.permission_requested"),
    ];
    expect(cards.map(({ content }) => content)).toMatchObject([
      { request_id: "appr_1", command_id: "cmd_confirm", call_id: "call_a" },
      { request_id: "appr_1", command_id: "cmd_confirm", call_id: "call_b" },
    ]);
    decide();
    await first.event("tool.approval_resolved");
    await second.event("tool.approval_resolved");
    for (const client of [first, second]) {
      const told = client.types().filter((type) => /permission|approval/.test(type));
      expect(told).toEqual(["tool.permission_requested", "tool.approval_resolved"]);
    }
  });
}

test("an approval that was answered before is not shown to who meets its command later", async () => {
  await conversation("i1", "t1");
  const second = await conversation("i2", "t2");
  concord.emit({ type: "command_created", ...ofFirst });
  propose("cmd_1", "call_a");
  request();
  decide();
  propose("cmd_2", "call_b");
  await second.event("tool.command");
  concord.moveTurn("cmd_2", "succeeded", { result: { text: "ok", usage: {}, steps: 1 } });
  await second.event("complete");
  expect(second.types()).not.toContain("tool.permission_requested");
});

test("a question that a command asked before is asked in the conversation that meets it later, and is over in both", async () => {
  const first = await conversation("i1", "t1");
  const second = await conversation("i2", "t2");
  concord.emit({ type: "command_created", ...ofFirst });
  propose("cmd_1", "call_a");
  const asked = { input_request_id: "inp_1", question: "Who?", questions: [], asked_by: "task" };
  concord.emit({ type: "input_requested", ...ofFirst, payload: asked });
  await first.event("tool.question_requested");
  propose("cmd_2", "call_b");
  expect((await second.event("tool.question_requested")).content).toMatchObject({
    request_id: "inp_1",
    call_id: "call_b",
  });
  const payload = { input_request_id: "inp_1", fields: [], provided_by: "ann" };
  concord.emit({ type: "input_provided", ...ofFirst, payload });
  for (const client of [first, second]) {
    expect((await client.event("tool.question_resolved")).content).toMatchObject({
      outcome: "answered",
      answered_by: "ann",
    });
  }
});
