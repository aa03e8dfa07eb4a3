/** Credits: reserved before, settled or released once after, whatever happens in between; and the ledger always sums. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  balanceOf,
  closeReservation,
  heldReservations,
  reserve,
  topUp,
} from "../src/db/billing-tables.ts";
import { migrate } from "../src/db/migrations.ts";
import { closingOf, type TurnFate } from "../src/domain/ledger.ts";
import { costOf } from "../src/domain/prices.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { randomOf } from "./support/random.ts";
import { TestClient } from "./support/test-client.ts";

// Other work may share the machine.
setDefaultTimeout(60_000);

const PRICE = { inputPer1000: 3_000, outputPer1000: 15_000, reserve: 250_000 };
const OUTCOMES = ["succeeded", "cancelled", "failed", "never began"] as const;

describe("the ledger", () => {
  for (const seed of [1, 20261121]) {
    test(`D6 10,000 random outcomes with crashes between any two commits balance to zero (seed ${seed})`, () => {
      const random = randomOf(seed);
      const database = new Database(":memory:", { strict: true });
      migrate(database, "registry");
      const commit = <A>(work: () => A): A => database.transaction(work)();
      /** What each turn's session says of it, which is committed on its own. */
      const sessions = new Map<string, TurnFate>();
      let [funded, spent, refused, crashes, at] = [100_000_000, 0, 0, 0, 0];
      const grant = funded;
      const close = (turnId: string, cost: number | null) =>
        commit(() =>
          closeReservation(database, {
            kind: "close_reservation",
            tenantId: "t",
            turnId,
            cost,
            nowMs: at,
          }),
        );
      const restart = () => {
        crashes += 1;
        for (const { turnId } of heldReservations(database)) {
          const closing = closingOf(sessions.get(turnId) ?? { kind: "unknown" });
          if (closing !== null) close(turnId, closing.cost);
        }
      };
      /** Every seventh step or so the process dies right after a commit. */
      const survives = () => {
        const dies = random(7) === 0;
        if (dies) restart();
        return !dies;
      };
      const open: string[] = [];

      for (at = 1; at <= 10_000; at += 1) {
        const turnId = `turn_${at}`;
        const place = {
          kind: "reserve",
          tenantId: "t",
          turnId,
          sessionId: "s",
          userId: "u",
        } as const;
        const ask = { ...place, microcredits: PRICE.reserve, grant, nowMs: at };
        if (commit(() => reserve(database, ask)).kind === "insufficient") {
          refused += 1;
          const more = { kind: "top_up", tenantId: "t", userId: "u", grant, nowMs: at } as const;
          const microcredits = random(5_000_000);
          const paid = { ...more, key: `k${at}`, microcredits };
          for (let again = 0; again < 2; again += 1) commit(() => topUp(database, paid));
          funded += microcredits;
          continue;
        }
        if (!survives()) continue; // Between the reservation and the turn: it never came to be.
        const outcome = OUTCOMES[random(OUTCOMES.length)] ?? "failed";
        if (outcome === "never began") {
          close(turnId, null);
          continue;
        }
        sessions.set(turnId, { kind: "alive" });
        open.push(turnId);
        survives();
        // Some turns go on while others come and end.
        while (open.length > random(20)) {
          const [ending = ""] = open.splice(random(open.length), 1);
          const usage = { inputTokens: random(40_000), outputTokens: random(20_000) };
          const cost = outcome === "failed" ? null : costOf(PRICE, usage);
          sessions.set(ending, { kind: "over", cost });
          spent += cost ?? 0;
          if (survives()) for (let again = 0; again <= random(2); again += 1) close(ending, cost);
        }
        const { available, reserved } = balanceOf(database);
        expect(reserved).toBe(open.length * PRICE.reserve);
        expect(available + reserved + spent).toBe(funded);
      }
      for (const turnId of open) sessions.set(turnId, { kind: "over", cost: null });
      restart();
      expect(balanceOf(database)).toEqual({ available: funded - spent, reserved: 0, spent });
      const sum = database.query("SELECT SUM(microcredits) AS sum FROM postings").get();
      expect(sum).toEqual({ sum: 0 });
      const unbalanced = database
        .query("SELECT entry FROM postings GROUP BY entry HAVING SUM(microcredits) <> 0")
        .all();
      expect(unbalanced).toEqual([]);
      expect(crashes).toBeGreaterThan(1_000);
      expect(refused).toBeGreaterThan(10);
    });
  }
});

