/** AG-UI as its own client uses it: `@ag-ui/client`, with its checks of every event, against the real gateway. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type BaseEvent, HttpAgent } from "@ag-ui/client";
import { Fleet } from "./support/fleet.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { has } from "./support/programs.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(60_000);

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  gateway = await world.start();
});
afterAll(() => world.stop());

const agentOf = (threadId: string, token: string = TOKENS.ann, agentType = "echo") =>
  new HttpAgent({
    url: `${gateway.url}/api/ag-ui/${agentType}`,
    threadId,
    headers: { Authorization: `Bearer ${token}` },
  });

/** Runs the agent and answers every event of the run, as the client let it pass. */
async function runOf(agent: HttpAgent, parameters: Parameters<HttpAgent["runAgent"]>[0] = {}) {
  const events: BaseEvent[] = [];
  const { result, newMessages } = await agent.runAgent(parameters, {
    onEvent: ({ event }) => void events.push(event),
  });
  return { events, result, newMessages, types: events.map(({ type }) => String(type)) };
}

function say(agent: HttpAgent, text: string): void {
  agent.addMessage({ id: crypto.randomUUID(), role: "user", content: text });
}
const lastOf = (agent: HttpAgent) => agent.messages.at(-1);
const newThread = () => `thread-${crypto.randomUUID()}`;
const words = (count: number) => Array.from({ length: count }, (_, index) => `w${index} `).join("");

test("a run streams the turn: state, text, end; the thread goes on as the same session", async () => {
  const agent = agentOf(newThread());
  say(agent, "stream 200");
  const first = await runOf(agent);
  expect(first.types[0]).toBe("RUN_STARTED");
  expect(first.types[1]).toBe("STATE_SNAPSHOT");
  expect(first.types.at(-1)).toBe("RUN_FINISHED");
  expect(first.types.filter((type) => type === "TEXT_MESSAGE_CONTENT").length).toBeGreaterThan(1);
  expect(lastOf(agent)).toMatchObject({ role: "assistant", content: words(200) });
  expect(first.result).toMatchObject({ finalText: words(200) });
  const { sessionId } = agent.state.concert;
  say(agent, "hi");
  const second = await runOf(agent);
  expect(lastOf(agent)).toMatchObject({ role: "assistant", content: "Hello there." });
  expect(agent.state.concert.sessionId).toBe(sessionId);
  expect(second.events.at(-1)).toMatchObject({ usage: [{ inputTokens: 10, outputTokens: 5 }] });
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const log = await ann.storedLog(sessionId);
  expect(log.filter(({ type }) => type === "user_message")).toMatchObject([
    { text: "stream 200", userId: "ann" },
    { text: "hi", userId: "ann" },
  ]);
  ann.close();
});

test("an approval ends the run as an interrupt; the answer resumes the turn, once", async () => {
  const agent = agentOf(newThread());
  say(agent, "approve it");
  const first = await runOf(agent);
  expect(first.events.at(-1)).toMatchObject({
    type: "RUN_FINISHED",
    outcome: { type: "interrupt", interrupts: [{ reason: "approval", toolCallId: "call_1" }] },
  });
  const [interrupt] = agent.pendingInterrupts;
  expect(interrupt?.metadata).toMatchObject({ reviewPacket: { action: "Confirm a booking" } });
  expect(first.types).toContain("TOOL_CALL_ARGS");
  const interruptId = interrupt?.id ?? "";
  const resume = [{ interruptId, status: "resolved" as const, payload: { decision: "approved" } }];
  const second = await runOf(agent, { resume });
  expect(second.events).toContainEqual(
    expect.objectContaining({ type: "TOOL_CALL_RESULT", toolCallId: "call_1" }),
  );
  expect(second.events.at(-1)).toMatchObject({ outcome: { type: "success" } });
  expect(lastOf(agent)).toMatchObject({ role: "assistant", content: "Booked." });
  // The same answer again, as after a lost connection: the same end, and no second decision.
  const again = agentOf(agent.threadId);
  again.pendingInterrupts = interrupt === undefined ? [] : [interrupt];
  expect((await runOf(again, { resume })).events.at(-1)).toMatchObject({
    outcome: { type: "success" },
  });
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const log = await ann.storedLog(agent.state.concert.sessionId);
  expect(log.filter(({ type }) => type === "approval_resolved")).toMatchObject([
    { decision: "approved", decidedBy: "ann" },
  ]);
  ann.close();
});

