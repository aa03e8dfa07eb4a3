/** Owns the rows of what clients send: round trips through the router, and one that floods. */
import { cpuMsOf } from "../../concordance/processes.ts";
import type { Board } from "../board.ts";
import type { Effort } from "../effort.ts";
import { World } from "../gateway.ts";
import { assertWell, play, stage } from "../stage.ts";

const ECHOING = 200;
/** A connection answers that often in ten seconds at 100,000/s over all of them; the default is for people. */
const UNBOUND = ["--messages-max=10000"];
const WARM_UP_SECONDS = 1;

export async function benchRoundtrip({ seconds }: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 10, flags: UNBOUND }, async (world) => {
    const { crowd, port, tokens } = world;
    await crowd.ask("connect", { port, count: ECHOING, tokens });
    await crowd.ask("echo", { viewers: ECHOING, seconds: WARM_UP_SECONDS });
    const cpuBeforeMs = cpuMsOf([world]);
    const took = Math.min(seconds, 5);
    const rate = await crowd.ask("echo", { viewers: ECHOING, seconds: took });
    const cpuMs = cpuMsOf([world]) - cpuBeforeMs;
    assertWell(await crowd.ask("seen", { reset: true }));
    board.record("roundtrip", rate);
    board.record("roundtrip-cpu", (cpuMs * 1_000) / (rate * took));
  });
}

const OTHERS = { sessions: 100, every: 2 };

export async function benchFlood({ seconds }: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 11 }, async (world) => {
    const { crowd, port, tokens } = world;
    // The last tenant is the flood's own.
    await stage(world, OTHERS, tokens.slice(0, -1));
    const how = { rate: 1_000, seconds, bytes: 200, kind: "delta" as const };
    const expected = (said: number) => said * OTHERS.every;
    await play(world, { ...how, seconds: 1 }, expected);
    const quiet = await play(world, how, expected);
    const flooding = crowd.ask("flood", { port, token: tokens.at(-1) ?? "", ms: seconds * 1_000 });
    const busy = await play(world, how, expected);
    const closed = await flooding;
    for (const seen of [quiet, busy]) {
      assertWell(seen);
      if (seen.latencyMs.count !== expected(seen.said)) throw new Error("not all was delivered");
    }
    const all = Object.values(closed).reduce((sum, count) => sum + count, 0);
    // The last may have been cut by us, at the end of its time.
    const ours = Math.min(1, closed["1006"] ?? 0);
    board.record("flood-closed", (100 * (closed["4029"] ?? 0)) / (all - ours));
    board.record("flood-others", busy.latencyMs.p99 / quiet.latencyMs.p99);
    board.note(
      `Flood: ${closed["4029"] ?? 0} connections closed with 4029 in ${seconds} s; others' p99 ` +
        `${quiet.latencyMs.p99.toFixed(1)} ms without, ${busy.latencyMs.p99.toFixed(1)} ms with.`,
    );
  });
}
