/**
 * Owns noticing that keys are past their time, at the leader, and proposing their removal. The command is
 * conditional, so noticing too late, twice, or during a renewal does no harm (pitfall 32).
 */
import type { KvStore } from "../shared/store.ts";
import { encodeCommand } from "./command.ts";
import type { ApplyResult } from "./fsm.ts";
import type { RaftDriver } from "./raft/driver.ts";

const SWEEP_MS = 50;
const SWEEP_KEYS_MAX = 256;

/** Sweeps until the returned function is called. One proposal at a time. */
export function sweepExpired(
  driver: RaftDriver<ApplyResult>,
  store: KvStore,
  wallMs: () => number,
): () => void {
  let proposing = false;
  const timer = setInterval(async () => {
    if (proposing || !mayPropose(driver)) return;
    const due = store.expiredBy(wallMs(), SWEEP_KEYS_MAX);
    if (due.length === 0) return;
    proposing = true;
    const keys = due.map(({ namespace, key, version }) => ({ namespace, key, version }));
    await driver.propose(encodeCommand({ type: "expire", keys }));
    proposing = false;
  }, SWEEP_MS);
  return () => clearInterval(timer);
}

/** A leader that has caught up with its own term. Whoever only thinks it leads proposes in vain. */
function mayPropose({ state }: RaftDriver<ApplyResult>): boolean {
  return state.role.kind === "leader" && state.commitIndex >= state.role.termStartIndex;
}
