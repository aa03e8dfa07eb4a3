/** The gateway end to end: a real process between real sockets and servers that speak docs/wire.md. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { SessionEvent } from "../src/protocol/index.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  gateway = await world.start();
});
afterAll(() => world.stop());

async function newSession(client: TestClient, agentType = "echo"): Promise<string> {
  const { session } = (await client.ask({ type: "create_session", agentType })) as unknown as {
    session: { sessionId: string };
  };
  return session.sessionId;
}

const types = (events: readonly SessionEvent[]) => events.map(({ type }) => type);
const statuses = (events: readonly SessionEvent[]) =>
  events.flatMap((e) => (e.type === "session_state" ? [e.status] : []));

function expectDense(events: readonly SessionEvent[], from = 1): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => from + index));
}

describe("a turn", () => {
  test("D1 D2 D4 streams from the person's words to turn_complete, dense and in order", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await newSession(client);
    const snapshot = await client.ask({ type: "join_session", sessionId });
    expect(snapshot).toMatchObject({ type: "state_snapshot", headSeq: 0, activeTurnId: null });
    const accepted = await client.ask({ type: "run_turn", sessionId, text: "hi" });
    expect(accepted.type).toBe("turn_accepted");
    await client.untilType("turn_complete");
    await client.until(() => statuses(client.log(sessionId)).length === 4);
    const log = client.log(sessionId);
    expectDense(log);
    expect(log[0]).toMatchObject({ type: "user_message", text: "hi", userId: "ann" });
    expect(statuses(log)).toEqual(["activating", "ready", "running", "ready"]);
    expect(types(log).filter((type) => type === "turn_complete")).toHaveLength(1);
    expect(log.find((e) => e.type === "message_complete")).toMatchObject({ text: "Hello there." });
    expect(client.unreadable).toEqual([]);
    const { sessions } = (await client.ask({ type: "list_sessions" })) as unknown as {
      sessions: { sessionId: string; lastSeq: number; status: string }[];
    };
    expect(sessions.find((one) => one.sessionId === sessionId)).toMatchObject({
      status: "ready",
      lastSeq: log.length,
    });
    client.close();
  });
});

describe("turns, repeated and refused", () => {
  test("the same idempotencyKey answers the first turn; another text conflicts", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await newSession(client);
    const ask = { type: "run_turn", sessionId, text: "hold on", idempotencyKey: "k1" } as const;
    const first = await client.ask(ask);
    expect(await client.ask(ask)).toMatchObject({ type: "turn_accepted", turnId: first["turnId"] });
    expect(await client.ask({ ...ask, text: "hold off" })).toMatchObject({
      code: "IdempotencyConflict",
    });
    expect(await client.ask({ type: "run_turn", sessionId, text: "more" })).toMatchObject({
      code: "TurnInProgress",
    });
    expect(await client.ask({ type: "stop_turn", sessionId })).toMatchObject({
      type: "stop_accepted",
    });
    await client.ask({ type: "join_session", sessionId });
    await client.until(() => client.log(sessionId).some((e) => e.type === "turn_complete"));
    const ends = client.log(sessionId).filter((e) => e.type === "turn_complete");
    expect(ends).toMatchObject([{ status: "cancelled" }]);
    await client.until(() => statuses(client.log(sessionId)).at(-1) === "ready");
    expect(await client.ask({ type: "stop_turn", sessionId })).toMatchObject({
      code: "NoActiveTurn",
    });
    // The key still stands for the first turn, although it is over.
    expect(await client.ask(ask)).toMatchObject({ turnId: first["turnId"] });
    expect(client.log(sessionId).filter((e) => e.type === "user_message")).toHaveLength(1);
    client.close();
  });

  test("only who asked for a turn, or an owner, stops it; to anybody else it is not accepted", async () => {
    const [ann, bob] = [
      await TestClient.as(gateway.port, TOKENS.ann),
      await TestClient.as(gateway.port, TOKENS.bob),
    ];
    const runAndStop = async (asker: TestClient, stopper: TestClient) => {
      const sessionId = await newSession(asker);
      await asker.ask({ type: "run_turn", sessionId, text: "hold on" });
      return { sessionId, answer: await stopper.ask({ type: "stop_turn", sessionId }) };
    };
    const refused = await runAndStop(ann, bob);
    expect(refused.answer).toMatchObject({ type: "error", code: "PermissionDenied" });
    expect(await ann.ask({ type: "stop_turn", sessionId: refused.sessionId })).toMatchObject({
      type: "stop_accepted",
    });
    expect((await runAndStop(bob, bob)).answer).toMatchObject({ type: "stop_accepted" });
    expect((await runAndStop(bob, ann)).answer).toMatchObject({ type: "stop_accepted" });
    ann.close();
    bob.close();
  });

  test("create_session is idempotent by its key", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const ask = { type: "create_session", agentType: "echo", idempotencyKey: "c1" } as const;
    const [first, second] = [await client.ask(ask), await client.ask(ask)];
    expect(first["session"]).toMatchObject({
      sessionId: (second["session"] as { sessionId: string }).sessionId,
    });
    expect(await client.ask({ ...ask, agentType: "other" })).toMatchObject({
      code: "IdempotencyConflict",
    });
    client.close();
  });

  test("an agent type that Podium does not run is refused with those it does; Podium away, it is not", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const create = (agentType: string) => client.ask({ type: "create_session", agentType });
    world.podium.agentTypes = ["concierge", "echo"];
    expect(await create("eco")).toMatchObject({
      code: "INVALID_MESSAGE",
      message: 'No agentType is "eco"; known: concierge, echo.',
    });
    expect(await create("echo")).toMatchObject({ type: "session_created" });
    world.podium.agentTypes = ["concierge", "eco"];
    expect(await create("eco")).toMatchObject({ type: "session_created" });
    world.podium.agentTypes = null;
    expect(await create("nobody")).toMatchObject({ type: "session_created" });
    client.close();
  });

  test("D4 an agent type nobody knows ends the turn with an error and the session inactive", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await newSession(client, "nobody");
    await client.ask({ type: "join_session", sessionId });
    await client.ask({ type: "run_turn", sessionId, text: "hi" });
    await client.until(() => statuses(client.log(sessionId)).at(-1) === "inactive");
    const log = client.log(sessionId);
    expect(statuses(log)).toEqual(["activating", "error", "inactive"]);
    expect(log.find((e) => e.type === "turn_error")).toMatchObject({ code: "unknown_agent_type" });
    client.close();
  });

  test("a turn that Podium refuses fails with its code, without the path in its message", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await newSession(client);
    await client.ask({ type: "join_session", sessionId });
    await client.ask({ type: "run_turn", sessionId, text: "refuse this" });
    await client.until(() => client.log(sessionId).some((e) => e.type === "turn_error"));
    const error = client.log(sessionId).find((e) => e.type === "turn_error");
    expect(error).toMatchObject({ code: "invalid_frame", message: "no such thing at [path]" });
    await client.until(() => statuses(client.log(sessionId)).at(-1) === "ready");
    client.close();
  });

  test("an unknown kind of event is carried on, and a failed turn leaves the session ready", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await newSession(client);
    await client.ask({ type: "join_session", sessionId });
    await client.ask({ type: "run_turn", sessionId, text: "odd things" });
    await client.until(
      () => statuses(client.log(sessionId)).at(-1) === "ready" && client.log(sessionId).length > 6,
    );
    expect(client.log(sessionId).find((e) => e.type === "unknown_event")).toMatchObject({
      eventType: "hologram.shown",
      content: { depth: 3 },
    });
    await client.ask({ type: "run_turn", sessionId, text: "fail now" });
    await client.until(() => client.log(sessionId).some((e) => e.type === "turn_error"));
    await client.until(() => statuses(client.log(sessionId)).at(-1) === "ready");
    expectDense(client.log(sessionId));
    client.close();
  });
});

describe("approvals", () => {
  test("D4 the session waits, the right person decides, the turn goes on", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const sessionId = await newSession(ann);
    await ann.ask({ type: "join_session", sessionId });
    await ann.ask({ type: "run_turn", sessionId, text: "approve a booking" });
    await ann.until(() => statuses(ann.log(sessionId)).at(-1) === "waiting");
    const asked = ann.log(sessionId).find((e) => e.type === "permission_requested");
    expect(asked).toMatchObject({ approvalType: "spend", expiresAt: Date.parse("2030-01-01") });
    const requestId = asked?.type === "permission_requested" ? asked.requestId : "";
    const answer = {
      type: "answer_question",
      sessionId,
      requestId,
      answers: { decision: "approved" },
    } as const;
    expect(await bob.ask(answer)).toMatchObject({ code: "NotApprover" });
    const other = await newSession(ann);
    expect(await ann.ask({ ...answer, sessionId: other })).toMatchObject({
      code: "ApprovalNotFound",
    });
    expect(await ann.ask(answer)).toMatchObject({ type: "answer_accepted", decision: "approved" });
    await ann.until(
      () => statuses(ann.log(sessionId)).at(-1) === "ready" && ann.has("turn_complete"),
    );
    expect(statuses(ann.log(sessionId))).toEqual([
      "activating",
      "ready",
      "running",
      "waiting",
      "running",
      "ready",
    ]);
    expect(await ann.ask(answer)).toMatchObject({ code: "ApprovalAlreadyDecided" });
    const waits = ann.events.filter(
      (e) => e.type === "session_updated" && e.session.waitingFor === "approval",
    );
    expect(waits).toHaveLength(1);
    ann.close();
    bob.close();
  });
});

describe("D3 tenants", () => {
  test("D3 another tenant's session does not exist, by any message", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const eve = await TestClient.as(gateway.port, TOKENS.eve);
    const sessionId = await newSession(ann);
    const answers = { decision: "approved" } as const;
    for (const message of [
      { type: "join_session", sessionId },
      { type: "run_turn", sessionId, text: "hi" },
      { type: "stop_turn", sessionId },
      { type: "get_events", sessionId },
      { type: "leave_session", sessionId },
      { type: "answer_question", sessionId, requestId: "appr_1", answers },
    ] as const) {
      expect(await eve.ask(message)).toMatchObject({ code: "SessionNotFound" });
    }
    expect(await eve.config("config/get", { scope: "session", sessionId, key: "x" })).toMatchObject(
      {
        error: { code: -32004 },
      },
    );
    expect((await eve.ask({ type: "list_sessions" }))["sessions"]).toEqual([]);
    expect(
      eve.events.some((e) => JSON.stringify(e).includes(sessionId) && e.type !== "error"),
    ).toBe(false);
    ann.close();
    eve.close();
  });

  test("D3 a connection that becomes somebody else hears nothing of the former tenant", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const turncoat = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await newSession(ann);
    await turncoat.ask({ type: "join_session", sessionId });
    await turncoat.ask({ type: "authenticate", token: TOKENS.eve });
    const heardBefore = turncoat.events.length;
    await ann.ask({ type: "join_session", sessionId });
    await ann.ask({ type: "run_turn", sessionId, text: "hi" });
    await ann.untilType("turn_complete");
    await turncoat.ask({ type: "ping" });
    expect(turncoat.events.slice(heardBefore).map(({ type }) => type)).toEqual(["pong"]);
    ann.close();
    turncoat.close();
  });

  test("a viewer reads and does not write", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const viewer = await TestClient.as(gateway.port, TOKENS.viewer);
    const sessionId = await newSession(ann);
    expect(await viewer.ask({ type: "join_session", sessionId })).toMatchObject({
      type: "state_snapshot",
    });
    expect(await viewer.ask({ type: "run_turn", sessionId, text: "hi" })).toMatchObject({
      code: "PermissionDenied",
    });
    expect(await viewer.ask({ type: "create_session", agentType: "echo" })).toMatchObject({
      code: "PermissionDenied",
    });
    ann.close();
    viewer.close();
  });
});

describe("bad input", () => {
  test("each kind gets its code, on that connection only, and the gateway lives on", async () => {
    const client = await TestClient.connect(gateway.port);
    expect(client.events[0]).toMatchObject({
      type: "welcome",
      protocolVersion: 1,
      requiresAuth: true,
    });
    client.sendText("{nonsense");
    client.sendText('{"type":"conquer"}');
    client.sendText('{"type":"list_sessions","requestId":"r1"}');
    client.sendText('{"type":"join_session"}');
    client.sendText("[]");
    client.socket.send(new Uint8Array([1, 2, 3]));
    client.sendText(`{"type":"ping","pad":"${"x".repeat(1_100_000)}"}`);
    client.sendText(
      '{"jsonrpc":"2.0","id":7,"method":"config/get","params":{"scope":"user","key":"k"}}',
    );
    client.sendText('{"jsonrpc":"2.0","id":8,"method":"config/burn"}');
    await client.until(() => client.events.filter((e) => e.type === "error").length === 7);
    await client.until(() => client.configFrames.length === 2);
    expect(client.events.flatMap((e) => (e.type === "error" ? [e.code] : []))).toEqual([
      "INVALID_JSON",
      "INVALID_MESSAGE",
      "Unauthenticated",
      "INVALID_MESSAGE",
      "INVALID_MESSAGE",
      "INVALID_MESSAGE",
      "MESSAGE_TOO_LARGE",
    ]);
    expect(client.configFrames).toMatchObject([
      { id: 7, error: { code: -32003 } },
      { id: 8, error: { code: -32601 } },
    ]);
    client.sendText('{"type":"authenticate","token":"wrong-token-000"}');
    await client.until(() => client.closeCode !== null);
    expect(client.closeCode).toBe(4001);
    expect(client.events.at(-1)).toMatchObject({ code: "AUTH_FAILED" });
    const next = await TestClient.as(gateway.port, TOKENS.ann);
    expect(await next.ask({ type: "ping", ts: 5 })).toMatchObject({ type: "pong", ts: 5 });
    next.close();
  });

  test("a frame over the transport's own limit closes with 1009", async () => {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    client.sendText(`{"pad":"${"x".repeat(2_200_000)}"}`);
    await client.until(() => client.closeCode !== null);
    expect(client.closeCode).toBe(1009);
  });

  test("an origin that is not listed is refused", async () => {
    const client = await TestClient.connect(gateway.port, { origin: "https://evil.test" });
    expect(client.closeCode).not.toBeNull();
    expect(client.events).toEqual([]);
  });
});

describe("configuration", () => {
  test("D3 scopes resolve from the identity, and changes reach subscribers of the namespace only", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const eve = await TestClient.as(gateway.port, TOKENS.eve);
    expect(await ann.config("config/get", { scope: "user", key: "theme" })).toMatchObject({
      error: { code: -32004 },
    });
    expect(await ann.config("config/subscribe", { scope: "user" })).toMatchObject({ result: {} });
    expect(await eve.config("config/subscribe", { scope: "user" })).toMatchObject({ result: {} });
    await ann.until(() => world.concordance.watchedCount === 2);
    expect(
      await ann.config("config/set", { scope: "user", key: "theme", value: "dark" }),
    ).toMatchObject({
      result: { version: 1 },
    });
    expect(await ann.config("config/get", { scope: "user", key: "theme" })).toMatchObject({
      result: { value: "dark", version: 1 },
    });
    expect(world.concordance.asked.at(-1)).toBe("tenant:acme/user:ann/preferences");
    const updates = (client: TestClient) =>
      client.configFrames.filter((frame) => "method" in frame);
    await ann.until(() => updates(ann).length === 1);
    expect(updates(ann)[0]).toMatchObject({
      params: { scope: "user", key: "theme", value: "dark", version: 1 },
    });
    // A change made while the watch is down is told once it is back.
    world.concordance.dropSockets();
    world.concordance.set("tenant:acme/user:ann/preferences", "theme", "light");
    await ann.until(() => updates(ann).length === 2);
    expect(updates(ann)[1]).toMatchObject({ params: { value: "light", version: 2 } });
    expect(updates(eve)).toEqual([]);
    await ann.config("config/unsubscribe", { scope: "user" });
    await ann.until(() => world.concordance.watchedCount === 1);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    expect(await bob.config("config/set", { scope: "tenant", key: "k", value: 1 })).toMatchObject({
      error: { code: -32003 },
    });
    for (const client of [ann, eve, bob]) client.close();
  });

  test("delete, list and batch; a batch needs for each operation what it would need alone", async () => {
    const [ann, bob] = [
      await TestClient.as(gateway.port, TOKENS.ann),
      await TestClient.as(gateway.port, TOKENS.bob),
    ];
    const scope = { scope: "project", projectId: "batched" };
    const operations = [
      { op: "set", ...scope, key: "a", value: 1 },
      { op: "set", scope: "user", key: "b", value: 2 },
      { op: "delete", ...scope, key: "none" },
    ];
    expect(await ann.config("config/batch", { operations })).toMatchObject({
      result: { versions: [1, 1, 0] },
    });
    expect(await ann.config("config/list", scope)).toMatchObject({
      result: { items: [{ key: "a", value: 1, version: 1 }] },
    });
    expect(await ann.config("config/delete", { ...scope, key: "a" })).toMatchObject({
      result: { deleted: true },
    });
    expect(await ann.config("config/delete", { ...scope, key: "a" })).toMatchObject({
      result: { deleted: false },
    });
    expect(await ann.config("config/list", scope)).toMatchObject({ result: { items: [] } });
    const tenantWide = { op: "set", scope: "tenant", key: "k", value: 1 };
    expect(
      await bob.config("config/batch", { operations: [...operations, tenantWide] }),
    ).toMatchObject({ error: { code: -32003 } });
    expect(await ann.config("config/batch", { operations: [] })).toMatchObject({
      error: { code: -32602 },
    });
    for (const client of [ann, bob]) client.close();
  });

  /** A subscriber to `project` and the values it is told. */
  async function subscriber(projectId: string) {
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const scope = { scope: "project", projectId };
    const told = () =>
      client.configFrames.flatMap((frame) => ("method" in frame ? [frame.params.value] : []));
    return { client, told, subscribe: () => client.config("config/subscribe", scope) };
  }

  test("a change after the answer to config/subscribe is told, although the watch opens later", async () => {
    const { concordance } = world;
    const { client, told, subscribe } = await subscriber("p1");
    let admit = () => {};
    concordance.admitSockets = new Promise((resolve) => {
      admit = resolve;
    });
    expect(await subscribe()).toMatchObject({ result: {} });
    concordance.set("tenant:acme/projects/p1", "k", "early");
    concordance.set("tenant:acme/projects/p2", "k", "not subscribed");
    admit();
    await client.until(() => told().length === 1);
    expect(told()).toEqual(["early"]);
    client.close();
    await client.until(() => concordance.watchedCount === 0);
  });

  test("when the history is compacted while the watch is down, every entry is told anew", async () => {
    const { concordance } = world;
    const { client, told, subscribe } = await subscriber("p3");
    const namespace = "tenant:acme/projects/p3";
    concordance.set(namespace, "a", 1);
    await subscribe();
    await client.until(() => concordance.watchedCount === 1);
    let admit = () => {};
    concordance.admitSockets = new Promise((resolve) => {
      admit = resolve;
    });
    concordance.dropSockets();
    concordance.set(namespace, "b", 2);
    concordance.compact();
    admit();
    await client.until(() => told().length === 2);
    expect(told()).toEqual([1, 2]);
    await client.until(() => concordance.watchedCount === 1);
    concordance.set(namespace, "c", 3);
    await client.until(() => told().length === 3);
    expect(told().at(-1)).toBe(3);
    client.close();
    await client.until(() => concordance.watchedCount === 0);
  });

  test("a subscription made while Concordance is away holds from when it is back", async () => {
    const { concordance } = world;
    const { client, told, subscribe } = await subscriber("p4");
    concordance.isDown = true;
    expect(await subscribe()).toMatchObject({ result: {} });
    concordance.isDown = false;
    await client.until(() => concordance.watchedCount === 1);
    concordance.set("tenant:acme/projects/p4", "k", "back");
    await client.until(() => told().length === 1);
    expect(told()).toEqual(["back"]);
    client.close();
    await client.until(() => concordance.watchedCount === 0);
  });
});
