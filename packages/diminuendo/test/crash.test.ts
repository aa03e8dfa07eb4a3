/** Kills: the real gateway dies by SIGKILL or ends by SIGTERM, and the record is whole. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { SessionEvent } from "../src/protocol/index.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { compact, expectMessagesAsStreamed, expectWholeLog } from "./support/log-view.ts";
import { TestClient } from "./support/test-client.ts";
import { TestPodium } from "./support/test-podium.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => world.stop());

async function sessionOf(client: TestClient): Promise<string> {
  const { session } = (await client.ask({
    type: "create_session",
    agentType: "echo",
  })) as unknown as {
    session: { sessionId: string };
  };
  await client.ask({ type: "join_session", sessionId: session.sessionId });
  return session.sessionId;
}

/** The whole log as the gateway has it, page by page. */
async function storedLog(client: TestClient, sessionId: string): Promise<SessionEvent[]> {
  const log: SessionEvent[] = [];
  for (;;) {
    const afterSeq = log.at(-1)?.seq ?? 0;
    const page = (await client.ask({
      type: "get_events",
      sessionId,
      afterSeq,
      limit: 70,
    })) as unknown as {
      events: SessionEvent[];
      hasMore: boolean;
    };
    log.push(...page.events);
    if (!page.hasMore) return log;
  }
}

const endOf = (events: readonly SessionEvent[], turnId: unknown) =>
  events.filter(
    (e) => (e.type === "turn_complete" || e.type === "turn_error") && e.turnId === turnId,
  );
const ended = (events: readonly SessionEvent[], turnId: unknown) =>
  endOf(events, turnId).length > 0;
const status = (events: readonly SessionEvent[]) =>
  events.findLast((e) => e.type === "session_state")?.status;

async function rejoin(gateway: GatewayProcess, sessionId: string, seen: readonly SessionEvent[]) {
  const client = await TestClient.as(gateway.port, TOKENS.ann);
  const afterSeq = seen.at(-1)?.seq ?? 0;
  const snapshot = await client.ask({ type: "join_session", sessionId, afterSeq });
  return { client, epoch: snapshot["epoch"] };
}

describe("SIGKILL while a turn streams", () => {
  for (const killAfterEvents of [1, 4, 9, 14]) {
    test(`D1 D2 after ${killAfterEvents} events: the client's view equals the log`, async () => {
      let gateway = await world.start();
      const first = await TestClient.as(gateway.port, TOKENS.ann);
      const sessionId = await sessionOf(first);
      const { turnId } = await first.ask({ type: "run_turn", sessionId, text: "stream 1500" });
      await first.until(() => first.log(sessionId).length >= killAfterEvents);
      await gateway.kill();
      const seen = first.log(sessionId);

      gateway = await world.start();
      const { client } = await rejoin(gateway, sessionId, seen);
      await client.until(() => ended(client.log(sessionId), turnId));
      await client.until(() => status(client.log(sessionId)) === "ready");
      const view = [...seen, ...client.log(sessionId)];
      const stored = await storedLog(client, sessionId);
      expect(compact(view)).toEqual(stored);
      expectWholeLog(view);
      expectWholeLog(stored);
      expectMessagesAsStreamed(view);
      const whole = stored.find((e) => e.type === "message_complete");
      expect(whole).toMatchObject({
        text: Array.from({ length: 1_500 }, (_, index) => `w${index} `).join(""),
      });
      expect(endOf(stored, turnId)).toHaveLength(1);
      expect(stored.filter((e) => e.type === "user_message")).toHaveLength(1);
      expect(world.podium.turns.size).toBe(1);
      client.close();
    });
  }
});

