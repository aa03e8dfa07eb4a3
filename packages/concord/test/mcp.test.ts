import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  anyonePolicy,
  type Command,
  type Drift,
  defineContracts,
  encodeId,
  type JsonObject,
  type McpServer,
  type McpSnapshot,
  type McpTransport,
  mcpServer,
  takeMcpSnapshot,
} from "../src/index.ts";
import { testContext } from "../src/testing/index.ts";
import { ANNA, FRED, type Harness, startHarness, TRACE } from "./support/harness.ts";

const BUN = fileURLToPath(new URL("../../../node_modules/.bin/bun", import.meta.url));
const SERVER = fileURLToPath(new URL("./support/mcp-server.ts", import.meta.url));
const SECRET = "notes-token-for-the-test";

let directory: string;
let notesPath: string;
let stdio: Extract<McpTransport, { kind: "stdio" }>;
let snapshot: McpSnapshot;
let server: McpServer;
let h: Harness;
const drifts: Drift[] = [];

const transportOf = (env: Record<string, string> = {}): typeof stdio => ({
  kind: "stdio",
  command: BUN,
  args: [SERVER],
  env: { NOTES: notesPath, ...env },
  secretVariable: "NOTES_TOKEN",
});
const serverOver = (transport: McpTransport, more: Partial<Parameters<typeof mcpServer>[0]> = {}) =>
  mcpServer({
    name: "notes",
    transport,
    snapshot,
    secretRef: "env:TEST_NOTES_TOKEN",
    policies: ["open"],
    approval: { type: "note", approver: { kind: "group", name: "finance" } },
    timeoutMs: 20_000,
    ...more,
  });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "concord-mcp-"));
  notesPath = join(directory, "notes");
  stdio = transportOf();
  process.env["TEST_NOTES_TOKEN"] = SECRET;
  snapshot = await takeMcpSnapshot(stdio, SECRET);
  server = serverOver(stdio, { onDrift: (drift) => drifts.push(drift) });
  h = await startHarness({
    more: () =>
      defineContracts((catalog) => {
        catalog.policy(anyonePolicy("open", "a test"));
        catalog.approvalType({ name: "note", description: "A note.", defaultExpiryMinutes: 5 });
        catalog.connector(server.connector);
        for (const task of server.tasks) catalog.task(task);
      }),
  });
});
afterAll(async () => {
  await h?.stop();
  await server?.close();
  await rm(directory, { recursive: true, force: true });
});

const submit = async (taskName: string, payload: object): Promise<Command> => {
  const request = {
    taskName,
    payload,
    principal: ANNA,
    ingress: "agent_action",
    traceId: TRACE,
  } as const;
  return (await h.concord.commands.submit(request)).command;
};
const run = async (taskName: string, payload: object = {}) =>
  h.settled(await submit(taskName, payload));
const approve = async (command: Command) =>
  h.concord.approvals.resolve({
    approvalId: encodeId("approval", (await h.approvalOf(command)).approvalId),
    decision: "approved",
    principal: FRED,
    traceId: TRACE,
  });
const written = () =>
  existsSync(notesPath) ? readFileSync(notesPath, "utf8").split("\n").filter(Boolean) : [];
const call = async (
  from: McpServer,
  operation: string,
  input: JsonObject = {},
  signal = AbortSignal.timeout(20_000),
) => {
  const made = from.connector.operations[operation];
  if (made === undefined) throw new Error(`no ${operation}`);
  return made.call(input, testContext({ secret: SECRET, signal }));
};

