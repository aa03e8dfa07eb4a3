/**
 * The Agent Client Protocol as an editor uses it: the official client side, `concert acp` as the process it starts, and a
 * real gateway behind that.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type ClientContext,
  client,
  ndJsonStream,
  type RequestPermissionRequest,
  type SessionUpdate,
} from "@agentclientprotocol/sdk";
import { type GatewayProcess, TOKENS, World } from "./support/gateway-process.ts";
import { TestClient } from "./support/test-client.ts";

setDefaultTimeout(60_000);

const CONCERT = new URL("../../cli/src/main.ts", import.meta.url).pathname;
const FOLDER = "/projects/lisbon";

let world: World;
let gateway: GatewayProcess;
beforeAll(async () => {
  world = new World();
  gateway = await world.start();
});
afterAll(() => world.stop());

interface Editor {
  readonly agent: ClientContext;
  readonly updates: SessionUpdate[];
  readonly asked: RequestPermissionRequest[];
  /** What the person chooses; a number of choices in turn. */
  readonly choices: string[];
  readonly taken: string[];
  /** What the process wrote for the people who run it. */
  readonly said: () => string;
}

/** Runs `use` as an editor whose agent is `concert acp`, signed in with `token`. */
async function asEditor(
  use: (editor: Editor) => Promise<void>,
  token: string | null = TOKENS.ann,
  flags: readonly string[] = [],
): Promise<void> {
  const child = Bun.spawn(
    [process.execPath, CONCERT, "acp", "--url", gateway.url, "--agent", "echo", ...flags],
    {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        ...(token === null ? {} : { CONCERT_TOKEN: token }),
      },
    },
  );
  const written = new WritableStream<Uint8Array>({
    write: async (chunk) => {
      child.stdin.write(chunk);
      await child.stdin.flush();
    },
  });
  let said = "";
  const listening = (async () => {
    for await (const chunk of child.stderr) said += new TextDecoder().decode(chunk);
  })();
  const updates: SessionUpdate[] = [];
  const asked: RequestPermissionRequest[] = [];
  const choices: string[] = [];
  const taken: string[] = [];
  const app = client({ name: "test editor" })
    .onNotification("session/update", ({ params }) => void updates.push(params.update))
    .onRequest("session/request_permission", async ({ params, signal }) => {
      asked.push(params);
      const optionId = choices.shift();
      if (optionId === BROKEN) throw new Error("the window is gone");
      if (optionId !== undefined) return { outcome: { outcome: "selected", optionId } };
      await new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve(), { once: true }),
      );
      taken.push(params.toolCall.toolCallId);
      return { outcome: { outcome: "cancelled" } };
    });
  try {
    await app.connectWith(ndJsonStream(written, child.stdout), async (agent) => {
      const answer = await agent.request("initialize", { protocolVersion: 1 });
      expect(answer).toMatchObject({
        protocolVersion: 1,
        agentCapabilities: { loadSession: true },
      });
      await use({ agent, updates, asked, choices, taken, said: () => said });
    });
  } finally {
    child.stdin.end();
    child.kill("SIGTERM");
    await child.exited;
    await listening;
  }
}

/** A choice for an editor that fails to ask. */
const BROKEN = "broken";

const newSession = ({ agent }: Editor) =>
  agent.request("session/new", { cwd: FOLDER, mcpServers: [] });
const prompt = ({ agent }: Editor, sessionId: string, text: string) =>
  agent.request("session/prompt", { sessionId, prompt: [{ type: "text", text }] });

const textOf = (updates: readonly SessionUpdate[], kind: SessionUpdate["sessionUpdate"]) =>
  updates
    .flatMap((update) =>
      update.sessionUpdate === kind && "content" in update && update.content !== null
        ? [(update.content as { text?: string }).text ?? ""]
        : [],
    )
    .join("");

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 3_000 && !condition(); tries += 1) await Bun.sleep(10);
  expect(condition()).toBe(true);
}

test("a prompt streams the agent's words and ends with its turn; the session is there for everybody", async () => {
  await asEditor(async (editor) => {
    const { sessionId } = await newSession(editor);
    expect(await prompt(editor, sessionId, "stream 200")).toEqual({ stopReason: "end_turn" });
    const words = Array.from({ length: 200 }, (_, index) => `w${index} `).join("");
    expect(textOf(editor.updates, "agent_message_chunk")).toBe(words);
    expect(textOf(editor.updates, "user_message_chunk")).toBe("");
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const { sessions } = (await ann.ask({ type: "list_sessions" })) as unknown as {
      sessions: { sessionId: string; name: string; agentType: string }[];
    };
    expect(sessions).toContainEqual(
      expect.objectContaining({ sessionId, name: "lisbon", agentType: "echo" }),
    );
    ann.close();
  });
});

