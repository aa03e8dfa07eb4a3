/** Contracts in YAML, in a running server: loaded from a folder, governed like any other, refused when they are wrong. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConcordClient, createConcordClient } from "../src/client/index.ts";
import { startTestPostgres, type TestPostgres } from "../src/testing/index.ts";
import { BUN } from "./support/killable-server.ts";
import { KEYS, type ServerProcess, serverProcess } from "./support/server-process.ts";
import { startVendor, type TestVendor } from "./support/vendor.ts";

const FOLDER = fileURLToPath(new URL("./support/declared", import.meta.url));
const MAIN = fileURLToPath(new URL("../src/server/main.ts", import.meta.url));

let postgres: TestPostgres;
let vendor: TestVendor;
let server: ServerProcess;
let anna: ConcordClient;
let fred: ConcordClient;
beforeAll(async () => {
  [postgres, vendor] = await Promise.all([startTestPostgres(), startVendor()]);
  const env = { TEST_VENDOR_URL: vendor.url, TEST_VENDOR_KEY: "vendor-dev" };
  server = await serverProcess(postgres.databaseUrl, env, [], FOLDER);
  await server.start();
  anna = createConcordClient({ url: server.url, key: KEYS.anna });
  fred = createConcordClient({ url: server.url, key: KEYS.fred });
});
afterAll(async () => {
  await server.kill();
  await vendor.stop();
  await postgres.stop();
});

const order = (id: string, amount: number) => ({
  task_name: "buy_and_keep",
  payload: { order_id: id, item: "lamp", amount },
});
const rests = (id: string) =>
  expect.poll(async () => (await anna.get(id)).status, { timeout: 45_000, interval: 50 });

describe("declared tasks", () => {
  test("CON-16 TOL-3 a tool answers through its connector's capability, within the request", async () => {
    const asked = await anna.submit({
      task_name: "ask_price",
      payload: { item: "lamp", amount: 3 },
    });
    expect([asked.status, asked.error]).toEqual(["succeeded", null]);
    expect(Object.keys(asked.result as object).length).toBeGreaterThan(0);
    const tools = await fetch(`${server.url}/tools`, {
      headers: { authorization: `Bearer ${KEYS.anna}` },
    });
    const { items } = (await tools.json()) as { items: { name: string; side_effect: boolean }[] };
    expect(items.map((one) => [one.name, one.side_effect])).toEqual([
      ["ask_price", false],
      ["buy_and_keep", true],
      ["ask_person", false],
    ]);
  });

  test("CON-16 POL-10 what only a person knows is asked for where the payload says so, and the answer goes on", async () => {
    const plain = await anna.submit({ task_name: "gift_card", payload: { item: "lamp" } });
    await rests(plain.command_id).toBe("succeeded");
    const payload = { item: "lamp", gift: true };
    const gift = await anna.submit({ task_name: "gift_card", payload });
    expect(gift.status).toBe("waiting_for_input");
    const { items } = await anna.inputs({ status: "open", command_id: gift.command_id });
    expect(items).toMatchObject([
      { questions: [{ text: "Who gets lamp?", fields: ["receiver"] }], task_name: "gift_card" },
    ]);
    const wrong = anna.provideInput(gift.command_id, { receiver: "" });
    await expect(wrong).rejects.toMatchObject({ code: "validation_error" });
    await anna.provideInput(gift.command_id, { receiver: "Ada" }, items[0]?.input_request_id);
    await rests(gift.command_id).toBe("succeeded");
    expect((await anna.get(gift.command_id)).payload).toEqual({ ...payload, receiver: "Ada" });
  });

  test("CON-16 its policies decide, a person agrees, and it happens once, kill -9 in between", async () => {
    await expect(fred.submit(order("denied", 1))).rejects.toMatchObject({ code: "policy_denied" });
    const { command_id: id } = await anna.submit(order("dear", 900));
    await server.kill();
    await server.start();
    const { items } = await fred.approvals({ command_id: id, status: "pending" });
    vendor.faults.push("stall_after");
    const committed = vendor.committed();
    await fred.resolve(items[0]?.approval_id ?? "", "approved");
    await committed;
    await server.kill();
    await server.start();
    await rests(id).toBe("succeeded");
    expect([...vendor.purchases.keys()]).toEqual(["yaml_buy:dear"]);
    const done = await anna.get(id);
    expect(done.result).toMatchObject({
      bought: { item: "lamp" },
      receipt: expect.stringMatching(/^art_/),
    });
    const again = await anna.submit(order("dear", 900));
    expect([again.command_id, again.replayed]).toEqual([id, true]);
  });

  test("CON-14 GET /connectors tells of it as of any other", async () => {
    const answer = await fetch(`${server.url}/connectors`, {
      headers: { authorization: `Bearer ${KEYS.anna}` },
    });
    const text = await answer.text();
    expect(text).toContain("corner_shop");
    expect(text).toContain("yaml_buy:{order_id}");
  });
});

test("a folder with mistakes keeps the server from starting, and all of them are said with file and line", async () => {
  const folder = mkdtempSync(join(tmpdir(), "declared-"));
  writeFileSync(join(folder, "a.yaml"), "connector: { name: a, type: rest, capabilities: [x] }\n");
  writeFileSync(join(folder, "b.yml"), "\ntask:\n  name: b\n  colour: red\n");
  const child = spawn(
    BUN,
    [MAIN, `--contracts=${folder}`, "--database-url=postgres://127.0.0.1:1/x"],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += String(chunk);
  });
  const [code] = await once(child, "exit");
  rmSync(folder, { recursive: true });
  expect(code).toBe(2);
  expect(said).toContain('a.yaml:1: connector "a": base_url');
  expect(said).toContain('a.yaml:1: connector "a": its type rest does not know "x"');
  expect(said).toContain('b.yml:2: task "b"');
});