describe("SIGKILL around what was acknowledged", () => {
  test("D1 a turn accepted a moment before the kill runs, once, without any client", async () => {
    let gateway = await world.start();
    const first = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await sessionOf(first);
    const ask = { type: "run_turn", sessionId, text: "hi", idempotencyKey: "k" } as const;
    const { turnId } = await first.ask(ask);
    await gateway.kill();

    gateway = await world.start();
    // Nobody is connected: the gateway pursues the turn by itself.
    const turn = String(turnId);
    const deadline = Date.now() + 8_000;
    while (world.podium.turns.get(turn)?.ended !== true && Date.now() < deadline)
      await Bun.sleep(20);
    const { client } = await rejoin(gateway, sessionId, []);
    await client.until(
      () => ended(client.log(sessionId), turnId) && status(client.log(sessionId)) === "ready",
    );
    // The client that never saw its answer sends again and learns the first turn.
    expect(await client.ask(ask)).toMatchObject({ type: "turn_accepted", turnId: turn });
    expect(client.log(sessionId).filter((e) => e.type === "user_message")).toHaveLength(1);
    expect(world.podium.turns.size).toBe(1);
    client.close();
  });

  test("D4 a waiting session waits again after the kill, and the approval finishes the turn", async () => {
    let gateway = await world.start();
    const first = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await sessionOf(first);
    const { turnId } = await first.ask({ type: "run_turn", sessionId, text: "approve it" });
    await first.until(() => status(first.log(sessionId)) === "waiting");
    const seen = first.log(sessionId);
    await gateway.kill();

    gateway = await world.start();
    const { client, epoch } = await rejoin(gateway, sessionId, seen);
    expect(epoch).toBeString();
    await client.until(() => status(client.log(sessionId)) === "waiting");
    const moves = client
      .log(sessionId)
      .flatMap((e) => (e.type === "session_state" ? [e.status] : []));
    expect(moves).toEqual(["error", "inactive", "activating", "ready", "running", "waiting"]);
    const answers = { decision: "approved" } as const;
    const requestId = `appr_${turnId}`;
    expect(
      await client.ask({ type: "answer_question", sessionId, requestId, answers }),
    ).toMatchObject({
      type: "answer_accepted",
    });
    await client.until(
      () => ended(client.log(sessionId), turnId) && status(client.log(sessionId)) === "ready",
    );
    const view = [...seen, ...client.log(sessionId)];
    expect(compact(view)).toEqual(await storedLog(client, sessionId));
    expect(view.filter((e) => e.type === "permission_requested")).toHaveLength(1);
    client.close();
  });

  test("a wish to stop survives the kill", async () => {
    let gateway = await world.start();
    const first = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await sessionOf(first);
    const { turnId } = await first.ask({ type: "run_turn", sessionId, text: "hold it" });
    await first.until(() => first.has("message_started"));
    first.send({ type: "stop_turn", sessionId, requestId: "stop" });
    await first.untilType("stop_accepted");
    await gateway.kill();
    gateway = await world.start();
    const { client } = await rejoin(gateway, sessionId, first.log(sessionId));
    await client.until(() => ended([...first.log(sessionId), ...client.log(sessionId)], turnId));
    expect(world.podium.stops).toContain(String(turnId));
    client.close();
  });
});

