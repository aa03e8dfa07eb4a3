import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ConcordanceClient } from "@concert/concordance";
import { freePort } from "@concert/postgres-host";
import { afterAll, beforeAll, expect, test } from "vitest";
import { envSecrets, secretsFrom } from "./secrets.ts";

const ROOT = fileURLToPath(new URL("../../../../../", import.meta.url));
let directory: string;
let service: ChildProcess;
let writer: ConcordanceClient;
let reader: ConcordanceClient;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "concord-secrets-"));
  const port = await freePort();
  const flags = [
    `--listen=127.0.0.1:${port}`,
    `--data-dir=${join(directory, "data")}`,
    "--bootstrap",
  ];
  const env = {
    ...process.env,
    CONCORDANCE_API_KEY: "api-key-for-the-test",
    CONCORDANCE_AGENT_API_KEY: "agent-key-for-the-test",
  };
  service = spawn(
    join(ROOT, "node_modules/.bin/bun"),
    [join(ROOT, "packages/concordance/service/main.ts"), ...flags],
    { env, stdio: "ignore" },
  );
  const url = `http://127.0.0.1:${port}`;
  const retryForMs = 30_000;
  writer = new ConcordanceClient({ url, apiKey: env.CONCORDANCE_API_KEY, retryForMs });
  reader = new ConcordanceClient({ url, apiKey: env.CONCORDANCE_AGENT_API_KEY, retryForMs });
  await writer.set("connectors/github", "token", "from-concordance");
  await writer.set("connectors/github", "number", 7);
});
afterAll(async () => {
  const gone = once(service, "exit");
  service.kill("SIGTERM");
  await gone;
  await rm(directory, { recursive: true, force: true });
});

test("CON-9 env: the variable; unset, empty and other schemes are nothing", async () => {
  const secrets = envSecrets({ KEY: "value", EMPTY: "" });
  expect(await secrets.resolve("env:KEY")).toBe("value");
  expect(await secrets.resolve("env:EMPTY")).toBeUndefined();
  expect(await secrets.resolve("env:OTHER")).toBeUndefined();
  expect(await secrets.resolve("file:/etc/hostname")).toBeUndefined();
  expect(await secrets.resolve("concordance:a/b")).toBeUndefined();
});

test("CON-9 file: below the directories that were named, and no link leads out of them", async () => {
  const inside = join(directory, "secrets");
  const outside = join(directory, "elsewhere");
  await mkdir(inside);
  await writeFile(join(inside, "token"), "from-a-file\n");
  await writeFile(join(inside, "large"), "x".repeat(70_000));
  await writeFile(outside, "not-to-be-read");
  await symlink(outside, join(inside, "link"));
  await symlink(join(inside, "token"), join(inside, "friendly"));
  const secrets = secretsFrom({ directories: [inside, join(directory, "absent")] });
  expect(await secrets.resolve(`file:${inside}/token`)).toBe("from-a-file");
  expect(await secrets.resolve(`file:${inside}/friendly`)).toBe("from-a-file");
  for (const path of [
    outside,
    `${inside}/../elsewhere`,
    `${inside}/link`,
    `${inside}/none`,
    inside,
  ]) {
    expect(await secrets.resolve(`file:${path}`)).toBeUndefined();
  }
  await expect(secrets.resolve(`file:${inside}/large`)).rejects.toThrow("too large");
});

test("CON-9 concordance: read with the agents' read-only key from a real service, as it is now", async () => {
  const secrets = secretsFrom({ concordance: reader });
  expect(await secrets.resolve("concordance:connectors/github/token")).toBe("from-concordance");
  await writer.set("connectors/github", "token", "rotated-since");
  expect(await secrets.resolve("concordance:connectors/github/token")).toBe("rotated-since");
  expect(await secrets.resolve("concordance:connectors/github/absent")).toBeUndefined();
  expect(await secrets.resolve("concordance:connectors/github/number")).toBeUndefined();
  expect(await secrets.resolve("concordance:token")).toBeUndefined();
  await expect(reader.set("connectors/github", "token", "x")).rejects.toThrow();
});