test("what the editor cannot ask stays open: its person and who runs it are told which, and it is decided elsewhere", async () => {
  for (const choice of [BROKEN, "allow_always"]) {
    await asEditor(async (editor) => {
      editor.choices.push(choice);
      const { sessionId } = await newSession(editor);
      const ended = prompt(editor, sessionId, "approve it");
      await until(() => JSON.stringify(editor.updates).includes("stays open"));
      const approvalId = String(editor.asked[0]?._meta?.["concert/approvalId"]);
      expect(JSON.stringify(editor.updates)).toContain(`Approval ${approvalId} stays open`);
      await until(() => editor.said().includes(`approval ${approvalId} of session ${sessionId}`));
      expect(editor.asked).toHaveLength(1);
      const ann = await TestClient.as(gateway.port, TOKENS.ann);
      const answer = { type: "answer_question", sessionId, requestId: approvalId } as const;
      expect(await ann.ask({ ...answer, answers: { decision: "approved" } })).toMatchObject({
        decision: "approved",
      });
      expect(await ended).toEqual({ stopReason: "end_turn" });
      ann.close();
    });
  }
});

test("session/load tells the whole past once, in order, and goes on where it ends", async () => {
  let sessionId = "";
  await asEditor(async (editor) => {
    ({ sessionId } = await newSession(editor));
    await prompt(editor, sessionId, "stream 40");
    await expect(prompt(editor, sessionId, "fail now")).rejects.toMatchObject({
      code: -32_603,
      data: { code: "agent_failed" },
    });
  });
  await asEditor(async (editor) => {
    const { sessions } = await editor.agent.request("session/list", {});
    expect(sessions.map((one) => one.sessionId)).toContain(sessionId);
    await editor.agent.request("session/load", { sessionId, cwd: FOLDER, mcpServers: [] });
    expect(textOf(editor.updates, "user_message_chunk")).toBe("stream 40fail now");
    const told = textOf(editor.updates, "agent_message_chunk");
    expect(told).toContain("w38 w39 This turn failed: ");
    const before = editor.updates.length;
    expect(await prompt(editor, sessionId, "hi")).toEqual({ stopReason: "end_turn" });
    expect(textOf(editor.updates.slice(before), "agent_message_chunk")).toBe("Hello there.");
  });
  await asEditor(async (editor) => {
    await editor.agent.request("session/resume", { sessionId, cwd: FOLDER, mcpServers: [] });
    expect(editor.updates).toEqual([]);
    await prompt(editor, sessionId, "hi");
    expect(textOf(editor.updates, "agent_message_chunk")).toBe("Hello there.");
  });
});

test("an approval is asked for in the editor, and Concord hears the person who decided", async () => {
  await asEditor(async (editor) => {
    const { sessionId } = await newSession(editor);
    editor.choices.push("approved");
    expect(await prompt(editor, sessionId, "approve it")).toEqual({ stopReason: "end_turn" });
    expect(editor.asked).toHaveLength(1);
    expect(editor.asked[0]).toMatchObject({
      toolCall: { toolCallId: "call_1", title: "Confirm a booking" },
      options: [{ kind: "allow_once" }, { kind: "reject_once" }],
    });
    expect(JSON.stringify(editor.asked[0]?.toolCall.content)).toContain("Total 620.00");
    expect(editor.updates).toContainEqual(
      expect.objectContaining({
        sessionUpdate: "tool_call",
        toolCallId: "call_1",
        title: "hotel_confirm",
      }),
    );
    expect(editor.updates).toContainEqual(
      expect.objectContaining({
        sessionUpdate: "tool_call_update",
        toolCallId: "call_1",
        status: "completed",
        rawOutput: { confirmation_code: "H-1" },
      }),
    );
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const log = await ann.storedLog(sessionId);
    expect(log.find((event) => event.type === "approval_resolved")).toMatchObject({
      decision: "approved",
      decidedBy: "ann",
    });
    ann.close();
  });
});

test("what somebody else decides takes the question back", async () => {
  await asEditor(async (editor) => {
    const { sessionId } = await newSession(editor);
    const turn = prompt(editor, sessionId, "approve it");
    await until(() => editor.asked.length === 1);
    const other = await TestClient.as(gateway.port, TOKENS.ann);
    const log = await other.storedLog(sessionId);
    const asked = log.find((event) => event.type === "permission_requested");
    await other.ask({
      type: "answer_question",
      sessionId,
      requestId: asked?.type === "permission_requested" ? asked.requestId : "",
      answers: { decision: "approved" },
    });
    expect(await turn).toEqual({ stopReason: "end_turn" });
    await until(() => editor.taken.length === 1);
    other.close();
  });
});