test("a run that lost its connection and its gateway is asked for again under its id: one turn, told whole", async () => {
  const threadId = newThread();
  const runId = crypto.randomUUID();
  const body = {
    threadId,
    runId,
    state: {},
    messages: [{ id: "m1", role: "user", content: "stream 600" }],
    tools: [],
    context: [],
  };
  const cut = new AbortController();
  const response = await fetch(`${gateway.url}/api/ag-ui/echo`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKENS.ann}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: cut.signal,
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const reader = response.body?.getReader();
  for (let read = 0; read < 3; read += 1) await reader?.read();
  cut.abort();
  await gateway.kill();
  gateway = await world.start();
  const agent = agentOf(threadId);
  agent.addMessage({ id: "m1", role: "user", content: "stream 600" });
  await runOf(agent, { runId });
  expect(lastOf(agent)).toMatchObject({ role: "assistant", content: words(600) });
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const log = await ann.storedLog(agent.state.concert.sessionId);
  expect(log.filter(({ type }) => type === "user_message")).toHaveLength(1);
  ann.close();
});

test("a client that says nothing joins: the conversation, and the turn that is open", async () => {
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.newSession();
  await ann.ask({ type: "run_turn", sessionId, text: "hi" });
  await ann.untilType("turn_complete");
  const quiet = agentOf(sessionId);
  const joined = await runOf(quiet);
  expect(joined.types).toEqual([
    "RUN_STARTED",
    "STATE_SNAPSHOT",
    "MESSAGES_SNAPSHOT",
    "RUN_FINISHED",
  ]);
  expect(quiet.messages).toMatchObject([
    { role: "user", content: "hi" },
    { role: "assistant", content: "Hello there." },
  ]);
  await ann.until(
    () => ann.log(sessionId).findLast((e) => e.type === "session_state")?.status === "ready",
  );
  await ann.ask({ type: "run_turn", sessionId, text: "approve it" });
  await ann.until(() => ann.log(sessionId).some((e) => e.type === "permission_requested"));
  const waiting = agentOf(sessionId);
  const met = await runOf(waiting);
  expect(met.events.at(-1)).toMatchObject({ outcome: { type: "interrupt" } });
  expect(waiting.messages.at(-2)).toMatchObject({ role: "user", content: "approve it" });
  expect(waiting.state.concert).toMatchObject({ status: "waiting", waitingFor: "approval" });
  ann.close();
});

test("a question is an interrupt with the schema of its answer; what fits goes on, what does not is refused", async () => {
  const agent = agentOf(newThread());
  say(agent, "question who comes");
  const asked = (await runOf(agent)).events.at(-1) as unknown as {
    readonly outcome: { readonly type: string; readonly interrupts: readonly { id: string }[] };
  };
  expect(asked.outcome).toMatchObject({
    type: "interrupt",
    interrupts: [
      {
        reason: "question",
        message: "Who will stay there?",
        responseSchema: { required: ["guest_name"] },
      },
    ],
  });
  const interruptId = asked.outcome.interrupts[0]?.id ?? "";
  const answer = (payload: object) => [{ interruptId, status: "resolved" as const, payload }];
  const refused: BaseEvent[] = [];
  await agent
    .runAgent(
      { resume: answer({ guest_name: 7 }) },
      { onRunErrorEvent: ({ event }) => void refused.push(event) },
    )
    .catch((error: unknown) => refused.push({ code: String(error) } as unknown as BaseEvent));
  expect(JSON.stringify(refused)).toContain("InvalidAnswer");
  const done = await runOf(agent, { resume: answer({ guest_name: "Ada" }) });
  expect(done.events.at(-1)).toMatchObject({ type: "RUN_FINISHED" });
  expect(agent.messages.length).toBeGreaterThan(0);
});

