/**
 * Owns `concert config`: the configuration service's own command line, pointed at the stack that runs on a data
 * directory and given its key. Refuses to own: what there is to say to it (`concordance ctl`).
 */
import { join, resolve } from "node:path";
import { isRunning, readRunState } from "../stack/run-lock.ts";
import { loadKeys } from "../stack/secrets.ts";
import { SERVICES } from "../stack/services.ts";
import { REPOSITORY } from "../stack/stack.ts";

/** As `concordance ctl` says it: nobody there. */
const UNREACHABLE = 3;
const [ENTRY = ""] = SERVICES.filter(({ name }) => name === "concordance").map(({ entry }) =>
  join(REPOSITORY, entry),
);

/** Hands `words` on. Resolves with the exit code of `concordance ctl`. */
export async function config(dataDir: string, words: readonly string[]): Promise<number> {
  const folder = resolve(dataDir);
  const state = isRunning(folder) ? readRunState(folder) : undefined;
  const url = state?.services["concordance"]?.url;
  const asksForHelp = words.some((word) => word === "--help" || word === "-h");
  if (url === undefined && !asksForHelp) {
    process.stderr.write(`No configuration service runs on ${folder}. Start it with: npm start\n`);
    return UNREACHABLE;
  }
  const target = url === undefined ? {} : targetOf(folder, url);
  const child = Bun.spawn([process.execPath, ENTRY, "ctl", ...words], {
    env: { ...process.env, ...target },
    stdio: ["inherit", "inherit", "inherit"],
  });
  // Ctrl-C reaches the child too, and the child decides how it ends.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => child.kill("SIGTERM"));
  return await child.exited;
}

/** The key travels in the environment only: arguments show in the process list. */
function targetOf(folder: string, url: string) {
  const { concordanceApiKey } = loadKeys(folder, process.env);
  return { CONCORDANCE_URL: url, CONCORDANCE_API_KEY: concordanceApiKey };
}
