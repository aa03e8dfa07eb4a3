/** Owns the rows of one session: a thousand viewers, a long replay, a reader that stopped reading. */
import type { Board } from "../board.ts";
import type { Effort } from "../effort.ts";
import { World } from "../gateway.ts";
import { assertWell, play, stage, until } from "../stage.ts";

const VIEWERS = 1_000;
const EVENTS_PER_SECOND = 20;
const MISSED = 1_000;
const JOINING_VIEWERS = 50;
const WARM_UP_JOINS = 50;

export async function benchFanout({ seconds }: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 1 }, async (world) => {
    await stage(world, { sessions: 1, every: VIEWERS });
    const how = { rate: EVENTS_PER_SECOND, seconds, bytes: 200, kind: "delta" as const };
    const seen = await play(world, how, (said) => said * VIEWERS);
    assertWell(seen);
    board.record("fanout-p99", seen.latencyMs.p99);
    board.record("fanout-delivered", (100 * seen.latencyMs.count) / (seen.said * VIEWERS));
  });
}

export async function benchJoin({ joins }: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 1 }, async (world) => {
    const { crowd } = world;
    await stage(world, { sessions: 1, every: JOINING_VIEWERS });
    // Not deltas: neighbouring ones would be merged, and a thousand events is what is to be missed.
    const how = { rate: MISSED, seconds: 1, bytes: 200, kind: "thought" as const };
    const seen = await play(world, how, (said) => said * JOINING_VIEWERS);
    assertWell(seen);
    const [place] = await crowd.ask("places", undefined);
    const missing = { viewers: JOINING_VIEWERS, seq: (place?.seq ?? 0) - MISSED, missed: MISSED };
    await crowd.ask("rejoin", { ...missing, rounds: WARM_UP_JOINS });
    const took = await crowd.ask("rejoin", { ...missing, rounds: joins });
    assertWell(await crowd.ask("seen", { reset: true }));
    board.record("join-p50", took.p50);
    board.record("join-p99", took.p99);
  });
}

const PAUSED = 1;
const FAT = { rate: 400, seconds: 5, bytes: 16_384, kind: "thought" as const };

/** Rounds of the load before and after the one with the reader that reads nothing. */
const ROUNDS_BESIDE = 3;
const LOOK_EVERY_MS = 50;

/** The same load several times, once with one reader that reads nothing. */
export async function benchSlow(_: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 1 }, async (world) => {
    const { crowd } = world;
    await stage(world, { sessions: 1, every: 2 });
    const rounds = async (viewers: number) => {
      for (let round = 0; round < ROUNDS_BESIDE; round += 1) {
        assertWell(await play(world, FAT, (said) => said * viewers));
      }
    };
    const lowestMb = [
      await lowestRssMb(world, () => rounds(2)),
      await lowestRssMb(world, () => rounds(2)),
    ];
    await crowd.ask("pause", { viewer: PAUSED });
    const closing = closedAtMs(world);
    const held = new Sampled(() => world.metric("diminuendo_waiting_bytes"));
    const seen = await play(world, FAT, (said) => said);
    board.record("slow-held", Math.max(...(await held.end())) / 1e6);
    board.record("slow-others", (100 * seen.latencyMs.count) / seen.said);
    const closedMs = await closing;
    await crowd.ask("resume", { viewer: PAUSED });
    await until("the paused reader is closed", async () => {
      return Object.keys((await crowd.ask("seen", { reset: false })).closes).length > 0;
    });
    // What it had been sent when the limit was reached is all it gets; the last of it tells when that was.
    const after = await crowd.ask("seen", { reset: true });
    board.record("slow-code", after.closes["4008"] ?? 0);
    const { lastSentAtMs } = (await crowd.ask("places", undefined))[PAUSED] ?? { lastSentAtMs: 0 };
    board.record("slow-closed", Math.max(0, closedMs - lastSentAtMs));
    lowestMb.push(await lowestRssMb(world, () => rounds(1)));
    const [first = 0, before = 0, last = 0] = lowestMb;
    board.record("slow-rss", last - before);
    board.record("slow-rss-without", before - first);
  });
}

/** Asked again and again until the end. */
class Sampled {
  #isOver = false;
  readonly #samples: Promise<readonly number[]>;

  constructor(ask: () => Promise<number>) {
    this.#samples = this.#sample(ask);
  }

  end(): Promise<readonly number[]> {
    this.#isOver = true;
    return this.#samples;
  }

  async #sample(ask: () => Promise<number>): Promise<readonly number[]> {
    const samples: number[] = [];
    while (!this.#isOver) {
      samples.push(await ask());
      await Bun.sleep(LOOK_EVERY_MS);
    }
    return samples;
  }
}

/**
 * Where resident memory comes back to while the load goes on: what is garbage goes up and down by a hundred megabytes
 * with it, paused reader or not, and says nothing about what is held.
 */
async function lowestRssMb(world: World, load: () => Promise<void>): Promise<number> {
  const rss = new Sampled(async () => world.rssMb());
  await load().finally(() => rss.end());
  return Math.min(...(await rss.end()));
}

/** When the gateway counts a slow reader. */
async function closedAtMs(world: World): Promise<number> {
  await until(
    "a slow reader is counted",
    async () => (await world.metric("diminuendo_slow_readers_total")) > 0,
  );
  return performance.timeOrigin + performance.now();
}
