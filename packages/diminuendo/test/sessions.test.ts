/** What people do with sessions beside talking: rename, put away, delete, read back, look into files, and come back. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ClientMessage } from "../src/protocol/index.ts";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { expectWholeLog } from "./support/log-view.ts";
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

const list = async (client: TestClient, includeArchived = false) =>
  (await client.ask({ type: "list_sessions", includeArchived }))["sessions"] as {
    sessionId: string;
    name: string;
  }[];

describe("a session's label", () => {
  test("renaming and putting away are told to the tenant, kept, and done once per key", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const sessionId = await ann.newSession();
    const rename = {
      type: "rename_session",
      sessionId,
      name: "Lisbon",
      idempotencyKey: "r",
    } as const;
    const first = await ann.ask(rename);
    expect(first).toMatchObject({ type: "session_updated", session: { name: "Lisbon" } });
    await bob.until(() =>
      bob.events.some((e) => e.type === "session_updated" && e.session.name === "Lisbon"),
    );
    await ann.ask({ type: "rename_session", sessionId, name: "Porto" });
    expect(await ann.ask(rename)).toMatchObject({ session: first["session"] });
    expect((await list(ann)).find((s) => s.sessionId === sessionId)?.name).toBe("Porto");
    expect(await ann.ask({ ...rename, name: "Faro" })).toMatchObject({
      code: "IdempotencyConflict",
    });
    expect(await ann.ask({ type: "archive_session", sessionId })).toMatchObject({
      session: { archived: true },
    });
    expect((await list(ann)).some((s) => s.sessionId === sessionId)).toBe(false);
    expect((await list(ann, true)).some((s) => s.sessionId === sessionId)).toBe(true);
    expect(await ann.ask({ type: "run_turn", sessionId, text: "hi" })).toMatchObject({
      code: "SessionArchived",
    });
    await ann.ask({ type: "unarchive_session", sessionId });
    expect(await ann.ask({ type: "run_turn", sessionId, text: "hi" })).toMatchObject({
      type: "turn_accepted",
    });
    for (const client of [ann, bob]) client.close();
  });

  test("who may not, cannot; and a session with an open turn is neither archived nor deleted", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const viewer = await TestClient.as(gateway.port, TOKENS.viewer);
    const sessionId = await ann.newSession();
    const denied = { code: "PermissionDenied" };
    expect(await bob.ask({ type: "delete_session", sessionId })).toMatchObject(denied);
    expect(await viewer.ask({ type: "archive_session", sessionId })).toMatchObject(denied);
    expect(await viewer.ask({ type: "rename_session", sessionId, name: "x" })).toMatchObject(
      denied,
    );
    await ann.ask({ type: "run_turn", sessionId, text: "hold on" });
    const busy = { code: "TurnInProgress" };
    expect(await ann.ask({ type: "archive_session", sessionId })).toMatchObject(busy);
    expect(await ann.ask({ type: "delete_session", sessionId })).toMatchObject(busy);
    for (const client of [ann, bob, viewer]) client.close();
  });
});

test("the list comes in pages that together are the list", async () => {
  const own = new World();
  const door = await own.start();
  const ann = await TestClient.as(door.port, TOKENS.ann);
  for (let count = 0; count < 5; count += 1) await ann.newSession();
  const whole = (await ann.ask({ type: "list_sessions" }))["sessions"];
  const paged: unknown[] = [];
  let cursor: string | undefined;
  do {
    const more = cursor === undefined ? {} : { cursor };
    const page = await ann.ask({ type: "list_sessions", limit: 2, ...more });
    paged.push(...(page["sessions"] as unknown[]));
    cursor = page["cursor"] as string | undefined;
  } while (cursor !== undefined);
  expect(paged).toEqual(whole as unknown[]);
  expect(paged).toHaveLength(5);
  expect(await ann.ask({ type: "list_sessions", cursor: "x" })).toMatchObject({
    code: "INVALID_MESSAGE",
  });
  ann.close();
  await own.stop();
});

describe("deleting", () => {
  test("the directory is gone when it is answered; nobody finds the session, and the answer repeats", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const bob = await TestClient.as(gateway.port, TOKENS.bob);
    const sessionId = await ann.sessionWithTurns(2);
    const folder = join(world.dataDir, "sessions", sessionId);
    expect(existsSync(folder)).toBe(true);
    const ask = { type: "delete_session", sessionId, idempotencyKey: "d" } as const;
    expect(await ann.ask(ask)).toMatchObject({ type: "session_deleted", sessionId });
    expect(existsSync(folder)).toBe(false);
    expect(await ann.ask(ask)).toMatchObject({ type: "session_deleted", sessionId });
    expect(await ann.ask({ type: "delete_session", sessionId })).toMatchObject({
      code: "SessionNotFound",
    });
    expect(await ann.ask({ type: "join_session", sessionId })).toMatchObject({
      code: "SessionNotFound",
    });
    await bob.until(() => bob.events.some((e) => e.type === "session_deleted"));
    expect((await list(ann, true)).some((s) => s.sessionId === sessionId)).toBe(false);
    for (const client of [ann, bob]) client.close();
  });
});

describe("reading back", () => {
  test("get_history pages backwards in whole messages, get_events in both directions", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await ann.sessionWithTurns(3);
    const texts: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ann.ask({
        type: "get_history",
        sessionId,
        limit: 2,
        ...(cursor === undefined ? {} : { cursor }),
      });
      texts.unshift(...(page["messages"] as { text: string }[]).map(({ text }) => text));
      cursor = (page["cursor"] as string | null) ?? undefined;
    } while (cursor !== undefined);
    const reply = "Hello there.";
    expect(texts).toEqual(["hello 1", reply, "hello 2", reply, "hello 3", reply]);
    const whole = await ann.storedLog(sessionId);
    const backwards = [];
    let beforeSeq = (whole.at(-1)?.seq ?? 0) + 1;
    for (;;) {
      const page = await ann.ask({ type: "get_events", sessionId, beforeSeq, limit: 4 });
      const events = page["events"] as typeof whole;
      backwards.unshift(...events);
      if (page["hasMore"] !== true) break;
      beforeSeq = events[0]?.seq ?? 0;
    }
    expect(backwards).toEqual(whole);
    ann.close();
  });

  test("the workspace's files are read through Podium; a Podium without workspaces is not supported", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await ann.newSession();
    expect(await ann.ask({ type: "list_files", sessionId })).toMatchObject({
      code: "NotSupported",
    });
    world.podium.files = new Map([["notes/a b.md", "# Notes"]]);
    const path = "notes/a b.md";
    expect(await ann.ask({ type: "list_files", sessionId, path: "notes" })).toMatchObject({
      entries: [{ path, kind: "file", size: 7 }],
    });
    const content = "# Notes";
    expect(await ann.ask({ type: "read_file", sessionId, path })).toMatchObject({
      file: { content },
    });
    expect(await ann.ask({ type: "file_history", sessionId, path })).toMatchObject({
      iterations: [{ iteration: 1, size: 7 }],
    });
    const at = { type: "file_at_iteration", sessionId, path, iteration: 1 } as const;
    expect(await ann.ask(at)).toMatchObject({ file: { content, iteration: 1 } });
    expect(await ann.ask({ type: "read_file", sessionId, path: "none" })).toMatchObject({
      code: "FileNotFound",
    });
    expect(await ann.ask({ type: "read_file", sessionId, path: "../etc/passwd" })).toMatchObject({
      code: "INVALID_MESSAGE",
    });
    ann.close();
  });
});

describe("joining with a cursor", () => {
  test("D2 of this log: what follows; of a lost one, or with a limit: the newest page, and it says so", async () => {
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const sessionId = await ann.sessionWithTurns(3);
    const whole = await ann.storedLog(sessionId);
    const head = whole.at(-1)?.seq ?? 0;
    const join = async (more: object) => {
      const client = await TestClient.as(gateway.port, TOKENS.ann);
      const snapshot = await client.ask({ type: "join_session", sessionId, ...more });
      await client.untilType("caught_up");
      client.close();
      return { snapshot, log: client.log(sessionId) };
    };
    const full = await join({});
    const epoch = String(full.snapshot["epoch"]);
    expect(full.snapshot).toMatchObject({ replay: "full", hasOlder: false, firstSeq: 1 });
    expect(full.log).toEqual(whole);
    const tail = await join({ cursor: { epoch, seq: 5 } });
    expect(tail.snapshot).toMatchObject({ replay: "tail", hasOlder: false });
    expect(tail.log).toEqual(whole.filter(({ seq }) => seq > 5));
    for (const cursor of [
      { epoch: "epoch_lost", seq: 5 },
      { epoch, seq: head + 50 },
    ]) {
      const lost = await join({ cursor, limit: 4 });
      expect(lost.snapshot).toMatchObject({ replay: "snapshot", hasOlder: true });
      expect(lost.log).toEqual(whole.slice(-4));
    }
    const short = await join({ limit: 4, afterSeq: head - 2 });
    expect(short.snapshot).toMatchObject({ replay: "tail", hasOlder: false });
    expect(short.log.map(({ seq }) => seq)).toEqual([head - 1, head]);
    expectWholeLog(whole);
    ann.close();
  });
});

test("D3 another tenant's session does not exist, by any message that names one", async () => {
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const eve = await TestClient.as(gateway.port, TOKENS.eve);
  const sessionId = await ann.newSession();
  const path = "a";
  const messages: readonly ClientMessage[] = [
    { type: "rename_session", sessionId, name: "mine" },
    { type: "archive_session", sessionId },
    { type: "unarchive_session", sessionId },
    { type: "delete_session", sessionId },
    { type: "steer", sessionId, content: "hi" },
    { type: "get_history", sessionId },
    { type: "list_files", sessionId },
    { type: "read_file", sessionId, path },
    { type: "file_history", sessionId, path },
    { type: "file_at_iteration", sessionId, path, iteration: 1 },
  ];
  for (const message of messages) {
    expect(await eve.ask(message)).toMatchObject({ code: "SessionNotFound" });
  }
  expect(await ann.ask({ type: "join_session", sessionId })).toMatchObject({
    session: { name: "New session", archived: false },
  });
  for (const client of [ann, eve]) client.close();
});
