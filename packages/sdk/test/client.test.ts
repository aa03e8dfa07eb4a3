/** The client against a gateway that fails. Every frame is real; only the agent is scripted. */
import { afterEach, describe, expect, test } from "bun:test";
import type { ClientOptions } from "../src/index.ts";
import {
  DiminuendoClient,
  emptySessionView,
  foldSession,
  type GatewayError,
  type SessionEvent,
} from "../src/index.ts";
import { TestGateway, type TestGatewayOptions } from "./test-gateway.ts";

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function gateway(options: TestGatewayOptions = {}): TestGateway {
  const started = new TestGateway(options);
  cleanups.push(() => started.stop());
  return started;
}

function client(url: string, options: Partial<ClientOptions> = {}): DiminuendoClient {
  const made = new DiminuendoClient({ url, reconnectDelayMs: 5, ...options });
  cleanups.push(() => made.disconnect());
  return made;
}

/** Delivered `seq`s, live. */
function listen(to: DiminuendoClient) {
  const events: SessionEvent[] = [];
  to.on("event", (event) => events.push(event));
  return { events, seqs: () => events.map((event) => event.seq) };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

const failure = async (promise: Promise<unknown>): Promise<GatewayError> => {
  try {
    await promise;
  } catch (error) {
    return error as GatewayError;
  }
  throw new Error("it should have failed");
};

function fill(server: TestGateway, sessionId: string, count: number): void {
  const log = server.sessions.get(sessionId) ?? server.createSession(sessionId);
  for (let index = 0; index < count; index += 1) {
    server.emit(log, { type: "usage_update", inputTokens: index, outputTokens: 0 });
  }
}

describe("connecting", () => {
  test("resolves with the identity once authenticated", async () => {
    const server = gateway();
    const identity = await client(server.url).connect();
    expect(identity).toMatchObject({ userId: "user-dev", tenantId: "dev" });
  });

  test("sends the token where one is needed", async () => {
    const server = gateway({ token: "secret" });
    await client(server.url, { token: "secret" }).connect();
    expect(server.received).toEqual([{ type: "authenticate", token: "secret" }]);
  });

  test("a missing token is TokenRequired, a wrong one AUTH_FAILED, and neither is tried again", async () => {
    const server = gateway({ token: "secret" });
    expect((await failure(client(server.url).connect())).code).toBe("TokenRequired");
    const wrong = client(server.url, { token: "wrong" });
    expect((await failure(wrong.connect())).code).toBe("AUTH_FAILED");
    expect(wrong.status.state).toBe("closed");
    expect(server.connectionCount).toBe(2);
  });

  test("rejects with the reason when nobody listens in time", async () => {
    const server = gateway();
    const { url } = server;
    await server.stop();
    const error = await failure(client(url, { connectTimeoutMs: 60 }).connect());
    expect(error.code).toBe("Timeout");
    expect(error.message).toContain(url);
  });

  test("says what to do in a runtime without WebSocket", () => {
    const own = globalThis.WebSocket;
    Reflect.deleteProperty(globalThis, "WebSocket");
    try {
      expect(() => new DiminuendoClient({ url: "ws://127.0.0.1:1/ws" })).toThrow(/Pass one/);
      const injected = new DiminuendoClient({ url: "ws://127.0.0.1:1/ws", WebSocket: own });
      expect(injected.status.state).toBe("idle");
    } finally {
      globalThis.WebSocket = own;
    }
  });

  test("4001 on a running connection ends it; open requests hear so", async () => {
    const server = gateway();
    const one = client(server.url);
    await one.connect();
    server.close(4001, "token expired");
    await until(() => one.status.state === "closed");
    expect(one.status).toMatchObject({ code: "AUTH_FAILED", reason: "token expired" });
    expect(server.connectionCount).toBe(1);
  });

  test("a gateway that goes silent is given up and reached again", async () => {
    const server = gateway();
    const one = client(server.url, { pingIntervalMs: 20 });
    await one.connect();
    server.silent = true;
    await until(() => one.status.state === "reconnecting");
    server.silent = false;
    await until(() => one.status.state === "connected");
    expect(server.connectionCount).toBeGreaterThan(1);
  });

  test("an announced shutdown is followed after the pause it named", async () => {
    const server = gateway();
    const one = client(server.url);
    await one.connect();
    const pauses: number[] = [];
    one.on("connection", (s) => s.state === "reconnecting" && pauses.push(s.retryInMs));
    server.announceShutdown(40);
    await until(() => one.status.state === "connected" && server.connectionCount === 2);
    expect(pauses[0]).toBeGreaterThanOrEqual(40);
  });
});

describe("sessions", () => {
  test("joining replays from the start, or after a number, and then follows live", async () => {
    const server = gateway();
    fill(server, "s1", 5);
    const one = client(server.url);
    const two = client(server.url);
    await Promise.all([one.connect(), two.connect()]);
    const [all, rest] = [listen(one), listen(two)];
    const snapshot = await one.joinSession("s1");
    await two.joinSession("s1", { afterSeq: 3 });
    expect(snapshot).toMatchObject({ sessionId: "s1", headSeq: 5, epoch: "epoch-1" });
    fill(server, "s1", 2);
    await until(() => all.events.length === 7 && rest.events.length === 4);
    expect(all.seqs()).toEqual(range(1, 7));
    expect(rest.seqs()).toEqual(range(4, 7));
  });

  test("a cut at any frame of the replay loses nothing and repeats nothing", async () => {
    for (const frames of range(1, 16)) {
      const server = gateway();
      fill(server, "s1", 10);
      const one = client(server.url);
      const heard = listen(one);
      server.cutNextAfterFrames = frames;
      await one.connect();
      await one.joinSession("s1");
      fill(server, "s1", 3);
      await until(() => heard.events.length >= 13);
      expect(heard.seqs()).toEqual(range(1, 13));
    }
  });

  test("events while away arrive after the reconnect, which asks only for what is missing", async () => {
    const server = gateway();
    fill(server, "s1", 3);
    const one = client(server.url);
    const heard = listen(one);
    await one.connect();
    await one.joinSession("s1");
    server.cut();
    fill(server, "s1", 4);
    await until(() => heard.events.length === 7);
    expect(heard.seqs()).toEqual(range(1, 7));
    const joins = server.received.filter((message) => message.type === "join_session");
    expect(joins.map((join) => join.afterSeq)).toEqual([0, 3]);
  });

  test("a lost live event is noticed and read from the log; repeated ones are dropped", async () => {
    const server = gateway();
    const log = server.createSession("s1");
    const one = client(server.url);
    const heard = listen(one);
    await one.connect();
    await one.joinSession("s1");
    server.duplicateLive = true;
    for (const seq of [2, 3, 6]) server.loseLive.add(seq);
    fill(server, "s1", 8);
    await until(() => heard.events.length === 8);
    expect(heard.seqs()).toEqual(range(1, 8));
    expect(server.received.some((message) => message.type === "get_events")).toBe(true);
    expect(log.headSeq).toBe(8);
  });

  test("numbers that a finished message replaced are passed over in a replay, without a question", async () => {
    const server = gateway();
    const log = server.createSession("s1");
    const [turnId, messageId] = ["t1", "m1"];
    const delta = { type: "text_delta", turnId, messageId, attempt: 1, text: "x" } as const;
    log.append({ type: "message_started", turnId, messageId, attempt: 1 });
    for (let count = 0; count < 5; count += 1) log.append(delta);
    const one = client(server.url);
    const heard = listen(one);
    await one.connect();
    await one.joinSession("s1");
    expect(heard.seqs()).toEqual(range(1, 6));
    server.cut();
    log.complete(turnId, messageId, "xxxxxyy");
    log.append({ type: "turn_error", turnId, code: "X", message: "x" });
    await until(() => heard.events.length === 8);
    const two = client(server.url);
    const later = listen(two);
    await two.connect();
    await two.joinSession("s1");
    expect(later.seqs()).toEqual([1, 7, 8]);
    const view = (events: readonly SessionEvent[]) =>
      events.reduce(foldSession, emptySessionView("s1"));
    expect(view(later.events).items).toEqual(view(heard.events).items);
    expect(server.received.some((message) => message.type === "get_events")).toBe(false);
  });

  test("a rewritten log is announced before its events, which start anew", async () => {
    const server = gateway();
    fill(server, "s1", 5);
    const one = client(server.url);
    const heard: (number | "reset")[] = [];
    one.on("event", (event) => heard.push(event.seq));
    one.on("reset", () => heard.push("reset"));
    await one.connect();
    await one.joinSession("s1");
    server.session("s1").rewrite("epoch-2");
    fill(server, "s1", 0);
    server.cut();
    server.session("s1").append({ type: "turn_error", code: "X", message: "x" });
    await until(() => heard.length === 7);
    expect(heard).toEqual([...range(1, 5), "reset", 1]);
  });

  test("a refused join fails and is forgotten", async () => {
    const server = gateway();
    const one = client(server.url);
    await one.connect();
    expect((await failure(one.joinSession("nowhere"))).code).toBe("SessionNotFound");
    server.cut();
    await until(() => server.connectionCount === 2 && one.status.state === "connected");
    await one.ping();
    const joins = server.received.filter((message) => message.type === "join_session");
    expect(joins.length).toBe(1);
  });

  test("a left session says no more", async () => {
    const server = gateway();
    fill(server, "s1", 1);
    const one = client(server.url);
    const heard = listen(one);
    await one.connect();
    await one.joinSession("s1");
    await one.leaveSession("s1");
    fill(server, "s1", 3);
    await one.ping();
    expect(heard.seqs()).toEqual([1]);
  });

  test("a text of 1 MB arrives whole", async () => {
    const server = gateway();
    const log = server.createSession("s1");
    const one = client(server.url);
    const heard = listen(one);
    await one.connect();
    await one.joinSession("s1");
    const text = "ä".repeat(1_000_000);
    server.emit(log, { type: "text_delta", messageId: "m", attempt: 1, text });
    await until(() => heard.events.length === 1);
    expect(heard.events[0]).toMatchObject({ text });
  });
});

describe("requests", () => {
  test("a turn whose answer was lost is asked again under its key and runs once", async () => {
    const started: string[] = [];
    const server = gateway({ onTurn: ({ turnId }) => void started.push(turnId) });
    server.createSession("s1");
    const one = client(server.url);
    await one.connect();
    server.cutInsteadOfAnswering = "run_turn";
    const receipt = await one.runTurn("s1", "Hello", { idempotencyKey: "k1" });
    expect(started).toEqual([receipt.turnId]);
    expect(server.received.filter((message) => message.type === "run_turn").length).toBe(2);
  });

  test("a session whose creation was not answered is created once", async () => {
    const server = gateway();
    const one = client(server.url);
    await one.connect();
    server.cutInsteadOfAnswering = "create_session";
    const session = await one.createSession({ agentType: "concierge" });
    expect([...server.sessions.keys()]).toEqual([session.sessionId]);
  });

  test("an approval answered twice by us is our answer; another person's other answer is not", async () => {
    const server = gateway({
      onAnswer: (log, requestId, decision) => {
        const by = { decision, decidedBy: "ana" };
        log.append({ type: "approval_resolved", requestId, commandId: "cmd_1", ...by });
      },
    });
    const log = server.createSession("s1");
    const one = client(server.url);
    await one.connect();
    await one.joinSession("s1");
    server.cutInsteadOfAnswering = "answer_question";
    const answer = await one.answerQuestion("s1", "appr_1", { decision: "approved" });
    expect(answer.decision).toBe("approved");
    expect([...log.decisions]).toEqual([["appr_1", "approved"]]);
    const late = failure(one.answerQuestion("s1", "appr_1", { decision: "rejected" }));
    expect((await late).code).toBe("ApprovalAlreadyDecided");
  });

  test("a question answered once by us is our answer, also when its acknowledgement is lost; a second answer is not", async () => {
    const server = gateway({
      onInput: (log, requestId) => {
        const over = { outcome: "answered", answeredBy: "user-dev" };
        log.append({ type: "question_resolved", requestId, ...over });
      },
    });
    const log = server.createSession("s1");
    const one = client(server.url);
    await one.connect();
    await one.joinSession("s1");
    server.cutInsteadOfAnswering = "answer_question";
    const answer = await one.answerQuestion("s1", "inp_1", { input: { guest_name: "Ada" } });
    expect(answer.decision).toBe("answered");
    expect([...log.decisions]).toEqual([["inp_1", "answered"]]);
    const late = failure(one.answerQuestion("s1", "inp_1", { input: { guest_name: "Ben" } }));
    expect((await late).code).toBe("QuestionClosed");
    const dismissed = await one.answerQuestion("s1", "inp_2", { dismissed: true });
    expect(dismissed.decision).toBe("dismissed");
  });

  test("stopping is never repeated: by then another turn may be running", async () => {
    const server = gateway();
    server.createSession("s1").activeTurnId = "t1";
    const one = client(server.url);
    await one.connect();
    server.cutInsteadOfAnswering = "stop_turn";
    expect((await failure(one.stopTurn("s1"))).code).toBe("ConnectionLost");
    await one.ping();
    expect(server.received.filter((message) => message.type === "stop_turn").length).toBe(1);
  });

  test("what is asked while offline goes out with the next connection", async () => {
    const server = gateway();
    server.createSession("s1");
    const one = client(server.url);
    await one.connect();
    server.cut();
    await until(() => one.status.state === "reconnecting");
    expect((await one.runTurn("s1", "Hello")).sessionId).toBe("s1");
  });

  test("a refusal carries the gateway's code", async () => {
    const server = gateway();
    server.createSession("s1");
    const one = client(server.url);
    await one.connect();
    expect((await failure(one.stopTurn("s1"))).code).toBe("NoActiveTurn");
    expect((await failure(one.runTurn("nowhere", "Hello"))).code).toBe("SessionNotFound");
  });

  test("silence is a Timeout that says the outcome is unknown", async () => {
    const server = gateway();
    const one = client(server.url, { requestTimeoutMs: 20 });
    await one.connect();
    server.silent = true;
    const error = await failure(one.listSessions());
    expect(error).toMatchObject({ code: "Timeout" });
    expect(error.message).toContain("unknown");
  });

  test("a message over 1 MiB is refused before it costs the connection", async () => {
    const server = gateway();
    server.createSession("s1");
    const one = client(server.url);
    await one.connect();
    const error = await failure(one.runTurn("s1", "x".repeat(1_100_000)));
    expect(error.code).toBe("MESSAGE_TOO_LARGE");
    expect(one.status.state).toBe("connected");
  });

  test("disconnect fails what is open and stops for good", async () => {
    const server = gateway();
    const one = client(server.url);
    await one.connect();
    server.silent = true;
    const open = failure(one.listSessions());
    one.disconnect();
    expect((await open).code).toBe("Disconnected");
    expect(one.status.state).toBe("idle");
  });

  test("frames without sense are reported and harm nothing", async () => {
    const server = gateway();
    const one = client(server.url);
    const problems: string[] = [];
    one.on("problem", ({ code }) => problems.push(code));
    await one.connect();
    server.say("not json");
    server.say('{"type":"text_delta","seq":"three"}');
    server.say('{"type":"caught_up"}');
    await one.ping();
    expect(problems).toEqual(["malformed_frame", "malformed_frame", "malformed_frame"]);
  });
});

describe("config", () => {
  test("get, set and a subscription that outlives the connection", async () => {
    const server = gateway();
    const one = client(server.url);
    await one.connect();
    const seen: unknown[] = [];
    const stop = await one.config.subscribe({ scope: "user" }, ({ value }) => seen.push(value));
    expect(await one.config.set({ scope: "user" }, "theme", "dark")).toEqual({ version: 1 });
    expect(await one.config.get({ scope: "user" }, "theme")).toEqual({ value: "dark", version: 1 });
    server.cut();
    await until(() => server.connectionCount === 2 && one.status.state === "connected");
    await one.ping();
    await one.config.set({ scope: "user" }, "theme", "light");
    await until(() => seen.length === 2);
    stop();
    await one.config.set({ scope: "user" }, "theme", "unheard");
    await one.ping();
    expect(seen).toEqual(["dark", "light"]);
  });

  test("a subscription that a new connection is refused is over, and that is told", async () => {
    const server = gateway();
    const one = client(server.url);
    await one.connect();
    const problems: string[] = [];
    one.on("problem", ({ code, message }) => problems.push(`${code}: ${message}`));
    const seen: unknown[] = [];
    await one.config.subscribe({ scope: "user" }, ({ value }) => seen.push(value));
    server.closedScopes.add("user");
    server.cut();
    await until(() => problems.length > 0);
    expect(problems).toEqual([
      "ConfigFailed: Changes of user are no longer told: This is not yours to read. (-32003)",
    ]);
    await one.config.set({ scope: "user" }, "theme", "light");
    expect(seen).toEqual([]);
  });
});
