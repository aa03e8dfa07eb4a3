/** Several gateways serve the same sessions, as processes over a real Redis and a real Concordance, and are killed. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { signActor } from "@concert/service-kit/identity";
import type { SessionEvent } from "../src/protocol/index.ts";
import { Fleet, type FleetOptions } from "./support/fleet.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { compact, expectMessagesAsStreamed, expectWholeLog } from "./support/log-view.ts";
import { has, Program } from "./support/programs.ts";
import { TestClient } from "./support/test-client.ts";
import { INTERNAL_SECRET } from "./support/test-podium.ts";

// Other work may share the machine.
setDefaultTimeout(90_000);

const ended = (events: readonly SessionEvent[], turnId: unknown) =>
  events.some(
    (e) => (e.type === "turn_complete" || e.type === "turn_error") && e.turnId === turnId,
  );
const status = (events: readonly SessionEvent[]) =>
  events.findLast((e) => e.type === "session_state")?.status;

const hasRedis = has("redis-server", "several gateways");
const KINDS = [
  ["embedded, Redis", hasRedis, {}],
  ["delegated, Redis", hasRedis, { store: "delegated" }],
  [
    "embedded, NATS",
    has("nats-server", "several gateways over NATS"),
    { engine: () => Program.nats() },
  ],
] as const satisfies readonly (readonly [string, boolean, FleetOptions])[];

for (const [name, isThere, options] of KINDS) {
  describe.if(isThere)(`two gateways, one session (${name})`, () => {
    let fleet: Fleet;
    beforeEach(async () => {
      fleet = await Fleet.start(options);
    });
    afterEach(() => fleet.stop());

    test("D2 a client of each sees the same session, whoever writes it, and both may speak", async () => {
      const [a, b] = [await fleet.gateway(), await fleet.gateway()];
      const ann = await TestClient.as(a.port, TOKENS.ann);
      const bob = await TestClient.as(b.port, TOKENS.bob);
      const sessionId = await ann.newSession();
      await bob.until(() =>
        bob.events.some((e) => e.type === "session_created" && e.session.sessionId === sessionId),
      );
      expect(await bob.ask({ type: "join_session", sessionId })).toMatchObject({ headSeq: 0 });
      const first = await bob.ask({ type: "run_turn", sessionId, text: "stream 300" });
      expect(first).toMatchObject({ type: "turn_accepted" });
      for (const client of [ann, bob]) {
        await client.until(() => ended(client.log(sessionId), first["turnId"]));
      }
      const second = await ann.ask({ type: "run_turn", sessionId, text: "hi" });
      for (const client of [ann, bob]) await restsAfter(client, sessionId, second["turnId"]);
      expectWholeLog(ann.log(sessionId));
      expect(bob.log(sessionId)).toEqual(ann.log(sessionId));
      expect(await bob.storedLog(sessionId)).toEqual(await ann.storedLog(sessionId));
      for (const client of [ann, bob]) client.close();
    });

    test("a list says what a session waits for, wherever it is held", async () => {
      const [a, b] = [await fleet.gateway(), await fleet.gateway()];
      const ann = await TestClient.as(a.port, TOKENS.ann);
      const bob = await TestClient.as(b.port, TOKENS.bob);
      const sessionId = await ann.newSession();
      await ann.ask({ type: "run_turn", sessionId, text: "question who comes" });
      await bob.until(() =>
        bob.events.some((e) => e.type === "session_updated" && e.session.waitingFor === "question"),
      );
      for (const client of [ann, bob]) {
        const { sessions } = await client.ask({ type: "list_sessions" });
        expect(sessions).toMatchObject([{ sessionId, status: "waiting", waitingFor: "question" }]);
        client.close();
      }
    });

    test("D1 D2 the owner is killed in mid-turn: both clients have everything, once and in order", async () => {
      const [a, b] = [await fleet.gateway(), await fleet.gateway()];
      const ann = await TestClient.as(a.port, TOKENS.ann);
      const bob = await TestClient.as(b.port, TOKENS.bob);
      const sessionId = await ann.newSession();
      await bob.ask({ type: "join_session", sessionId });
      const { turnId } = await bob.ask({ type: "run_turn", sessionId, text: "stream 3000" });
      await bob.until(() => bob.log(sessionId).length >= 12);
      await a.kill();
      const seen = ann.log(sessionId);
      // Ann's balancer brings her to the gateway that is left; bob stays on his socket.
      const again = await TestClient.as(b.port, TOKENS.ann);
      const afterSeq = seen.at(-1)?.seq ?? 0;
      await again.ask({ type: "join_session", sessionId, afterSeq });
      for (const client of [again, bob]) await restsAfter(client, sessionId, turnId);
      await expectViews(bob, sessionId, [[...seen, ...again.log(sessionId)], bob.log(sessionId)]);
      expect(bob.closeCode).toBeNull();
      expect(fleet.world.podium.turns.size).toBe(1);
      for (const client of [again, bob]) client.close();
    });

    test("D2 what an owner committed and said to nobody before it died is told by the next", async () => {
      const [a, b] = [await fleet.gateway(), await fleet.gateway()];
      const ann = await TestClient.as(a.port, TOKENS.ann);
      const bob = await TestClient.as(b.port, TOKENS.bob);
      const sessionId = await ann.newSession();
      await bob.ask({ type: "join_session", sessionId });
      await fleet.engine.kill();
      const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: "hold it" });
      await ann.until(() => ann.log(sessionId).some((e) => e.type === "message_started"));
      await a.kill();
      await bob.until(() => bob.log(sessionId).some((e) => e.type === "message_started"));
      fleet.world.podium.finish(String(turnId));
      await restsAfter(bob, sessionId, turnId);
      await expectViews(bob, sessionId, [bob.log(sessionId)]);
      expect(bob.closeCode).toBeNull();
      bob.close();
    });

    test("D1 an owner that slept until another took over is refused, and its clients come back to a whole log", async () => {
      const [a, b] = [await fleet.gateway(), await fleet.gateway()];
      const ann = await TestClient.as(a.port, TOKENS.ann);
      const bob = await TestClient.as(b.port, TOKENS.bob);
      const sessionId = await ann.newSession();
      await bob.ask({ type: "join_session", sessionId });
      const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: "stream 2000" });
      await ann.until(() => ann.log(sessionId).length >= 6);
      a.signal("SIGSTOP");
      await restsAfter(bob, sessionId, turnId);
      const next = await bob.ask({ type: "run_turn", sessionId, text: "hi" });
      await restsAfter(bob, sessionId, next["turnId"]);
      a.signal("SIGCONT");
      await ann.until(() => ann.closeCode !== null);
      expect(ann.closeCode).toBe(4100);
      const seen = ann.log(sessionId);
      const again = await TestClient.as(a.port, TOKENS.ann);
      await again.ask({ type: "join_session", sessionId, afterSeq: seen.at(-1)?.seq ?? 0 });
      const third = await again.ask({ type: "run_turn", sessionId, text: "hi" });
      for (const client of [again, bob]) await restsAfter(client, sessionId, third["turnId"]);
      await expectViews(bob, sessionId, [[...seen, ...again.log(sessionId)], bob.log(sessionId)]);
      for (const client of [again, bob]) client.close();
    });

    test("D2 hints lost with the engine are read from the log, also when nothing follows them", async () => {
      const [a, b] = [await fleet.gateway(), await fleet.gateway()];
      const ann = await TestClient.as(a.port, TOKENS.ann);
      const bob = await TestClient.as(b.port, TOKENS.bob);
      const sessionId = await ann.newSession();
      await bob.ask({ type: "join_session", sessionId });
      const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: "stream 1500" });
      await bob.until(() => bob.log(sessionId).length >= 6);
      await fleet.engine.kill();
      await restsAfter(ann, sessionId, turnId);
      // Still away: what bob has not heard comes by looking.
      await restsAfter(bob, sessionId, turnId);
      await fleet.engine.start();
      const next = await bob.ask({ type: "run_turn", sessionId, text: "hi" });
      for (const client of [ann, bob]) await restsAfter(client, sessionId, next["turnId"]);
      await expectViews(bob, sessionId, [ann.log(sessionId), bob.log(sessionId)]);
      for (const client of [ann, bob]) client.close();
    });
  });
}

describe.if(hasRedis)("what else crosses gateways", () => {
  let fleet: Fleet;
  let a: GatewayProcess;
  let b: GatewayProcess;
  let ann: TestClient;
  let bob: TestClient;
  beforeAll(async () => {
    fleet = await Fleet.start();
    [a, b] = [await fleet.gateway(), await fleet.gateway()];
    ann = await TestClient.as(a.port, TOKENS.ann);
    bob = await TestClient.as(b.port, TOKENS.bob);
  });
  afterAll(() => fleet.stop());

  test("a key stands for one turn at whichever gateway it is said", async () => {
    const sessionId = await ann.newSession();
    const ask = { type: "run_turn", sessionId, text: "hi", idempotencyKey: "k" } as const;
    const first = await ann.ask(ask);
    const annAtB = await TestClient.as(b.port, TOKENS.ann);
    expect(await annAtB.ask(ask)).toMatchObject({ turnId: first["turnId"] });
    expect(await annAtB.ask({ ...ask, text: "other" })).toMatchObject({
      code: "IdempotencyConflict",
    });
    annAtB.close();
  });

  test("an approval is asked for and answered through the other gateway", async () => {
    const sessionId = await ann.newSession();
    const annAtB = await TestClient.as(b.port, TOKENS.ann);
    await annAtB.ask({ type: "join_session", sessionId });
    const { turnId } = await annAtB.ask({ type: "run_turn", sessionId, text: "approve it" });
    await annAtB.until(() => status(annAtB.log(sessionId)) === "waiting");
    const answers = { decision: "approved" } as const;
    const requestId = `appr_${turnId}`;
    expect(
      await annAtB.ask({ type: "answer_question", sessionId, requestId, answers }),
    ).toMatchObject({ type: "answer_accepted" });
    await restsAfter(annAtB, sessionId, turnId);
    annAtB.close();
  });

  test("names, deletions and roles are told at once; who causes them there is answered once", async () => {
    const sessionId = await ann.newSession();
    await bob.ask({ type: "join_session", sessionId });
    const renamed = await bob.ask({ type: "rename_session", sessionId, name: "Lisbon" });
    expect(renamed).toMatchObject({ session: { name: "Lisbon" } });
    const told = (client: TestClient) =>
      client.events.filter((e) => e.type === "session_updated" && e.session.name === "Lisbon");
    await ann.until(() => told(ann).length > 0);
    await bob.ask({ type: "ping" });
    expect(told(bob)).toHaveLength(1);
    const vic = await TestClient.as(b.port, TOKENS.viewer);
    const change = { action: "set_role", userId: "vic", role: "member" } as const;
    await ann.ask({ type: "manage_members", change });
    await vic.until(() => told(ann).length > 0);
    const may = async () => (await vic.ask({ type: "create_session", agentType: "echo" })).type;
    while ((await may()) !== "session_created") await Bun.sleep(20);
    await ann.ask({ type: "manage_members", change: { action: "remove", userId: "vic" } });
    await vic.until(() => vic.closeCode !== null);
    expect(vic.closeCode).toBe(4003);
    await ann.ask({ type: "delete_session", sessionId });
    await bob.until(() =>
      bob.events.some((e) => e.type === "session_deleted" && e.sessionId === sessionId),
    );
    expect(await bob.ask({ type: "join_session", sessionId })).toMatchObject({
      code: "SessionNotFound",
    });
  });

  test("D3 another tenant finds nothing at either gateway, whoever owns what", async () => {
    const sessionId = await ann.newSession();
    await bob.ask({ type: "join_session", sessionId });
    for (const gateway of [a, b]) {
      const eve = await TestClient.as(gateway.port, TOKENS.eve);
      for (const type of ["join_session", "get_events", "get_history", "stop_turn"] as const) {
        expect(await eve.ask({ type, sessionId })).toMatchObject({ code: "SessionNotFound" });
      }
      const heard = eve.events.length;
      await ann.ask({ type: "rename_session", sessionId, name: "secret" });
      await eve.ask({ type: "ping" });
      expect(JSON.stringify(eve.events.slice(heard))).not.toContain("secret");
      eve.close();
    }
  });

  test("over HTTP at the other gateway: threads, messages, a stream of events and credits", async () => {
    const headers = { authorization: `Bearer ${TOKENS.ann}`, "content-type": "application/json" };
    const call = (path: string, body?: unknown) =>
      fetch(`${b.url}${path}`, {
        headers,
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      });
    const made = await call("/api/threads", { agentType: "echo" });
    const { id } = (await made.json()) as { id: string };
    await call(`/api/threads/${id}/messages`, { text: "stream 300" });
    const stream = await call(`/api/threads/${id}/events`);
    let text = "";
    for await (const chunk of stream.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes("event: turn_complete")) break;
    }
    const seqs = [...text.matchAll(/^id: \w+:(\d+)$/gm)].map((match) => Number(match[1]));
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    expect(await (await call("/api/billing")).json()).toHaveProperty("balance");
  });

  test("who cannot sign for the fleet is not answered, nor is anybody by a gateway that is alone", async () => {
    const say = (url: string, token: string) =>
      fetch(`${url}/internal/v1/gateway`, {
        method: "POST",
        headers: { "concert-actor": token },
        body: JSON.stringify({ kind: "read", query: { kind: "people", tenantId: "globex" } }),
      });
    expect((await say(a.url, "")).status).toBe(401);
    expect((await say(a.url, "e30.e30.e30")).status).toBe(401);
    const actor = { tenant: "acme", user: "gw", roles: [], permissions: [] };
    const forPodium = await signActor(actor, "podium", INTERNAL_SECRET);
    expect((await say(a.url, forPodium)).status).toBe(401);
    // A token of one tenant asks nothing about another.
    const ours = await signActor(actor, "diminuendo", INTERNAL_SECRET);
    expect(await (await say(a.url, ours)).json()).toMatchObject({ code: "PermissionDenied" });
    const world = new World();
    const alone = await world.start();
    expect((await say(alone.url, ours)).status).toBe(404);
    await world.stop();
  });
});

describe.if(hasRedis)("how a fleet begins and ends", () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await Fleet.start();
  });
  afterEach(() => fleet.stop());

  test("health shows the broadcast layer, that it is away and left alone, and that it is back", async () => {
    const a = await fleet.gateway();
    const broadcast = async () => {
      const report = await (await fetch(`${a.url}/api/health`)).json();
      return (report as { dependencies: Record<string, Record<string, unknown>> }).dependencies[
        "broadcast"
      ];
    };
    const until = async (breaker: string) => {
      while ((await broadcast())?.["breaker"] !== breaker) await Bun.sleep(50);
    };
    // It listens before it is connected to the others.
    while ((await broadcast())?.["ok"] !== true) await Bun.sleep(20);
    expect(await broadcast()).toMatchObject({ ok: true, engine: "redis", breaker: "closed" });
    await fleet.engine.kill();
    await until("open");
    expect(await broadcast()).toMatchObject({ ok: false });
    await fleet.engine.start();
    await until("closed");
    expect(await broadcast()).toMatchObject({ ok: true });
  });

  test("without a secret of its own no gateway joins a fleet", async () => {
    await expect(fleet.gateway("--internal-secret=concert-dev-internal-secret")).rejects.toThrow(
      "set CONCERT_INTERNAL_SECRET",
    );
  });

  test("a gateway alone is not let onto a fleet's data, nor a fleet onto one's that is alone", async () => {
    await fleet.gateway();
    await expect(fleet.world.start()).rejects.toThrow("another gateway already uses");
  });

  test("D1 a turn that a gateway alone left open is gone on with by a fleet, without any client", async () => {
    const alone = await fleet.world.start();
    const ann = await TestClient.as(alone.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: "stream 1500" });
    await ann.until(() => ann.log(sessionId).length >= 4);
    await alone.kill();
    await fleet.gateway();
    const turn = String(turnId);
    while (fleet.world.podium.turns.get(turn)?.ended !== true) await Bun.sleep(20);
  });

  test("a gateway that ends in order leaves its tenants at once, and its clients are told to come back", async () => {
    const [a, b] = [await fleet.gateway("--lease-seconds=60"), await fleet.gateway()];
    const ann = await TestClient.as(a.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    expect(await a.terminate()).toBe(0);
    await ann.until(() => ann.closeCode !== null);
    expect(ann.closeCode).toBe(4100);
    const again = await TestClient.as(b.port, TOKENS.ann);
    expect(await again.ask({ type: "run_turn", sessionId, text: "hi" })).toMatchObject({
      type: "turn_accepted",
    });
    again.close();
  });
});

async function restsAfter(client: TestClient, sessionId: string, turnId: unknown): Promise<void> {
  const rests = () =>
    ended(client.log(sessionId), turnId) && status(client.log(sessionId)) === "ready";
  await client.until(rests);
}

/** Each is the log that is stored: everything once, in order, but for deltas that a finished message has replaced. */
async function expectViews(
  client: TestClient,
  sessionId: string,
  views: readonly (readonly SessionEvent[])[],
): Promise<void> {
  const stored = await client.storedLog(sessionId);
  expectWholeLog(stored);
  for (const view of views) {
    expectWholeLog(view);
    expectMessagesAsStreamed(view);
    expect(compact(view)).toEqual(stored);
  }
}
