/** Owns running `concert` as a person does, in a folder and an environment, and reading what it says. */
import { expect } from "bun:test";
import { join } from "node:path";

const MAIN = join(import.meta.dir, "../src/main.ts");

export function concertIn(folder: () => string, env: () => Readonly<Record<string, string>>) {
  const concert = async (...args: readonly string[]) => {
    const child = Bun.spawn([process.execPath, MAIN, ...args], {
      cwd: folder(),
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...env() },
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code: await child.exited, out, err };
  };
  /** What it says as JSON, having failed at nothing. */
  const json = async (...args: readonly string[]) => {
    const { code, out, err } = await concert(...args, "--json");
    expect(err).toBe("");
    expect(code).toBe(0);
    return JSON.parse(out);
  };
  return { concert, json };
}
