/**
 * Owns the moment after a supervisor was killed: its children are ending by themselves, and the ports are
 * not free until they have. Refuses to own: ending anything; a stranger's process is never touched.
 */
import { spawnSync } from "node:child_process";
import type { RunState } from "./run-lock.ts";
import { SERVICES } from "./services.ts";

const WAIT_MS_MAX = 15_000;
const LOOK_EVERY_MS = 100;

/** Waits for the services of `state` that are still alive. Resolves with those that did not end in time. */
export async function waitForLeftOvers(
  state: RunState,
  onWaiting: (names: readonly string[]) => void,
): Promise<readonly string[]> {
  const deadlineMs = Date.now() + WAIT_MS_MAX;
  let alive = stillAlive(state);
  if (alive.length > 0) onWaiting(alive);
  while (alive.length > 0 && Date.now() < deadlineMs) {
    await Bun.sleep(LOOK_EVERY_MS);
    alive = stillAlive(state);
  }
  return alive;
}

function stillAlive(state: RunState): readonly string[] {
  return Object.entries(state.services).flatMap(([name, { pid }]) => {
    const entry = SERVICES.find((row) => row.name === name)?.entry;
    return pid !== null && entry !== undefined && runs(pid, entry) ? [name] : [];
  });
}

/** Whether process `pid` was started for `entry`: a process id alone may have been given to somebody else. */
function runs(pid: number, entry: string): boolean {
  const listed = spawnSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  return listed.status === 0 && listed.stdout.includes(entry);
}
