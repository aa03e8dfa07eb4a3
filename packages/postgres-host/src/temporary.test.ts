import { expect, test } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { socketFolderOf } from "./socket.ts";
import { startTemporaryPostgres } from "./temporary.ts";

async function ask(url: string, statement: string): Promise<Record<string, unknown> | undefined> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(statement);
    return rows[0];
  } finally {
    await client.end();
  }
}

test("a temporary server answers, and leaves nothing behind", async () => {
  const postgres = await startTemporaryPostgres();
  const found = await ask(postgres.url, "show data_directory");
  const folder = String(found?.["data_directory"]);
  expect(existsSync(folder)).toBe(true);
  await postgres.stop();
  expect(existsSync(folder)).toBe(false);
  await expect(ask(postgres.url, "select 1")).rejects.toThrow("ECONNREFUSED");
});

test("it answers by its local socket as well, which nobody else may enter", async () => {
  const postgres = await startTemporaryPostgres();
  const { searchParams, port } = new URL(postgres.localUrl);
  const folder = searchParams.get("host") ?? "";
  const asked = await ask(postgres.localUrl, "select inet_server_addr() as address");
  expect(asked).toEqual({ address: null });
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, `.s.PGSQL.${port}`)).mode & 0o777).toBe(0o700);
  await postgres.stop();
});

test("a folder whose name is too long for a socket, or cannot be written down, has none", () => {
  expect(socketFolderOf("/data/postgres", 5433)).toBe("/data/postgres");
  expect(socketFolderOf(`/${"long".repeat(30)}`, 5433)).toBeUndefined();
  expect(socketFolderOf('/data/with "quotes", and commas', 5433)).toBeUndefined();
});

test("a server whose owner is killed ends by itself", async () => {
  const program = `
    import { startTemporaryPostgres } from ${JSON.stringify(`${import.meta.dir}/temporary.ts`)};
    process.stdout.write((await startTemporaryPostgres()).url);
    setInterval(() => undefined, 1_000);`;
  const owner = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const reader = owner.stdout.getReader();
  const url = new TextDecoder().decode((await reader.read()).value);
  expect(await ask(url, "select 1 as one")).toEqual({ one: 1 });
  owner.kill("SIGKILL");
  await owner.exited;
  for (;;) {
    const gone = await ask(url, "select 1").then(
      () => false,
      (error: unknown) => error instanceof Error && error.message.includes("ECONNREFUSED"),
    );
    if (gone) break;
    await Bun.sleep(50);
  }
});
