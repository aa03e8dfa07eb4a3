/** A session is deleted while Podium is dead, and the gateway dies before it could ask again: nothing of the agent's stays. */
import { expect } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { REPOSITORY } from "@concert/cli/stack";
import { cut } from "../support/cut.ts";
import { completionOf, recordOf } from "../support/journey.ts";
import { eventually } from "../support/stack.ts";

const WORDS = "the-tulips-are-under-the-stairs";

cut("SIGKILL Podium and the gateway while a session is deleted", async (stack, witness) => {
  const folder = join(stack.dataDir, "podium");
  const onDisk = () =>
    readdirSync(folder).filter((name) => readFileSync(join(folder, name)).includes(WORDS));
  const sessionId = await witness.openSession();
  await witness.runTurn(sessionId, `Write trip/notes.md: ${WORDS}`);
  const done = await completionOf(witness);
  expect(onDisk()).not.toEqual([]);
  const isReady = async () => {
    const { sessions } = await witness.askPatiently({ type: "list_sessions" });
    return (sessions as { status: string }[])[0]?.status === "ready" ? true : undefined;
  };
  await eventually("the session to be ready", isReady, { everyMs: 500 });

  const podium = stack.kill("podium");
  expect((await witness.ask({ type: "delete_session", sessionId })).type).toBe("session_deleted");
  await stack.kill("diminuendo");
  await podium;
  for (const service of ["podium", "diminuendo"] as const) await stack.waitHealthy(service);
  const record = await eventually(
    "Podium to have removed it",
    async () => {
      const answer = await fetch(`${stack.urls.diminuendo}/api/threads/deleted`);
      const { items } = (await answer.json()) as {
        items: { sessionId: string; deletedBy: string; removed: { files: number } | null }[];
      };
      return items.find((one) => one.sessionId === sessionId && one.removed !== null);
    },
    { everyMs: 500 },
  );
  expect(record).toMatchObject({ deletedBy: "dev-user-001", removed: { turns: 1, files: 1 } });
  expect(onDisk()).toEqual([]);
  const main = join(REPOSITORY, "packages/cli/src/main.ts");
  const cli = Bun.spawn(
    [process.execPath, main, "session", "deleted", "--url", stack.urls.diminuendo],
    { stdout: "pipe", stderr: "inherit" },
  );
  expect(await new Response(cli.stdout).text()).toMatch(new RegExp(`${sessionId}.* yes`));
  const told = (await recordOf(stack, String(done["commandId"]))).map((one) => one.event_type);
  expect(told).toContain("command_created");
});