describe("classification", () => {
  test("CON-15 TOL-1 what says it only reads needs nobody; everything else is a side effect that a person approves", () => {
    const means = Object.fromEntries(
      server.tasks.map((task) => {
        const [step] = task.steps;
        const effect = step?.kind === "connector" ? step.effectType : undefined;
        return [task.name, [effect !== undefined, task.approval !== undefined, task.riskLevel]];
      }),
    );
    expect(means).toEqual({
      "notes.read_notes": [false, false, "low"],
      "notes.fail": [false, false, "low"],
      "notes.whoami": [false, false, "low"],
      "notes.stall": [false, false, "low"],
      "notes.grow": [false, false, "low"],
      "notes.write_note": [true, true, "high"],
      "notes.forget": [true, true, "medium"],
      "notes.check_drift": [false, false, undefined],
    });
    expect(server.refused).toEqual([]);
  });

  test("CON-15 the author's review stands over what the server says of itself", () => {
    const reviewed = serverOver(stdio, {
      reviews: {
        read_notes: { sideEffect: true },
        forget: { approval: false, riskLevel: "low" },
        whoami: { offered: false },
      },
    });
    const task = (name: string) => reviewed.tasks.find((one) => one.name === `notes.${name}`);
    expect(task("read_notes")?.approval).toBeDefined();
    expect(task("forget")).toMatchObject({ riskLevel: "low" });
    expect(task("forget")?.approval).toBeUndefined();
    expect(task("whoami")).toBeUndefined();
    expect(reviewed.refused).toEqual([
      { tool: "whoami", reason: "it was reviewed and is not wanted" },
    ]);
    expect(() => serverOver(stdio, { policies: [] })).toThrow("policies");
  });

  test("SEC-6 a tool with a name or a schema that cannot be used is refused, with the reason", () => {
    const odd = { description: "", inputSchema: { type: "object" }, annotations: {} };
    const tools = [
      { ...odd, name: "no/name" },
      { ...odd, name: "text", inputSchema: { type: "string" } },
      {
        ...odd,
        name: "broken",
        inputSchema: { type: "object", properties: { a: { type: "strin" } } },
      },
    ];
    const made = serverOver(stdio, { snapshot: { ...snapshot, tools } });
    expect(made.refused.map(({ tool }) => tool)).toEqual(["no/name", "text", "broken"]);
    expect(made.tasks.map((task) => task.name)).toEqual(["notes.check_drift"]);
  });
});

describe("governed calls over stdio", () => {
  test("CON-15 TOL-2 a reading tool answers, with its structured content, and is on record like any call", async () => {
    const done = await run("notes.read_notes");
    expect([done.status, done.error]).toEqual(["succeeded", null]);
    expect(done.result).toEqual({
      text: written().join("\n"),
      other: [],
      structured: { lines: written() },
    });
    expect(await h.eventTypes(done)).toContain("connector_called");
  });

  test("TOL-2 G3 a writing tool waits for a person, then happens once", async () => {
    const command = await submit("notes.write_note", { note: "approved" });
    expect([command.status, written()]).toEqual(["waiting_for_approval", []]);
    await approve(command);
    expect((await h.settled(command)).status).toBe("succeeded");
    expect(written()).toEqual(["approved"]);
    const again = await submit("notes.write_note", { note: "approved" });
    await approve(again);
    await h.settled(again);
    expect(written()).toEqual(["approved", "approved"]);
  });

  test("TOL-4 what does not fit the tool's schema never reaches the server", async () => {
    await expect(submit("notes.write_note", { note: 7 })).rejects.toThrow("/note");
    await expect(submit("notes.write_note", {})).rejects.toThrow("note");
  });

  test("EFF-7 G4 a server that dies in the middle: a write is not repeated, and the next call has a new server", async () => {
    const command = await submit("notes.write_note", { note: "die after this" });
    await approve(command);
    expect((await h.settled(command)).status).toBe("failed");
    expect(written().filter((one) => one === "die after this")).toHaveLength(1);
    expect((await run("notes.read_notes")).status).toBe("succeeded");
    const { lookup } = server.connector.operations["write_note"] ?? {};
    expect(await lookup?.("k", testContext(), {})).toMatchObject({
      ok: false,
      message: expect.stringContaining("may have happened"),
    });
  });

  test("CON-8 CON-9 the server gets its secret and nothing else of ours; it does not come back", async () => {
    const told = await run("notes.whoami");
    expect(told.result).toMatchObject({
      text: JSON.stringify({ token: "[redacted]", home: null }),
    });
    const failed = await run("notes.fail");
    expect([failed.errorClass, failed.error]).toEqual([
      "permanent_connector_error",
      "cannot, with [redacted]",
    ]);
  });

  test("CON-4 a tool that never answers ends with its time", async () => {
    const found = await call(server, "stall", {}, AbortSignal.timeout(300));
    expect(found).toMatchObject({ ok: false });
    expect(await call(server, "read_notes")).toMatchObject({ ok: true });
  });
});

