/** Owns `concert status`: what runs on a data directory, from its state file. Refuses to own: starting or stopping. */
import { resolve } from "node:path";
import { isRunning, readRunState } from "../stack/run-lock.ts";

/** Prints one line per service. Resolves with 0 when a stack runs and all is healthy, 1 otherwise. */
export function status(dataDir: string): number {
  const folder = resolve(dataDir);
  const state = isRunning(folder) ? readRunState(folder) : undefined;
  if (state === undefined) {
    process.stdout.write(`Nothing runs on ${folder}. Start it with: npm start\n`);
    return 1;
  }
  const rows = Object.entries(state.services).map(([name, { pid, url, phase, restarts }]) =>
    [
      name.padEnd(12),
      phase.padEnd(12),
      String(pid ?? "-").padEnd(8),
      String(restarts).padEnd(9),
      url,
    ].join(""),
  );
  const head = `${"service".padEnd(12)}${"state".padEnd(12)}${"process".padEnd(8)}${"restarts".padEnd(9)}address`;
  const since = `Supervisor ${state.supervisorPid}, since ${state.startedAt}, on ${folder}`;
  process.stdout.write(`${since}\n\n${head}\n${rows.join("\n")}\n`);
  return Object.values(state.services).every(({ phase }) => phase === "healthy") ? 0 : 1;
}