describe("a turn's credits", () => {
  let world: World;
  let gateway: GatewayProcess;
  let flag: string;
  beforeAll(async () => {
    world = new World();
    const file = join(world.dataDir, "prices.json");
    const price = { inputPer1000: 1_000, outputPer1000: 2_000, reserve: 100 };
    writeFileSync(file, JSON.stringify({ grant: 250, default: price, agentTypes: {} }));
    flag = `--price-table=${file}`;
    gateway = await world.start(flag);
  });
  afterAll(() => world.stop());

  const account = async () => {
    const headers = { authorization: `Bearer ${TOKENS.ann}` };
    const response = await fetch(`${gateway.url}/api/billing`, { headers });
    return (await response.json()) as {
      balance: object;
      entries: { kind: string; microcredits: number }[];
    };
  };
  const topUp = (body: object, token: string = TOKENS.ann) =>
    fetch(`${gateway.url}/api/billing/top-ups`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const ended = (client: TestClient, sessionId: string, count: number) =>
    client.until(
      () =>
        client.log(sessionId).filter((e) => e.type === "turn_complete" || e.type === "turn_error")
          .length === count,
    );
  const settled = async (balance: object) => {
    const deadline = Date.now() + 20_000;
    while (Date.now() < deadline && !Bun.deepEquals((await account()).balance, balance))
      await Bun.sleep(50);
    expect((await account()).balance).toEqual(balance);
  };

  test("D6 are reserved before, settled with the real tokens after, released when it fails; then refused", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    const run = (text: string) =>
      ann.ask({ type: "run_turn", sessionId, text, whenBusy: "enqueue" });
    await run("hold on");
    await settled({ available: 150, reserved: 100, spent: 0 });
    await run("then this");
    await settled({ available: 50, reserved: 200, spent: 0 });
    expect(await run("one too many")).toMatchObject({ code: "InsufficientCredits" });
    const [turn] = [...world.podium.turns.values()];
    world.podium.finish(turn?.turnId ?? "");
    await ended(ann, sessionId, 2);
    // 10 tokens read, 5 written, each turn: 20 millionths.
    await settled({ available: 210, reserved: 0, spent: 40 });
    expect(ann.log(sessionId).filter((e) => e.type === "turn_billed")).toMatchObject([
      { inputTokens: 10, outputTokens: 5, microcredits: 20 },
      { inputTokens: 10, outputTokens: 5, microcredits: 20 },
    ]);
    await run("fail now");
    await ended(ann, sessionId, 3);
    await settled({ available: 210, reserved: 0, spent: 40 });
    const { entries } = await account();
    expect(entries.map(({ kind }) => kind)).toEqual([
      "release",
      "reserve",
      "settle",
      "settle",
      "reserve",
      "reserve",
      "grant",
    ]);
    ann.close();
  });

  test("D6 a kill around the end of a turn settles it once", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    const { turnId } = await ann.ask({ type: "run_turn", sessionId, text: "hold on" });
    await ann.until(() => ann.log(sessionId).some((e) => e.type === "message_started"));
    world.podium.finish(String(turnId));
    await gateway.kill();
    gateway = await world.start(flag);
    const later = await TestClient.as(gateway.port, TOKENS.ann);
    await later.ask({ type: "join_session", sessionId });
    await ended(later, sessionId, 1);
    await settled({ available: 190, reserved: 0, spent: 60 });
    later.close();
  });

  test("topping up needs billing:write, happens once per key, and D3 stays with its tenant", async () => {
    const body = { microcredits: 1_000, idempotencyKey: "invoice-7" };
    expect((await topUp(body, TOKENS.bob)).status).toBe(403);
    expect((await topUp({ microcredits: -5, idempotencyKey: "x" })).status).toBe(400);
    for (const response of [await topUp(body), await topUp(body)]) {
      expect(await response.json()).toEqual({
        balance: { available: 1_190, reserved: 0, spent: 60 },
      });
    }
    const eve = await fetch(`${gateway.url}/api/billing`, {
      headers: { authorization: `Bearer ${TOKENS.eve}` },
    });
    expect(await eve.json()).toMatchObject({ balance: { available: 0, reserved: 0, spent: 0 } });
  });

  test("limits of the tenant and of a person refuse a turn before any model is asked; what failed costs nothing", async () => {
    const own = new World();
    const file = join(own.dataDir, "prices.json");
    const price = { inputPer1000: 1_000, outputPer1000: 2_000, reserve: 100 };
    writeFileSync(file, JSON.stringify({ grant: 10_000, default: price, agentTypes: {} }));
    let limited = await own.start(`--price-table=${file}`);
    const limit = async (body: object, token: string = TOKENS.ann) => {
      const response = await fetch(`${limited.url}/api/billing/limits`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return { status: response.status, json: (await response.json()) as object };
    };
    expect((await limit({ of: "tenant", microcreditsPerDay: 5 }, TOKENS.bob)).status).toBe(403);
    expect((await limit({ of: "user", microcreditsPerDay: 5 })).status).toBe(400);
    await limit({ of: "everybody", microcreditsPerDay: 150 });
    await limit({ of: "user", userId: "bob", microcreditsPerDay: 0 });
    expect((await limit({ of: "tenant", microcreditsPerDay: 500 })).json).toEqual({
      limits: { tenant: 500, everybody: 150, users: { bob: 0 } },
      spent: { tenant: 0, user: 0 },
    });
    const bob = await TestClient.as(limited.port, TOKENS.bob);
    const theirs = await bob.newSession();
    expect(await bob.ask({ type: "run_turn", sessionId: theirs, text: "hi" })).toMatchObject({
      code: "InsufficientCredits",
      message: expect.stringContaining("spending limit"),
    });
    expect(own.podium.turns.size).toBe(0);
    bob.close();

    let ann = await TestClient.as(limited.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    const ask = (text: string) =>
      ann.ask({ type: "run_turn", sessionId, text, whenBusy: "enqueue" });
    expect((await ask("fail now")).type).toBe("turn_accepted");
    await ended(ann, sessionId, 1);
    const spent = async () => {
      const headers = { authorization: `Bearer ${TOKENS.ann}` };
      const response = await fetch(`${limited.url}/api/billing/limits`, { headers });
      return ((await response.json()) as { spent: { user: number } }).spent.user;
    };
    // What failed costs nothing, once it is closed; what is put aside counts, also after a crash.
    for (let tries = 0; tries < 500 && (await spent()) > 0; tries += 1) await Bun.sleep(20);
    expect((await ask("hold on")).type).toBe("turn_accepted");
    expect(await ask("one too many")).toMatchObject({ code: "InsufficientCredits" });
    await limited.kill();
    limited = await own.start(`--price-table=${file}`);
    ann = await TestClient.as(limited.port, TOKENS.ann);
    await ann.ask({ type: "join_session", sessionId });
    expect(await ask("one too many")).toMatchObject({ code: "InsufficientCredits" });
    await limit({ of: "everybody", microcreditsPerDay: null });
    expect((await ask("now it may")).type).toBe("turn_accepted");
    await limit({ of: "tenant", microcreditsPerDay: 250 });
    expect(await ask("the tenant's limit")).toMatchObject({
      code: "InsufficientCredits",
      message: expect.stringContaining("The tenant"),
    });
    const eve = await TestClient.as(limited.port, TOKENS.eve);
    const free = await eve.newSession();
    expect((await eve.ask({ type: "run_turn", sessionId: free, text: "hi" })).type).toBe(
      "turn_accepted",
    );
    eve.close();
    ann.close();
    await own.stop();
  });
});