describe("drift", () => {
  const restarted = async (variant: string) => {
    const seen: Drift[] = [];
    const other = serverOver(transportOf({ VARIANT: variant }), {
      onDrift: (drift) => seen.push(drift),
    });
    return { other, seen };
  };

  test("CON-15 SEC-12 a description that changed since it was reviewed: the tool is not called, the others are", async () => {
    const { other, seen } = await restarted("poisoned");
    try {
      expect(await call(other, "read_notes")).toMatchObject({
        ok: false,
        message: expect.stringContaining("no longer what was reviewed"),
      });
      expect(await call(other, "forget", { what: "x" })).toMatchObject({ ok: true });
      expect(seen).toEqual([{ added: [], removed: [], changed: ["read_notes"] }]);
    } finally {
      await other.close();
    }
  });

  test("CON-15 a tool that is gone is told as such", async () => {
    const { other, seen } = await restarted("smaller");
    try {
      expect(await call(other, "forget", { what: "x" })).toMatchObject({
        ok: false,
        message: expect.stringContaining("no longer offers forget"),
      });
      expect(seen).toEqual([{ added: [], removed: ["forget"], changed: [] }]);
    } finally {
      await other.close();
    }
  });

  test("CON-15 a tool that joins while we are connected is noticed, and cannot be called", async () => {
    expect((await run("notes.check_drift")).result).toEqual({
      drifted: false,
      added: [],
      removed: [],
      changed: [],
    });
    expect((await run("notes.grow")).status).toBe("succeeded");
    await expect
      .poll(async () => (await call(server, "read_notes")).ok && drifts, { timeout: 20_000 })
      .toContainEqual({ added: ["new_tool"], removed: [], changed: [] });
    await expect(submit("notes.new_tool", {})).rejects.toThrow("No task");
  });
});

describe("over Streamable HTTP", () => {
  let child: ChildProcess;
  let url: string;
  beforeAll(async () => {
    const env = { ...process.env, NOTES: notesPath, NOTES_TOKEN: SECRET };
    child = spawn(BUN, [SERVER, "http"], { env, stdio: ["ignore", "pipe", "ignore"] });
    const [line] = child.stdout === null ? [""] : await once(child.stdout, "data");
    url = String(line).trim();
  });
  afterAll(async () => {
    const gone = once(child, "exit");
    child.kill();
    await gone;
  });

  test("CON-15 the same tools, the same answers, the secret as a bearer token", async () => {
    expect(await takeMcpSnapshot({ kind: "http", url }, SECRET)).toEqual(snapshot);
    const remote = serverOver({ kind: "http", url });
    try {
      expect(await call(remote, "read_notes")).toMatchObject({
        ok: true,
        output: { structured: { lines: written() } },
      });
      const operation = remote.connector.operations["read_notes"];
      const stranger = testContext({ secret: "another-token" });
      expect(await operation?.call({}, stranger)).toMatchObject({
        ok: false,
        errorClass: "permanent_connector_error",
      });
    } finally {
      await remote.close();
    }
  });

  test("ERR-3 a server that is away is tried again later", async () => {
    const away = serverOver({ kind: "http", url: "http://127.0.0.1:1/" });
    expect(await call(away, "read_notes")).toMatchObject({
      ok: false,
      errorClass: "transient_connector_error",
    });
  });
});