test("session/cancel stops the turn, and the prompt ends as cancelled", async () => {
  await asEditor(async (editor) => {
    const { sessionId } = await newSession(editor);
    const turn = prompt(editor, sessionId, "hold on");
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    await ann.ask({ type: "join_session", sessionId });
    await ann.until(() => ann.log(sessionId).some((event) => event.type === "message_started"));
    await editor.agent.notify("session/cancel", { sessionId });
    expect(await turn).toEqual({ stopReason: "cancelled" });
    ann.close();
  });
});

test("who has no valid token is asked to sign in; another tenant's session is not there", async () => {
  await asEditor(async (editor) => {
    await expect(newSession(editor)).rejects.toMatchObject({ code: -32_000 });
    await expect(
      editor.agent.request("authenticate", { methodId: "concert-token" }),
    ).rejects.toMatchObject({ code: -32_000 });
  }, null);
  await asEditor(async (editor) => {
    await expect(newSession(editor)).rejects.toMatchObject({
      code: -32_000,
      data: { code: "AUTH_FAILED" },
    });
  }, "wrong");
  const ann = await TestClient.as(gateway.port, TOKENS.ann);
  const sessionId = await ann.newSession();
  await asEditor(async (editor) => {
    const load = { sessionId, cwd: FOLDER, mcpServers: [] };
    await expect(editor.agent.request("session/load", load)).rejects.toMatchObject({
      code: -32_002,
    });
    await expect(prompt(editor, sessionId, "hi")).rejects.toMatchObject({ code: -32_002 });
    expect(editor.updates).toEqual([]);
  }, TOKENS.eve);
  ann.close();
});

test("a token file that is filled later signs in, without a new start", async () => {
  const file = join(world.dataDir, "token");
  writeFileSync(file, "not a token");
  await asEditor(
    async (editor) => {
      await expect(newSession(editor)).rejects.toMatchObject({ code: -32_000 });
      writeFileSync(file, `${TOKENS.bob}\n`);
      await editor.agent.request("authenticate", { methodId: "concert-token" });
      const { sessionId } = await newSession(editor);
      const ann = await TestClient.as(gateway.port, TOKENS.ann);
      await prompt(editor, sessionId, "hi");
      const said = (await ann.storedLog(sessionId)).find(({ type }) => type === "user_message");
      expect(said).toMatchObject({ text: "hi", userId: "bob" });
      ann.close();
    },
    null,
    ["--token-file", file],
  );
});

test("a prompt that is no text is refused with a reason, and nothing is asked", async () => {
  await asEditor(async ({ agent, ...editor }) => {
    const { sessionId } = await newSession({ agent, ...editor });
    const image = { type: "image" as const, data: "AAAA", mimeType: "image/png" };
    await expect(
      agent.request("session/prompt", { sessionId, prompt: [image] }),
    ).rejects.toMatchObject({ code: -32_602, message: expect.stringContaining("image") });
    const link = { type: "resource_link" as const, name: "a.txt", uri: "file:///a.txt" };
    const text = { type: "text" as const, text: "hi, see" };
    await agent.request("session/prompt", { sessionId, prompt: [text, link] });
    const ann = await TestClient.as(gateway.port, TOKENS.ann);
    const said = (await ann.storedLog(sessionId)).filter(({ type }) => type === "user_message");
    expect(said).toMatchObject([{ text: "hi, see\n\n[a.txt](file:///a.txt)" }]);
    ann.close();
  });
});

test("a gateway that is killed in mid-turn loses the editor nothing", async () => {
  const own = new World();
  const first = await own.start();
  const shared = gateway;
  gateway = first;
  try {
    await asEditor(async (editor) => {
      const { sessionId } = await newSession(editor);
      const turn = prompt(editor, sessionId, "stream 600");
      await until(() => textOf(editor.updates, "agent_message_chunk").length > 200);
      await first.kill();
      await own.start(`--listen=127.0.0.1:${first.port}`);
      expect(await turn).toEqual({ stopReason: "end_turn" });
      const words = Array.from({ length: 600 }, (_, index) => `w${index} `).join("");
      expect(textOf(editor.updates, "agent_message_chunk")).toBe(words);
    });
  } finally {
    gateway = shared;
    await own.stop();
  }
});