describe("other ends", () => {
  test("D2 when Podium's sockets break in mid-stream nothing is lost and nothing comes twice", async () => {
    const gateway = await world.start();
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await sessionOf(client);
    const { turnId } = await client.ask({ type: "run_turn", sessionId, text: "stream 900" });
    for (const events of [9, 12]) {
      await client.until(() => client.log(sessionId).length >= events);
      world.podium.dropSockets();
    }
    await client.until(() => ended(client.log(sessionId), turnId));
    const log = client.log(sessionId);
    const said = log.flatMap((e) => (e.type === "text_delta" ? [e.text] : [])).join("");
    expect(said).toBe(Array.from({ length: 900 }, (_, index) => `w${index} `).join(""));
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
    client.close();
  });

  test("D2 a turn accepted while Podium is away runs when it is back, even with an empty log", async () => {
    const gateway = await world.start();
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await sessionOf(client);
    const first = await client.ask({ type: "run_turn", sessionId, text: "hi" });
    await client.until(() => ended(client.log(sessionId), first["turnId"]));
    const port = Number(new URL(world.podium.url).port);
    await world.podium.stop();
    await client.until(() => status(client.log(sessionId)) === "inactive");
    const second = await client.ask({ type: "run_turn", sessionId, text: "hi again" });
    expect(second.type).toBe("turn_accepted");

    const reborn = new TestPodium(port);
    await client.until(() => ended(client.log(sessionId), second["turnId"]));
    await client.until(() => status(client.log(sessionId)) === "ready");
    const log = client.log(sessionId);
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, index) => index + 1));
    expect(compact(log)).toEqual(await storedLog(client, sessionId));
    client.close();
    await reborn.stop();
  });

  test("SIGTERM says goodbye, closes with 4100 and exits 0", async () => {
    const gateway = await world.start();
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    await sessionOf(client);
    const code = await gateway.terminate();
    await client.until(() => client.closeCode !== null);
    expect(client.closeCode).toBe(4100);
    expect(client.events.at(-1)).toMatchObject({ type: "server_shutdown" });
    expect(code).toBe(0);
  });

  test("D1 a second gateway on the same data is turned away", async () => {
    await world.start();
    await expect(world.start()).rejects.toThrow("another gateway already uses");
  });

  test("in dev mode the client is signed in, from any origin", async () => {
    const gateway = await world.start("--dev-mode");
    const client = await TestClient.connect(gateway.port, { origin: "https://anywhere.test" });
    await client.untilType("authenticated");
    expect(client.events[0]).toMatchObject({ type: "welcome", requiresAuth: false });
    expect(client.events.find((e) => e.type === "authenticated")).toMatchObject({
      identity: {
        userId: "dev-user-001",
        email: "developer@example.com",
        tenantId: "dev",
        roles: ["owner", "finance_approvers"],
      },
    });
    const reply = await fetch(`${gateway.url}/api/commands/cmd_1`, {
      headers: { origin: "https://anywhere.test" },
    });
    expect(reply.headers.get("access-control-allow-origin")).toBe("https://anywhere.test");
    expect(await reply.json()).toMatchObject({ tenant_id: "dev" });
    client.close();
  });
});

describe("a session that must be found on disk first", () => {
  /** A session of ann's that a newly started gateway has not in memory. */
  async function coldSession() {
    const before = await world.start();
    const maker = await TestClient.as(before.port, TOKENS.ann);
    const sessionId = await sessionOf(maker);
    maker.close();
    await before.kill();
    return { gateway: await world.start(), sessionId };
  }
  const asks = (sessionId: string) => [
    JSON.stringify({ type: "join_session", sessionId }),
    JSON.stringify({
      jsonrpc: "2.0",
      id: "sub",
      method: "config/subscribe",
      params: { scope: "session", sessionId },
    }),
  ];

  test("D3 who signs in as somebody else meanwhile hears nothing of it", async () => {
    const { gateway, sessionId } = await coldSession();
    const turncoat = await TestClient.as(gateway.port, TOKENS.ann);
    const burst = [...asks(sessionId), JSON.stringify({ type: "authenticate", token: TOKENS.eve })];
    for (const text of burst) turncoat.sendText(text);
    await turncoat.untilType("authenticated", 2);
    await turncoat.until(() => turncoat.has("error") && turncoat.configFrames.length > 0);
    expect(turncoat.events.find((e) => e.type === "error")).toMatchObject({
      code: "PermissionDenied",
    });
    expect(turncoat.configFrames).toMatchObject([{ id: "sub", error: { code: -32003 } }]);
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    await ann.ask({ type: "join_session", sessionId });
    const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: "hi" });
    await ann.until(() => ended(ann.log(sessionId), turnId));
    await turncoat.ask({ type: "ping" });
    expect(turncoat.has("state_snapshot")).toBe(false);
    expect(turncoat.log(sessionId)).toEqual([]);
    expect(world.concordance.watchedCount).toBe(0);
    for (const client of [turncoat, ann]) client.close();
  });

  test("who hangs up meanwhile leaves no watch behind", async () => {
    const { gateway, sessionId } = await coldSession();
    const client = await TestClient.as(gateway.port, TOKENS.ann);
    for (const text of asks(sessionId)) client.sendText(text);
    client.socket.terminate();
    const later = await TestClient.as(gateway.port, TOKENS.ann);
    await later.ask({ type: "join_session", sessionId });
    expect(await later.config("config/subscribe", { scope: "user" })).toMatchObject({ result: {} });
    await later.config("config/unsubscribe", { scope: "user" });
    await later.until(() => world.concordance.watchedCount === 0);
    later.close();
  });
});