test("a turn that fails is RUN_ERROR; one that is stopped ends as cancelled", async () => {
  const failing = agentOf(newThread());
  say(failing, "fail now");
  const errors: BaseEvent[] = [];
  await failing
    .runAgent({}, { onRunErrorEvent: ({ event }) => void errors.push(event) })
    .catch(() => undefined);
  expect(errors).toMatchObject([{ code: "agent_failed", message: "It broke." }]);
  const agent = agentOf(newThread());
  say(agent, "hold on");
  const ran = runOf(agent);
  for (let tries = 0; agent.state.concert === undefined && tries < 500; tries += 1) {
    await Bun.sleep(10);
  }
  const stopped = await fetch(`${gateway.url}/api/threads/${agent.state.concert.sessionId}/stop`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKENS.ann}`, "content-type": "application/json" },
    body: "{}",
  });
  expect(stopped.status).toBe(200);
  expect((await ran).events.at(-1)).toMatchObject({ outcome: { type: "cancelled" } });
});

test("who may not is refused before a run begins; another tenant's thread is another thread", async () => {
  const post = (body: object, token: string, agentType = "echo") =>
    fetch(`${gateway.url}/api/ag-ui/${agentType}`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const input = {
    threadId: newThread(),
    runId: "r1",
    messages: [{ id: "1", role: "user", content: "hi" }],
  };
  expect((await post(input, "wrong")).status).toBe(401);
  expect((await post(input, TOKENS.viewer)).status).toBe(403);
  expect((await post({ ...input, messages: "hi" }, TOKENS.ann)).status).toBe(400);
  const image = { ...input, messages: [{ role: "user", content: [{ type: "image" }] }] };
  const refused = await post(image, TOKENS.ann);
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining("image")]);

  const mine = agentOf(newThread());
  say(mine, "approve it");
  await runOf(mine);
  const { sessionId } = mine.state.concert;
  const [interrupt] = mine.pendingInterrupts;
  // A session of another tenant is not there: its id is only a name for a thread of one's own.
  const eve = agentOf(sessionId, TOKENS.eve);
  const met = await runOf(eve);
  expect(eve.state.concert.sessionId).not.toBe(sessionId);
  expect(met.types).toEqual(["RUN_STARTED", "STATE_SNAPSHOT", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]);
  const answers = [
    { interruptId: interrupt?.id, status: "resolved", payload: { decision: "approved" } },
  ];
  const forged = await post(
    { threadId: sessionId, runId: "r2", messages: [], resume: answers },
    TOKENS.eve,
  );
  expect(forged.status).toBe(404);
  const busy = await post({ ...input, threadId: sessionId }, TOKENS.ann);
  expect([busy.status, await busy.text()]).toEqual([
    409,
    expect.stringContaining("TurnInProgress"),
  ]);
});

test.if(has("redis-server", "several gateways"))(
  "of several gateways any answers: a run at one, its approval at another, the same run again at a third",
  async () => {
    const fleet = await Fleet.start();
    const places = [await fleet.gateway(), await fleet.gateway(), await fleet.gateway()];
    const [first, second, third] = places.map(({ url }) => `${url}/api/ag-ui/echo`);
    const agent = agentOf(newThread());
    agent.url = String(first);
    say(agent, "approve it");
    await runOf(agent);
    const [interrupt] = agent.pendingInterrupts;
    agent.url = String(second);
    const interruptId = interrupt?.id ?? "";
    const payload = { decision: "approved" };
    await runOf(agent, { resume: [{ interruptId, status: "resolved", payload }] });
    expect(lastOf(agent)).toMatchObject({ role: "assistant", content: "Booked." });
    say(agent, "stream 100");
    agent.url = String(third);
    const runId = crypto.randomUUID();
    await runOf(agent, { runId });
    expect(lastOf(agent)).toMatchObject({ content: words(100) });
    const elsewhere = agentOf(agent.threadId);
    elsewhere.url = String(first);
    say(elsewhere, "stream 100");
    await runOf(elsewhere, { runId });
    expect(lastOf(elsewhere)).toMatchObject({ content: words(100) });
    expect(elsewhere.state.concert.sessionId).toBe(agent.state.concert.sessionId);
    expect(fleet.world.podium.turns.size).toBe(2);
    await fleet.stop();
  },
);
