import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import pg from "pg";
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
