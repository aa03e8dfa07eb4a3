/** Owns what most rows begin with: viewers in sessions, each session in the middle of a turn; and whether all is well. */

import type { World } from "./gateway.ts";
import type { Seen } from "./load/crowd.ts";
import type { Pace } from "./load/podium.ts";

export interface Cast {
  readonly sessions: number;
  /** Viewers of each session. */
  readonly every: number;
}

const READY_WITHIN_MS = 60_000;

/** Viewers signed in, sessions created and joined, a turn open in each; answers the sessions' ids. */
export async function stage(
  world: World,
  { sessions, every }: Cast,
  tokens = world.tokens,
): Promise<readonly string[]> {
  const { crowd, podium, port } = world;
  // A session is seen by its own tenant only.
  if (sessions % tokens.length !== 0) throw new Error("tenants must divide the sessions");
  await crowd.ask("connect", { port, count: sessions * every, tokens });
  const ids = await crowd.ask("create", { sessions, every });
  await crowd.ask("join", { sessions: ids, every, how: "start" });
  await crowd.ask("turns", { sessions: ids, every, text: "speak" });
  await until(`${sessions} agents are listened to`, async () => {
    return (await podium.ask("listening", undefined)) === sessions;
  });
  await settled(world);
  return ids;
}

const QUIET_MS = 1_000;

/** Turns that begin are still being written while their agents are listened to already: nobody is told anything more. */
async function settled({ crowd }: Stage): Promise<void> {
  let [before, events] = [-1, 0];
  await until(
    "the gateway has nothing more to tell",
    async () => {
      before = events;
      await Bun.sleep(QUIET_MS);
      events = (await crowd.ask("seen", { reset: false })).events;
      return events === before;
    },
    READY_WITHIN_MS * 2,
  );
}

/** Who speaks and who listens; what is between them is measured. */
export type Stage = Pick<World, "podium" | "crowd">;

/** Says so many events and waits until every viewer has the last, or `graceMs` have passed. */
export async function play(
  { crowd, podium }: Stage,
  how: Pace,
  expected: (said: number) => number,
  graceMs = 15_000,
): Promise<Seen & { readonly said: number; readonly tookMs: number }> {
  await crowd.ask("seen", { reset: true });
  const paced = await podium.ask("pace", how);
  const giveUpMs = performance.now() + graceMs;
  for (;;) {
    const seen = await crowd.ask("seen", { reset: false });
    if (seen.latencyMs.count >= expected(paced.said) || performance.now() > giveUpMs) {
      return { ...seen, ...paced };
    }
    await Bun.sleep(50);
  }
}

/** Throws with what went wrong if a viewer was closed, refused, or told something out of order. */
export function assertWell(seen: Seen): void {
  const { wrong, wrongs, closes, errors } = seen;
  if (wrong > 0) throw new Error(`${wrong} events were wrong: ${wrongs.join("; ")}`);
  if (Object.keys(closes).length > 0) throw new Error(`closed: ${JSON.stringify(closes)}`);
  if (Object.keys(errors).length > 0) throw new Error(`refused: ${JSON.stringify(errors)}`);
}

export async function until(
  what: string,
  holds: () => Promise<boolean>,
  withinMs = READY_WITHIN_MS,
): Promise<void> {
  const giveUpMs = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > giveUpMs) throw new Error(`never happened: ${what}`);
    await Bun.sleep(10);
  }
}
