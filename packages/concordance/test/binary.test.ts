/** The single binary: built, moved away from its source, and asked to do what the program does. */
import { describe, expect, test } from "bun:test";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json";
import { inTemporaryDirectory } from "./process.ts";

const PACKAGE = join(import.meta.dir, "..");
const MINUTE = 60_000;

/** Runs a program to its end, with a clean environment. */
async function run(command: readonly string[], env: Record<string, string> = {}, cwd?: string) {
  const where = cwd === undefined ? {} : { cwd };
  const child = Bun.spawn([...command], { env, ...where, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, stdout, stderr };
}

describe("the single binary", () => {
  test(
    "serves, answers ctl, takes a backup and restores it, with nothing beside it",
    async () => {
      await inTemporaryDirectory(async (folder) => {
        const source = join(folder, "source");
        for (const room of ["service", "shared"]) {
          cpSync(join(PACKAGE, room), join(source, room), { recursive: true });
        }
        // The command that is documented, with this very Bun; the source is gone before the binary runs.
        const [, ...build] = manifest.scripts.build.split(" ");
        const built = await run([process.execPath, ...build], { PATH: "" }, source);
        expect(built).toMatchObject({ exitCode: 0 });
        const binary = join(folder, "concordance");
        cpSync(join(source, "dist/concordance"), binary);
        rmSync(source, { recursive: true });

        const flags = [`--data-dir=${folder}/data`, "--bootstrap", "--listen=127.0.0.1:0"];
        const server = Bun.spawn([binary, ...flags], { env: {}, stderr: "pipe", stdout: "ignore" });
        let said = "";
        for await (const chunk of server.stderr) {
          said += Buffer.from(chunk).toString();
          if (said.includes('"listening"')) break;
        }
        const env = { CONCORDANCE_URL: `http://${/"address":"([^"]+)"/.exec(said)?.[1]}` };
        const ctl = (...words: readonly string[]) => run([binary, "ctl", ...words], env);
        expect(await ctl("put", "tenant:a/settings", "k", "[1]")).toMatchObject({ exitCode: 0 });
        const entry = await ctl("get", "tenant:a/settings", "k", "--json");
        expect(JSON.parse(entry.stdout)).toMatchObject({ value: [1], version: 1 });
        // Made by a worker: the part of a binary that is forgotten most easily.
        const backup = join(folder, "state.backup");
        expect(await ctl("snapshot", backup)).toMatchObject({ exitCode: 0 });
        const restored = await run([binary, "restore", backup, `--data-dir=${folder}/restored`]);
        expect(restored).toMatchObject({ exitCode: 0 });
        expect(readdirSync(join(folder, "restored"))).toContain("raft.db");
        server.kill("SIGTERM");
        expect(await server.exited).toBe(0);
      });
    },
    2 * MINUTE,
  );
});
