/** One turn through the real process: socket in, Concord and Ensemble beside it, socket out. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { AgentClient } from "./support/agent-client.ts";
import type { ConcordServer } from "./support/concord-server.ts";
import {
  done,
  type EnsembleServer,
  never,
  text,
  thinking,
  toolCall,
} from "./support/ensemble-server.ts";
import { ALICE, MALLORY, type PodiumProcess, stepBody, until } from "./support/podium-process.ts";
import { PodiumWorld } from "./support/podium-world.ts";

let world: PodiumWorld;
let concord: ConcordServer;
let ensemble: EnsembleServer;
let podium: PodiumProcess;

beforeEach(async () => {
  world = await PodiumWorld.start();
  ({ concord, ensemble, podium } = world);
});

afterEach(() => world.end());

const ask = async (turnId = "t1", agentType = "concierge") => {
  await podium.createInstance(agentType, "i1");
  const client = await AgentClient.connect(podium, "i1");
  await client.ask(turnId, "Book the Aurora");
  await client.event("created", turnId);
  return client;
};

test("a whole turn: call, approval, result, answer; every event once, in a sensible order (P1 P4 P6)", async () => {
  const client = await ask();
  const submitted = concord.submissions[0];
  expect(submitted?.actor).toEqual(ALICE);
  expect(submitted?.body).toMatchObject({
    task_name: "agent.turn",
    idempotency_key: "turn:t1",
    payload: {
      agent_type: "concierge",
      instance_id: "i1",
      session_id: "s1",
      turn_id: "t1",
      text: "Book the Aurora",
      history: [],
    },
  });

  ensemble.script(
    thinking("hm"),
    text("Let me "),
    text("look."),
    toolCall("hotel_search", { city: "Berlin" }),
    done(10, 5),
  );
  const first = await (await podium.step(stepBody("cmd_1", "i1", "t1", 0))).json();
  expect(first).toMatchObject({
    move: {
      kind: "tool_calls",
      text: "Let me look.",
      calls: [{ tool_name: "hotel_search", arguments: { city: "Berlin" } }],
    },
    usage: { input_tokens: 10, output_tokens: 5 },
  });
  const move = (first as { move: { calls: { call_id: string }[] } }).move;
  const callId = move.calls[0]?.call_id ?? "";

  const child = { command: "cmd_child", root: "cmd_1", parent: "cmd_1", task: "hotel.search" };
  concord.emit({ type: "command_created", ...child });
  concord.emit({
    type: "tool_call_proposed",
    command: "cmd_1",
    root: "cmd_1",
    payload: { call_id: callId, tool_name: "hotel_search", arguments: {}, command_id: "cmd_child" },
  });
  concord.emit({
    type: "approval_requested",
    ...child,
    payload: {
      approval_id: "appr_1",
      approval_type: "spend",
      review_packet: { action: "x" },
      expires_at: "2030-01-01T00:00:00Z",
    },
  });
  concord.emit({
    type: "approval_resolved",
    ...child,
    payload: { approval_id: "appr_1", decision: "approved", decided_by: "bob", reason: "fine" },
  });
  concord.emit({
    type: "state_transitioned",
    ...child,
    payload: { from: "running", to: "succeeded" },
  });
  await client.event("command.status");

  ensemble.script(text("Found it."), done(20, 7));
  const transcript = [
    { kind: "move", move },
    {
      kind: "observation",
      call_id: callId,
      tool_name: "hotel_search",
      command_id: "cmd_child",
      status: "succeeded",
      result: { offers: [] },
    },
  ];
  const second = await (await podium.step(stepBody("cmd_1", "i1", "t1", 1, { transcript }))).json();
  expect(second).toMatchObject({ move: { kind: "final", text: "Found it." } });
  concord.moveTurn("cmd_1", "succeeded", { result: { text: "Found it.", usage: {}, steps: 2 } });
  const complete = await client.event("complete");

  expect(complete.content).toEqual({
    final_text: "Found it.",
    status: "succeeded",
    usage: { input_tokens: 30, output_tokens: 12 },
    command_id: "cmd_1",
  });
  expect(client.types().filter((type) => type !== "thinking.progress")).toEqual([
    "created",
    "stream_start",
    "thinking.start",
    "thinking.complete",
    "stream_update",
    "stream_end",
    "tool.call_start",
    "tool.call",
    "tool.command",
    "tool.permission_requested",
    "tool.approval_resolved",
    "command.status",
    "tool.result",
    "stream_start",
    "stream_update",
    "stream_end",
    "usage",
    "complete",
  ]);
  expect(client.events.map((event) => event.event_id)).toEqual(
    client.events.map((_, index) => index + 1),
  );
  expect(client.events.find((e) => e.event_type === "tool.permission_requested")?.content).toEqual({
    request_id: "appr_1",
    command_id: "cmd_child",
    call_id: callId,
    approval_type: "spend",
    review_packet: { action: "x" },
    expires_at: "2030-01-01T00:00:00Z",
  });
  expect(client.events.find((e) => e.event_type === "command.status")?.content).toEqual({
    command_id: "cmd_child",
    call_id: callId,
    status: "succeeded",
    task_name: "hotel.search",
  });
  expect(ensemble.requests[1]?.messages.slice(1)).toEqual([
    { role: "user", content: "Book the Aurora" },
    {
      role: "assistant",
      content: "Let me look.",
      tool_calls: [{ id: callId, name: "hotel_search", arguments: { city: "Berlin" } }],
    },
    {
      role: "tool",
      content: '{"status":"succeeded","result":{"offers":[]}}',
      tool_call_id: callId,
      name: "hotel_search",
    },
  ] as never);
});

test("the next turn carries the finished ones as history, newest last (wire §3)", async () => {
  const client = await ask("t1", "echo");
  const echoed = { agent_type: "echo", text: "one two" };
  const answer = await (await podium.step(stepBody("cmd_1", "i1", "t1", 0, echoed))).json();
  expect(answer).toMatchObject({ move: { kind: "final", text: "one two" } });
  concord.moveTurn("cmd_1", "succeeded");
  await client.event("complete", "t1");
  await client.ask("t2", "and now?");
  await client.event("created", "t2");
  expect(concord.submissions[1]?.body.payload["history"]).toEqual([
    { role: "user", content: "Book the Aurora" },
    { role: "assistant", content: "one two" },
  ]);
});

test("process_message is idempotent by turn_id; another text under the same id is refused", async () => {
  const client = await ask();
  await client.ask("t1", "Book the Aurora");
  await client.ask("t1", "Something else");
  await until(() => client.errors.length > 0);
  expect(client.errors[0]?.error.code).toBe("idempotency_conflict");
  expect(client.errors).toHaveLength(1);
  expect(concord.submissions).toHaveLength(1);
});

test("a turn whose submission fails is submitted again until Concord answers (P10)", async () => {
  concord.failNext.push({ status: 503, code: "busy" }, { status: 500, code: "internal_error" });
  await ask();
  expect(concord.submissions).toHaveLength(1);
});

test("that Concord does not accept Podium's own key is no refusal of the turn: it waits (P10)", async () => {
  concord.failNext.push(
    { status: 401, code: "unauthorized" },
    { status: 401, code: "invalid_actor" },
  );
  const client = await ask();
  expect(concord.submissions).toHaveLength(1);
  expect(client.types()).toEqual(["created"]);
});

test("a refusal of the submission is the error of the turn, and its last event (P6)", async () => {
  concord.failNext.push({ status: 403, code: "policy_denied" });
  await podium.createInstance("concierge", "i1");
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "Book the Aurora");
  const error = await client.event("error");
  expect(error.content).toEqual({ code: "policy_denied", message: "refused with policy_denied" });
  expect(client.types()).toEqual(["error"]);
});

test("events that arrive before Concord's answer are held, then told in order (P9)", async () => {
  concord.beforeAnswer = async ({ commandId }) => {
    concord.emit({
      type: "state_transitioned",
      command: "cmd_kid",
      root: commandId,
      parent: commandId,
      task: "x.y",
      payload: { to: "running" },
    });
    concord.emit({
      type: "state_transitioned",
      command: "cmd_z",
      root: "cmd_other",
      task: "x.y",
      payload: { to: "running" },
    });
    concord.moveTurn(commandId, "failed", {
      error: { class: "agent_failed", message: "12 thoughts" },
    });
    await Bun.sleep(100); // Time for the feed to overtake the answer.
  };
  await podium.createInstance("concierge", "i1");
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  const error = await client.event("error");
  expect(error.content).toEqual({
    code: "agent_failed",
    message: "12 thoughts",
    command_id: "cmd_1",
  });
  expect(client.types()).toEqual(["created", "command.status", "usage", "error"]);
});

test("a step that arrives before Concord's answer names the command of the turn: created comes first", async () => {
  const step = Promise.withResolvers<unknown>();
  ensemble.script(text("Hello."), done(1, 1));
  concord.beforeAnswer = async ({ commandId }) => {
    step.resolve(await (await podium.step(stepBody(commandId, "i1", "t1"))).json());
  };
  await podium.createInstance("concierge", "i1");
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  expect(await step.promise).toMatchObject({ move: { text: "Hello." } });
  await client.event("stream_end");
  expect(client.types()).toEqual(["created", "stream_start", "stream_update", "stream_end"]);
});

test("a recorded move is answered again without asking the model (P3)", async () => {
  await ask();
  ensemble.script(text("Once."), done(1, 1));
  const first = await (await podium.step(stepBody("cmd_1", "i1", "t1"))).json();
  const again = await (await podium.step(stepBody("cmd_1", "i1", "t1"))).json();
  expect(again).toEqual(first);
  expect(ensemble.requests).toHaveLength(1);
});

test("concurrent requests for one step share one thought; a closed connection does not stop it (P11)", async () => {
  const client = await ask();
  const gate = Promise.withResolvers<void>();
  ensemble.script(text("Half "), { wait: gate.promise }, text("done."), done(1, 1));
  const leaving = new AbortController();
  const left = fetch(`${podium.url}/internal/v1/agent-steps`, {
    method: "POST",
    headers: { authorization: "Bearer pod_test", "content-type": "application/json" },
    body: JSON.stringify(stepBody("cmd_1", "i1", "t1")),
    signal: leaving.signal,
  });
  await client.event("stream_update");
  leaving.abort();
  expect(left).rejects.toThrow();
  const second = podium.step(stepBody("cmd_1", "i1", "t1"));
  const third = podium.step(stepBody("cmd_1", "i1", "t1"));
  gate.resolve();
  const answers = [await (await second).json(), await (await third).json()];
  expect(answers[0]).toMatchObject({ move: { text: "Half done." } });
  expect(answers[1]).toEqual(answers[0]);
  expect(ensemble.requests).toHaveLength(1);
  expect(client.types().filter((type) => type === "stream_start")).toHaveLength(1);
});

test("a retryable failure is 502 and the next attempt restarts the message with the same id (P5)", async () => {
  const client = await ask();
  ensemble.script(text("Half"), {
    event: "error",
    data: { error: { code: "provider_failed", message: "gone" } },
  });
  const failed = await podium.step(stepBody("cmd_1", "i1", "t1"));
  expect([
    failed.status,
    ((await failed.json()) as { error: { code: string } }).error.code,
  ]).toEqual([502, "model_failed"]);
  ensemble.script(text("Whole."), done(1, 1));
  expect((await podium.step(stepBody("cmd_1", "i1", "t1"))).status).toBe(200);
  await client.event("stream_end");
  const told = client.events
    .slice(1)
    .map(({ event_type, content }) => [event_type, content.attempt]);
  expect(told.filter(([type]) => type !== "stream_update")).toEqual([
    ["stream_start", 1],
    ["message_restarted", 2],
    ["stream_start", 2],
    ["stream_end", undefined],
  ]);
  expect(new Set(client.events.slice(1).map((event) => event.content.message_id)).size).toBe(1);
});

test("a hopeless model request is 422 model_refused, an overloaded one 502", async () => {
  await ask();
  ensemble.scriptFailure(404, "unknown_model");
  expect((await podium.step(stepBody("cmd_1", "i1", "t1"))).status).toBe(422);
  ensemble.scriptFailure(429, "rate_limited");
  expect((await podium.step(stepBody("cmd_1", "i1", "t1"))).status).toBe(502);
  ensemble.script(text("cut short"));
  expect((await podium.step(stepBody("cmd_1", "i1", "t1"))).status).toBe(502);
});

test("stop_turn aborts the thought, cancels the command, and complete (cancelled) is last (P6)", async () => {
  const client = await ask();
  ensemble.script(text("I was about to"), never());
  const step = podium.step(stepBody("cmd_1", "i1", "t1"));
  await client.event("stream_update");
  concord.failNext.push({ status: 503, code: "busy" });
  await client.stop("t1");
  expect((await step).status).toBe(409);
  const complete = await client.event("complete");
  expect(complete.content).toMatchObject({ status: "cancelled", final_text: "I was about to" });
  expect(concord.cancellations).toEqual([{ commandId: "cmd_1", actor: ALICE }]);
  await client.ask("t2", "next");
  await client.event("created", "t2");
  for (const root of ["cmd_1", "cmd_2"]) {
    const kid = { command: `${root}_kid`, root, parent: root, payload: { to: "cancelled" } };
    concord.emit({ type: "state_transitioned", ...kid });
  }
  await client.event("command.status", "t2");
  const told = client.events.filter((event) => event.turn_id === "t1");
  expect(told.map((event) => event.event_type)).toEqual([
    "created",
    "stream_start",
    "stream_update",
    "stream_end",
    "usage",
    "complete",
  ]);
  expect((await podium.step(stepBody("cmd_1", "i1", "t1", 1))).status).toBe(409);
});

test("P4: after a stop the person is told what became of each call, once, before complete", async () => {
  const client = await ask();
  ensemble.script(
    toolCall("hotel_search", { city: "Berlin" }),
    toolCall("hotel_confirm", { booking_draft_id: "art_1" }),
    done(1, 1),
  );
  const step = await podium.step(stepBody("cmd_1", "i1", "t1", 0));
  const { move } = (await step.json()) as {
    move: { calls: { call_id: string; tool_name: string }[] };
  };
  for (const [index, { call_id, tool_name }] of move.calls.entries()) {
    const payload = { call_id, tool_name, command_id: `kid_${index}` };
    concord.emit({ type: "tool_call_proposed", command: "cmd_1", root: "cmd_1", payload });
  }
  concord.beforeCancelled = () => {
    const ends = [
      { to: "cancelled", reason: "Stopped." },
      { to: "succeeded", result: { id: "b1" } },
    ];
    for (const [index, payload] of [...ends.entries(), ...ends.entries()]) {
      const kid = { command: `kid_${index}`, root: "cmd_1", parent: "cmd_1", payload };
      concord.emit({ type: "state_transitioned", ...kid });
    }
  };
  await client.stop("t1");
  await client.event("complete");
  const told = client.events.slice(client.types().indexOf("command.status"));
  expect(told.map((event) => event.event_type)).toEqual([
    "command.status",
    "tool.error",
    "command.status",
    "tool.result",
    "command.status",
    "command.status",
    "usage",
    "complete",
  ]);
  expect(told[1]?.content).toEqual({
    call_id: move.calls[0]?.call_id,
    tool_name: "hotel_search",
    command_id: "kid_0",
    status: "cancelled",
    error: { class: "cancelled", message: "Stopped." },
  });
  expect(told[3]?.content).toMatchObject({ tool_name: "hotel_confirm", result: { id: "b1" } });
});

test("a stop that comes before Concord's answer cancels as soon as the command is known", async () => {
  const gate = Promise.withResolvers<void>();
  concord.beforeAnswer = () => gate.promise;
  await podium.createInstance("concierge", "i1");
  const client = await AgentClient.connect(podium, "i1");
  await client.ask("t1", "hi");
  await client.stop("t1");
  await client.stop("nonsense");
  await until(() => client.errors.length > 0);
  expect(client.errors[0]).toMatchObject({ turn_id: "nonsense", error: { code: "unknown_turn" } });
  gate.resolve();
  const complete = await client.event("complete");
  expect(complete.content).toMatchObject({ status: "cancelled" });
  expect(concord.cancellations).toHaveLength(1);
});

test("a turn that Concord ends as failed because it was stopped is reported as cancelled", async () => {
  const client = await ask();
  concord.failNext.push({ status: 503, code: "busy" }, { status: 503, code: "busy" });
  await client.stop("t1");
  await until(() => concord.failNext.length < 2);
  concord.moveTurn("cmd_1", "failed", { error: { class: "turn_stopped", message: "stopped" } });
  expect((await client.event("complete")).content.status).toBe("cancelled");
});

test("tenants never mix: a foreign person's frames and requests meet a missing instance (design D3)", async () => {
  const client = await ask();
  await client.ask("t2", "mine now", MALLORY);
  await client.stop("t1", MALLORY);
  await until(() => client.errors.length === 2);
  expect(client.errors.map((frame) => frame.error.code)).toEqual([
    "unknown_instance",
    "unknown_instance",
  ]);
  expect(concord.submissions).toHaveLength(1);
  for (const [method, path] of [
    ["GET", ""],
    ["DELETE", ""],
    ["GET", "/events"],
  ] as const) {
    expect(
      (await podium.request(method, `/api/v1/instances/i1${path}`, undefined, MALLORY)).status,
    ).toBe(404);
  }
  expect((await podium.createInstance("concierge", "i1", MALLORY)).status).toBe(404);
});

test("an instance's config reaches the model; Podium's default fills what it leaves out", async () => {
  const config = { model: "big-1", temperature: 0.2, unknown: true };
  const body = { agent_type: "concierge", instance_id: "i1", config };
  expect((await podium.request("POST", "/api/v1/instances", body, ALICE)).status).toBe(201);
  const configured = await AgentClient.connect(podium, "i1");
  await configured.ask("t1", "hi");
  await configured.event("created");
  ensemble.script(text("Hi."), done(1, 1));
  await podium.step(stepBody("cmd_1", "i1", "t1"));
  expect(ensemble.requests[0]).toMatchObject({ model: "big-1", temperature: 0.2 });
  expect(ensemble.requests[0]).not.toHaveProperty("max_tokens");

  await podium.createInstance("concierge", "i2");
  const plain = await AgentClient.connect(podium, "i2");
  await plain.ask("t2", "hi");
  await plain.event("created");
  ensemble.script(text("Hi."), done(1, 1));
  await podium.step(stepBody("cmd_2", "i2", "t2"));
  expect(ensemble.requests[1]).toMatchObject({ model: "concert-offline-1" });
  expect(ensemble.requests[1]).not.toHaveProperty("temperature");
});

test("a broken feed is taken up from the cursor; an event that cannot be read does not stop it (P8)", async () => {
  const client = await ask();
  const kid = (n: number) =>
    concord.emit({
      type: "state_transitioned",
      command: `cmd_kid${n}`,
      root: "cmd_1",
      parent: "cmd_1",
      payload: { to: "running" },
    });
  const kids = () =>
    client.events
      .filter((event) => event.event_type === "command.status")
      .map((event) => event.content.command_id);
  kid(1);
  await until(() => kids().length === 1);
  const cursor = `c${concord.feedLength}`;
  concord.dropFeeds();
  concord.emit({ type: "state_transitioned", command: "nobody", root: "" });
  kid(2);
  kid(3);
  await until(() => kids().length === 3);
  expect(kids()).toEqual(["cmd_kid1", "cmd_kid2", "cmd_kid3"]);
  expect(concord.subscribedAfter).toEqual(["0", cursor]);
});

test("an instance has a bound on unfinished turns, and says so", async () => {
  const client = await ask("turn-0");
  for (let n = 1; n <= 16; n += 1) await client.ask(`turn-${n}`, "more");
  await until(() => client.errors.length > 0);
  expect(client.errors[0]).toMatchObject({ turn_id: "turn-16", error: { code: "too_many_turns" } });
});

test("words said into a turn reach its next thought once, and are told as read with its move", async () => {
  const client = await ask();
  ensemble.script(toolCall("hotel_search", { city: "Berlin" }), done(1, 1));
  const first = await podium.step(stepBody("cmd_1", "i1", "t1", 0));
  const { move } = (await first.json()) as { move: object };
  for (const id of ["s1", "s1"]) await client.steer("t1", id, "Porto instead");
  await client.steer("nowhere", "s2", "lost");
  await until(() => client.errors.length === 1 || undefined);
  expect(client.errors[0]).toMatchObject({ turn_id: "nowhere", error: { code: "unknown_turn" } });
  expect(client.types()).not.toContain("steered");
  ensemble.script(text("Porto."), done(1, 1));
  const transcript = [{ kind: "move", move }];
  await podium.step(stepBody("cmd_1", "i1", "t1", 1, { transcript }));
  const steered = await client.event("steered");
  expect(steered.content).toEqual({ steer_id: "s1" });
  expect(ensemble.requests.at(-1)?.messages.at(-1)).toEqual({
    role: "user",
    content: "Porto instead",
  });
});

test("a turn that an automation asks for is submitted as what a clock has asked for, the same after a crash (P10)", async () => {
  concord.failNext.push(...Array.from({ length: 200 }, () => ({ status: 503, code: "away" })));
  await podium.createInstance("concierge", "i1");
  const before = await AgentClient.connect(podium, "i1");
  const cause = { automation_id: "auto_1", run_id: "run_1", due_at: "2026-11-21T09:00:00.000Z" };
  await before.askFor(cause, "t1", "Tell what is new");
  await until(() => (concord.failNext.length < 200 ? true : undefined));
  await podium.end("SIGKILL");
  concord.failNext.length = 0;
  podium = await world.killAndRestart();
  const client = await AgentClient.connect(podium, "i1");
  await client.event("created", "t1");
  expect(concord.submissions.map(({ body }) => body)).toMatchObject([
    {
      idempotency_key: "turn:t1",
      context: { ingress: "scheduled_trigger", metadata: { automation: cause } },
    },
  ]);
  await client.askFor({ automation_id: "auto_1" }, "t2", "Half a cause");
  await until(() => client.errors[0]);
  expect(client.errors[0]?.error.code).toBe("invalid_frame");
});
