/** `concert config` as a process, over a real configuration service and the files of a real supervisor. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeRunLock } from "../src/stack/run-lock.ts";
import { loadKeys } from "../src/stack/secrets.ts";
import { REPOSITORY } from "../src/stack/stack.ts";

const MAIN = join(import.meta.dir, "../src/main.ts");

async function concert(...words: readonly string[]) {
  const child = Bun.spawn([process.execPath, MAIN, ...words], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, stdout, stderr };
}

test("config hands its words to concordance ctl, with the address and the key of the stack that runs there", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "concert-config-"));
  const at = `--data-dir=${dataDir}`;
  expect(await concert("config", at, "list", "tenant:a")).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining("npm start"),
  });
  expect((await concert("config", at, "--help")).stdout).toContain("concordance ctl <command>");
  const keys = loadKeys(dataDir, {});
  const lock = takeRunLock(dataDir);
  const service = Bun.spawn(
    [
      process.execPath,
      join(REPOSITORY, "packages/concordance/service/main.ts"),
      `--data-dir=${dataDir}/concordance`,
      "--bootstrap",
      "--listen=127.0.0.1:0",
    ],
    {
      env: {
        CONCORDANCE_API_KEY: keys.concordanceApiKey,
        CONCORDANCE_AGENT_API_KEY: keys.concordanceAgentApiKey,
      },
      stdout: "ignore",
      stderr: "pipe",
    },
  );
  let said = "";
  for await (const chunk of service.stderr) {
    said += Buffer.from(chunk).toString();
    if (said.includes('"listening"')) break;
  }
  const url = `http://${/"address":"([^"]+)"/.exec(said)?.[1]}`;
  const facts = { pid: service.pid, url, phase: "healthy", restarts: 0 };
  const startedAt = new Date().toISOString();
  lock.write({ supervisorPid: process.pid, startedAt, services: { concordance: facts } });

  const put = await concert("config", at, "put", "tenant:a/settings", "theme", '"dark"', "--json");
  expect(JSON.parse(put.stdout)).toMatchObject({ ok: true, version: 1 });
  expect((await concert("config", at, "get", "tenant:a/settings", "theme", "--raw")).stdout).toBe(
    "dark\n",
  );
  expect((await concert("config", at, "get", "tenant:a/settings", "none")).exitCode).toBe(1);
  expect((await concert("config", at, "put", "--help")).stdout).toContain("--request-id");

  service.kill("SIGTERM");
  await service.exited;
  lock.release();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);
