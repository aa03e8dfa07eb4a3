/**
 * Owns the row of many small sessions: every delta is stored before it is seen, and the stores are read back by
 * another process after this one was killed, with Podium gone, so that nothing can be fetched again.
 */
import { cpuMsOf } from "../../concordance/processes.ts";
import type { Board } from "../board.ts";
import type { Effort } from "../effort.ts";
import { World } from "../gateway.ts";
import type { Seen } from "../load/crowd.ts";
import { assertWell, play, stage } from "../stage.ts";

const VIEWERS_EACH = 2;
const TEXT_BYTES = 200;
const GRACE_MS = 30_000;
const SETTLE_MS = 2_000;

export async function benchStored(effort: Effort, board: Board): Promise<void> {
  const { sessions, deltasPerSecond: rate, seconds } = effort;
  const tenants = Math.min(500, sessions);
  await World.with({ tenants }, async (world) => {
    const ids = await stage(world, { sessions, every: VIEWERS_EACH });
    await Bun.sleep(SETTLE_MS);
    const cpuBeforeMs = cpuMsOf([world]);
    const how = { rate, seconds, bytes: TEXT_BYTES, kind: "delta" as const };
    const seen = await play(world, how, (said) => said * VIEWERS_EACH, GRACE_MS);
    assertWell(seen);
    board.record("stored-cpu", ((cpuMsOf([world]) - cpuBeforeMs) * 1_000) / seen.said);
    board.record("stored-p50", seen.latencyMs.p50);
    board.record("stored-p99", seen.latencyMs.p99);
    board.record("stored-sent", (seen.said * 1_000) / seen.tookMs);
    board.record("stored-delivered", (100 * seen.latencyMs.count) / (seen.said * VIEWERS_EACH));
    board.record("stored-rss", world.rssMb());
    await readBack(world, ids, seen, board);
  });
}

async function readBack(
  world: World,
  sessions: readonly string[],
  { said }: Seen & { readonly said: number },
  board: Board,
): Promise<void> {
  const { crowd, port, tokens } = world;
  await Promise.all([world.kill(), world.podium.end()]);
  await crowd.ask("seen", { reset: true });
  board.record("stored-recovery", await world.start());
  await crowd.ask("connect", { port, count: sessions.length * VIEWERS_EACH, tokens });
  await crowd.ask("join", { sessions, every: VIEWERS_EACH, how: "start" });
  assertWell(await crowd.ask("seen", { reset: true }));
  const places = await crowd.ask("places", undefined);
  const read = places.reduce((sum, { marked }) => sum + marked, 0);
  board.record("stored-kept", (100 * read) / (said * VIEWERS_EACH));
}
