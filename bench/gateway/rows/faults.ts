/** Owns the rows of trouble: a gateway killed in mid-turn, ten thousand clients that come back at once, and its start. */

import { quantile } from "../../support/table.ts";
import type { Board } from "../board.ts";
import type { Effort } from "../effort.ts";
import { World } from "../gateway.ts";
import { assertWell, play, stage, until } from "../stage.ts";

const SPEAKING = { rate: 200, bytes: 200, kind: "delta" as const };
const SPOKEN_SECONDS = 1.5;
/** Where in that the blow falls. */
const BLOW_AFTER_MS = 500;
const QUEUED = 5;

/** Each time: a turn streams, people say more, the process dies and comes back, clients follow with their cursor. */
export async function benchKill({ kills }: Effort, board: Board): Promise<void> {
  const backMs: number[] = [];
  let [lost, wrong] = [0, 0];
  for (let round = 0; round < kills; round += 1) {
    await World.with({ tenants: 1 }, async (world) => {
      const one = await killOnce(world, BLOW_AFTER_MS + round * 37);
      backMs.push(one.backMs);
      lost += one.lost;
      wrong += one.wrong;
    });
  }
  board.record("kill-back", Math.max(...backMs));
  board.record("kill-wrong", wrong);
  board.record("kill-lost", lost);
  board.note(
    `Kill -9: ${kills} rounds, back after ${quantile(backMs, 0.5).toFixed(0)} ms (median).`,
  );
}

async function killOnce(world: World, afterMs: number) {
  const { crowd, podium, port, tokens } = world;
  const [sessionId = ""] = await stage(world, { sessions: 1, every: 2 });
  const pacing = podium.ask("pace", { ...SPEAKING, seconds: SPOKEN_SECONDS });
  const accepted: string[] = [];
  const saying = (async () => {
    for (let index = 0; index < QUEUED; index += 1) {
      const text = `more ${index}`;
      const message = { type: "run_turn", sessionId, text, whenBusy: "enqueue" };
      const answer = await crowd.ask("ask", { viewer: 0, message }, 500).catch(() => null);
      if (answer?.type === "turn_accepted") accepted.push(text);
      await Bun.sleep(afterMs / QUEUED);
    }
  })();
  await Bun.sleep(afterMs);
  const killedMs = performance.timeOrigin + performance.now();
  await world.kill();
  await world.start();
  await crowd.ask("connect", { port, count: 2, tokens });
  await crowd.ask("join", { sessions: [sessionId], every: 2, how: "cursor" });
  const { said } = await pacing;
  await saying;
  const all = async () =>
    (await crowd.ask("places", undefined)).every(({ marked }) => marked >= said);
  await until("both viewers have everything that was said", all, 10_000).catch(() => undefined);
  const { wrong, latencyMs } = await crowd.ask("seen", { reset: true });
  const places = await crowd.ask("places", undefined);
  const missing = places.filter(({ marked }) => marked !== said).length;
  if (latencyMs.count < said) throw new Error(`${latencyMs.count} marks seen of ${said}`);
  return {
    backMs: Math.max(...places.map(({ liveAtMs }) => liveAtMs)) - killedMs,
    wrong: wrong + missing,
    lost: await lostOf(world, sessionId, accepted),
  };
}

/** Of the inputs that were acknowledged, those that never become a turn. */
async function lostOf(world: World, sessionId: string, accepted: readonly string[]) {
  const { crowd, podium } = world;
  const message = { type: "get_history", sessionId, limit: 200 };
  // Each end opens the next that waits.
  for (let turn = 0; turn <= accepted.length; turn += 1) {
    await podium.ask("finish", undefined);
    await Bun.sleep(100);
  }
  const answer = await crowd.ask("ask", { viewer: 0, message });
  const said = new Set((answer["messages"] as { text: string }[]).map(({ text }) => text));
  return accepted.filter((text) => !said.has(text)).length;
}

export async function benchReconnect(effort: Effort, board: Board): Promise<void> {
  const { sessions, connections } = effort;
  const every = connections / sessions;
  await World.with({ tenants: Math.min(500, sessions) }, async (world) => {
    const { crowd, podium, port, tokens } = world;
    const ids = await stage(world, { sessions, every });
    const how = { rate: sessions, seconds: 2, bytes: 200, kind: "delta" as const };
    await play(world, { ...how, rate: sessions / 2 }, (said) => said * every, 60_000);
    assertWell(await crowd.ask("seen", { reset: true }));
    await crowd.ask("cut", undefined);
    // What is said meanwhile has to be caught up on.
    const { said } = await podium.ask("pace", { ...how, rate: sessions / 2 });
    await Bun.sleep(1_000);
    const connectMs = await crowd.ask("connect", { port, count: connections, tokens });
    const joinMs = await crowd.ask("join", { sessions: ids, every, how: "cursor" });
    await Bun.sleep(500);
    const seen = await crowd.ask("seen", { reset: true });
    if (seen.wrong > 0) throw new Error(`wrong: ${seen.wrongs.join("; ")}`);
    const late = seen.latencyMs.count - said * every;
    if (late !== 0) throw new Error(`${late} events more or less than were missed`);
    const refused = [...Object.values(seen.closes), ...Object.values(seen.errors)];
    board.record("reconnect-all", connectMs + joinMs);
    board.record(
      "reconnect-refused",
      refused.reduce((sum, count) => sum + count, 0),
    );
  });
}

export async function benchStart({ starts }: Effort, board: Board): Promise<void> {
  await World.with({ tenants: 1 }, async (world) => {
    const tookMs: number[] = [];
    for (let round = 0; round < starts; round += 1) {
      await world.kill();
      tookMs.push(await world.start());
    }
    board.record("start", quantile(tookMs, 0.5));
  });
}
