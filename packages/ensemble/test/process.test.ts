/** Ensemble as a process: settings, secrets in its log, the way it ends. */
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { CHAT_MODELS, startChatServer } from "./chat-server.ts";

const MAIN = join(import.meta.dir, "../src/main.ts");
const SECRET = "sk-process-secret-42";

let child: ReturnType<typeof launch> | undefined;
afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
});

function launch(flags: readonly string[]) {
  return Bun.spawn([process.execPath, MAIN, ...flags], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, LOG_LEVEL: "trace" },
  });
}

/** Starts and waits for the line that names the URL; `log()` is what was written so far. */
async function started(flags: readonly string[]) {
  const process = launch(["--listen=127.0.0.1:0", "--offline-token-delay-ms=0", ...flags]);
  child = process;
  const listening = Promise.withResolvers<void>();
  let text = "";
  const reading = (async () => {
    for await (const piece of process.stderr) {
      text += new TextDecoder().decode(piece);
      if (text.includes('"listening"')) listening.resolve();
    }
    listening.reject(new Error(`ended: ${text}`));
  })();
  await listening.promise;
  return { process, reading, url: /"url":"([^"]+)"/.exec(text)?.[1] ?? "", log: () => text };
}

async function refusal(flags: readonly string[]) {
  const process = launch(flags);
  child = process;
  const stderr = await new Response(process.stderr).text();
  return { code: await process.exited, stderr };
}

describe("settings", () => {
  test("--help names every flag and no secret", async () => {
    const process = launch(["--help"]);
    const help = await new Response(process.stdout).text();
    expect(await process.exited).toBe(0);
    for (const flag of [
      "--listen",
      "--api-keys",
      "--default-model",
      "--offline-token-delay-ms",
      "--openai-base-url",
      "--openai-api-key",
      "--openai-models",
    ]) {
      expect(help).toContain(flag);
    }
  });

  test.each([
    [["--port=1"], "unknown argument"],
    [["--openai-models=a"], "--openai-base-url"],
    [["--openai-base-url=http://127.0.0.1:1/v1"], "--openai-models"],
    [["--default-model=nope"], "nope is none of"],
    [["--openai-prices=a:1"], "needs model=input/output"],
    [["--openai-prices=a=1/2"], "not in --openai-models"],
    [["--offline-token-delay-ms=fast"], "whole number"],
    [["--api-keys="], "at least one key"],
  ])("%j is refused", async (flags, words) => {
    const { code, stderr } = await refusal(flags);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });

  test("a busy port is explained", async () => {
    const { url } = await started([]);
    const second = launch([`--listen=127.0.0.1:${new URL(url).port}`]);
    const stderr = await new Response(second.stderr).text();
    expect(await second.exited).toBe(1);
    expect(stderr).toContain("is in use");
  });
});

test("the provider's key is in no answer and no log line, whatever the provider does", async () => {
  const chat = startChatServer();
  try {
    const flags = [
      `--openai-base-url=${chat.baseUrl}`,
      `--openai-api-key=${SECRET}`,
      `--openai-models=${CHAT_MODELS.join()}`,
    ];
    const { process, reading, url, log } = await started(flags);
    const answers = [];
    chat.open();
    for (const model of [
      "plain",
      "limited",
      "failing",
      "denied",
      "malformed",
      "dropped",
      "badargs",
    ]) {
      for (const path of ["/api/v1/generate", "/api/v1/stream"]) {
        const response = await fetch(new URL(path, url), {
          method: "POST",
          headers: { authorization: "Bearer ens_dev", "content-type": "application/json" },
          body: JSON.stringify({
            model,
            messages: [{ role: "user", content: "a private sentence" }],
          }),
        });
        answers.push(await response.text());
      }
    }
    process.kill("SIGTERM");
    expect(await process.exited).toBe(0);
    await reading;
    expect(chat.received[0]?.authorization).toBe(`Bearer ${SECRET}`);
    expect(answers.join()).not.toContain(SECRET);
    expect(log()).toContain("generation failed");
    expect(log()).not.toContain(SECRET);
    expect(log()).not.toContain("a private sentence");
    for (const line of log().trim().split("\n")) expect(() => JSON.parse(line)).not.toThrow();
  } finally {
    await chat.stop();
  }
});
